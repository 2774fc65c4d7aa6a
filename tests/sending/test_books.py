"""The books are checked: one message in the wrong place is an incident, lost work is found."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, text

from app.alerts.models import Incident
from app.db import db, transaction
from app.sending import books, control, queries
from app.sending.compare import compare
from app.sending.requests import Recipient
from tests.support.sending import House

LATER = timedelta(minutes=2)


def open_causes() -> dict[str, Incident]:
    """What operators know to be wrong with the books."""
    with transaction() as session:
        rows = session.scalars(select(Incident).where(Incident.resolved_at.is_(None)))
        return {row.cause: row for row in rows}


def run(statement: str) -> None:
    """Damage or repair something behind everybody's back."""
    with transaction() as session:
        session.execute(text(statement))


def some_messages(house: House) -> list[int]:
    """Two sent, one refused, one cancelled, one held, one queued."""
    for name in ("ann", "bob"):
        house.accept(Recipient(email=f"{name}@example.com"))
    house.accept(Recipient(external_id="nobody"))
    house.deliver_all()
    cancelled = house.accept(Recipient(email="cat@example.com")).messages[0].key
    with transaction() as session:
        control.cancel(session, cancelled, datetime.now(UTC))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    house.accept(Recipient(email="dan@example.com"), send_at=tomorrow)
    return [house.accept(Recipient(email="eve@example.com")).messages[0].key]


def test_books_balance_whatever_became_of_the_messages(house: House) -> None:
    some_messages(house)
    found = compare(db.engine)
    assert found.balanced
    assert (found.messages, found.queued) == (6, 1)


def test_a_difference_of_one_is_an_incident_until_it_balances_again(house: House) -> None:
    some_messages(house)
    start = datetime.now(UTC)
    run("update ledger_delta set entered = entered + 1 where status = 'cancelled'")
    books.check(start)
    (incident,) = open_causes().values()
    assert incident.cause == "books:0:email:cancelled:cancelled"
    assert (incident.severity, incident.count) == ("critical", 1)
    assert "the counters say 2 and the log holds 1 messages" in incident.detail

    run("update ledger_delta set entered = entered - 1 where status = 'cancelled'")
    books.check(start + LATER)
    assert open_causes() == {}


def test_a_queued_message_in_no_batch_is_put_back_into_work_and_goes_out_once(house: House) -> None:
    (lost,) = some_messages(house)
    run("update batch set state = 'done', done_at = now() where state = 'pending'")
    start = datetime.now(UTC)
    books.check(start)
    assert open_causes()["books:lost"].count == 1
    assert house.deliver_all() == 0, "it may be on its way into a batch: nothing is done yet"

    books.check(start + LATER)
    books.check(start + 2 * LATER)
    assert house.deliver_all() == 1
    assert house.message(lost).status == "accepted"
    assert len(house.sandbox.journal(to="eve@example.com")) == 1
    assert open_causes() == {}


def test_a_message_in_two_batches_is_an_incident(house: House) -> None:
    some_messages(house)
    columns = "channel, lane, test, ids, accepted_from, accepted_to"
    run(f"insert into batch ({columns}) select {columns} from batch where state = 'pending'")
    books.check(datetime.now(UTC))
    assert open_causes()["books:doubled"].count == 1


def test_what_is_left_of_a_cancelled_campaign_is_not_lost_work(house: House) -> None:
    (key,) = some_messages(house)
    run("insert into campaign (name, status) values ('Old', 'cancelled')")
    run(f"update notification set campaign_id = (select id from campaign) where id = {key}")
    run("update batch set state = 'done', done_at = now() where state = 'pending'")
    with transaction() as session:
        assert queries.by_key(session, key)
    assert compare(db.engine).lost == []


def test_a_check_that_took_long_is_made_less_often(house: House) -> None:
    start = datetime.now(UTC)
    assert books.check(start) is not None
    assert books.check(start + timedelta(seconds=30)) is None
    run("update checkup set took_ms = 10000")
    assert books.check(start + timedelta(minutes=8)) is None
    assert books.check(start + timedelta(minutes=9)) is not None
