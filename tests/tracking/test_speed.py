"""Applying costs few statements, however many events there are."""

import json

from sqlalchemy import event, text

from app import ids
from app.tracking import receipts
from tests.support.messages import World


def test_a_thousand_deliveries_are_a_handful_of_statements(world: World) -> None:
    template = world.message(world.contact())
    columns = (
        "accepted_at, origin, lane, channel, status, contact_id, address, topic_id, version_id, "
        "handed_at"
    )
    rows = world.session.execute(
        text(
            f"insert into notification ({columns}) select {columns} from notification, "
            "generate_series(1, 1000) where id = :id returning id"
        ),
        {"id": template.id},
    )
    events = [
        {"event": "delivered", "sg_event_id": f"e{row[0]}", "nid": ids.encode("ntf", row[0])}
        for row in rows
    ]
    for start in range(0, 1000, 100):
        body = json.dumps(events[start : start + 100]).encode()
        receipts.store(world.session, "sendgrid", body, {}, world.now)
    statements: list[str] = []
    engine = world.session.get_bind()
    listener = lambda _c, _cur, statement, *_: statements.append(statement)  # noqa: E731
    event.listen(engine, "before_cursor_execute", listener)
    try:
        assert receipts.apply(world.session, world.now).events == 1000
    finally:
        event.remove(engine, "before_cursor_execute", listener)
    assert len(statements) < 15
