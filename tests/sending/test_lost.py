"""A lost answer is shown at once, although the rest of its batch is still on its way."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from app.channels.base import Outcome, Result
from app.db import transaction
from app.sending import lost, sweep
from app.sending.attempts import Answer
from app.sending.batches import Claim
from app.sending.models import Batch, Notification
from tests.support.sending import House

# How long the provider keeps the second message waiting, and when the first must be known as lost.
SLOW, SOON = 6.0, 4.0


@contextmanager
def on_its_way(house: House) -> Iterator[threading.Thread]:
    """A batch of two texts: the answer to the first is lost, the second waits for its own."""
    house.crowd(2)
    first = {"to": "+447700900000"}
    house.sandbox.fault("twilio", fault="accept_then_reset", match=first)
    house.sandbox.fault("twilio", fault="delay", seconds=SLOW)
    house.accept_for_all(2, channels=("sms",))

    def work() -> None:
        with house.app.app_context():
            house.deliver_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join(30)


def statuses() -> list[tuple[str, int]]:
    """State and tries of both, the first person's first."""
    with transaction() as session:
        rows = session.execute(
            select(Notification.status, Notification.attempts).order_by(Notification.address)
        )
        return [(row[0], row[1]) for row in rows]


def test_it_is_unknown_while_the_other_waits_for_its_answer(house: House) -> None:
    with on_its_way(house) as thread:
        house.sandbox.wait_for(lambda: statuses() == [("unknown", 1), ("queued", 0)], SOON)
        assert thread.is_alive()
    assert statuses() == [("unknown", 1), ("accepted", 1)]
    assert len(house.sandbox.journal()) == 2


def test_what_was_decided_about_it_meanwhile_is_not_undone_at_the_end(house: House) -> None:
    with on_its_way(house):
        house.sandbox.wait_for(lambda: statuses()[0][0] == "unknown", SOON)
        with transaction() as session:
            later = datetime.now(UTC) + timedelta(minutes=12)
            assert sweep.settle_unknown(session, house.engine, later) == 1
        assert statuses()[0] == ("held", 1)
    assert statuses() == [("held", 1), ("accepted", 1)]


def test_who_has_lost_the_batch_shows_nothing(house: House) -> None:
    house.crowd(1)
    (key,) = house.accept_for_all(1, channels=("sms",))
    now = datetime.now(UTC)
    with transaction() as session:
        batch = session.scalars(select(Batch)).one()
        batch.state, batch.fence = "dispatching", 7
        session.flush()
        answer = Answer(key, 1, "twilio", Result(Outcome.AMBIGUOUS), now)
        for fence in (6, 7):
            claim = Claim(
                batch.id, fence, "sms", batch.lane, False, None, [key],
                batch.accepted_from, batch.accepted_to, batch.created_at,
            )  # fmt: skip
            lost.show(session, claim, [answer], now)
            found = session.scalar(select(Notification.status).where(Notification.id == key))
            assert found == {6: "queued", 7: "unknown"}[fence]
