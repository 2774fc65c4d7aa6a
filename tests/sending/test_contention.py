"""Two that want the same rows at the same moment, and a database that ends one of them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text

from app.campaigns import lateness, waiting
from app.campaigns.models import Campaign
from app.db import transaction
from app.errors import Conflict
from app.sending import control, installation, pace
from app.sending.requests import Recipient
from tests.support.database import Database
from tests.support.processes import eventually
from tests.support.sending import House

_WAITING = """
select pid from pg_stat_activity
 where wait_event_type = 'Lock' and datname = current_database()
"""


@contextmanager
def row_held(database: Database, key: int) -> Iterator[psycopg.Connection]:
    """Somebody else writes this message, and has not committed yet."""
    with database.connect() as other, other.transaction():
        other.execute("select from notification where id = %s for update", [key])
        yield other


def waiting_backends(database: Database) -> list[int]:
    with database.connect() as look:
        return [pid for (pid,) in look.execute(_WAITING)]


class Meanwhile:
    """`work` in a thread of its own; `end` waits for it and answers what it raised."""

    def __init__(self, house: House, work: Callable[[], object]) -> None:
        self._raised: list[Exception] = []
        self._thread = threading.Thread(target=self._run, args=(house, work))
        self._thread.start()

    def _run(self, house: House, work: Callable[[], object]) -> None:
        try:
            with house.app.app_context():
                work()
        except Exception as error:
            self._raised.append(error)

    def end(self) -> list[type[Exception]]:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return [type(error) for error in self._raised]


def test_answers_are_kept_until_a_database_that_ended_their_transaction_takes_them(
    house: House, database: Database
) -> None:
    key = house.accept(Recipient(email="ada@example.com")).messages[0].key
    with row_held(database, key):
        delivery = Meanwhile(house, house.deliver_all)
        assert eventually(lambda: bool(waiting_backends(database)), 20)
        (victim,) = waiting_backends(database)
        with database.connect() as killer:
            killer.execute("select pg_terminate_backend(%s)", [victim])
        assert eventually(lambda: waiting_backends(database) not in ([], [victim]), 20)
    assert delivery.end() == []
    assert house.message(key).status == "accepted"
    house.sweep(datetime.now(UTC) + timedelta(minutes=5))
    house.deliver_all()
    assert len(house.sandbox.journal()) == 1


def test_a_message_that_a_worker_took_meanwhile_is_not_called_cancelled(
    house: House, database: Database
) -> None:
    key = house.accept(Recipient(email="ada@example.com")).messages[0].key
    with transaction() as session:
        session.execute(text("update batch set state = 'done'"))

    def cancel() -> None:
        with transaction() as session:
            control.cancel(session, key, datetime.now(UTC))

    with row_held(database, key) as other:
        other.execute("update batch set state = 'claimed', lease_until = now()")
        cancelling = Meanwhile(house, cancel)
        assert eventually(lambda: bool(waiting_backends(database)), 20)
    assert cancelling.end() == [Conflict]
    assert house.message(key).status == "queued"


def discard() -> bool:
    """One step; whether it is still held."""
    with transaction() as session:
        waiting.discard_some(session, datetime.now(UTC))
    with transaction() as session:
        return installation.hold(session) is not None


@pytest.fixture
def discarding(house: House) -> None:
    """A held installation whose owner has said: discard."""
    house.accept(Recipient(email="ada@example.com"))
    with transaction() as session:
        session.execute(text("update batch set state = 'done'"))
        session.execute(text("update notification set status = 'unknown', send_after = now()"))
        var_dir = house.app.config["HERALD"].var_dir
        installation.hold_by_hand(session, var_dir, "Ann", "", datetime.now(UTC))
        waiting.begin_discarding(session, datetime.now(UTC))


@pytest.mark.usefixtures("discarding")
def test_discarding_waits_for_what_somebody_else_is_just_settling(database: Database) -> None:
    with transaction() as session:
        key = session.scalar(text("select id from notification")) or 0
    with row_held(database, key):
        assert discard()
    discard()
    assert not discard()
    with transaction() as session:
        assert session.scalar(text("select status from notification")) == "failed"


@pytest.mark.usefixtures("discarding")
def test_discarding_leaves_neither_a_limit_nor_an_alert_of_a_campaign() -> None:
    now = datetime.now(UTC)
    with transaction() as session:
        running = Campaign(name="Spring", status="sending")
        late = Campaign(name="Summer", status="scheduled", send_at=now - timedelta(days=1))
        session.add_all([running, late])
        session.flush()
        pace.limit(session, pace.of_campaign(running.id), 5)
        lateness.ask(session, late, now)
    while discard():
        pass
    with transaction() as session:
        assert session.scalar(text("select count(*) from pace")) == 0
        assert session.scalar(text("select count(*) from incident where resolved_at is null")) == 0
        states = session.scalars(text("select status from campaign order by name")).all()
    assert states == ["cancelled", "draft"]


def written() -> int:
    """Answers that a crash would leave known."""
    with transaction() as session:
        return session.scalar(text("select count(*) from attempt")) or 0


def test_answers_are_written_down_while_the_last_call_of_their_batch_is_silent(
    house: House,
) -> None:
    house.crowd(5)
    house.sandbox.fault("twilio", fault="delay", seconds=6, match={"to": "+447700900000"})
    keys = house.accept_for_all(5, channels=("sms",))
    delivery = Meanwhile(house, house.deliver_all)
    assert eventually(lambda: written() == 4, 4)
    assert {house.message(key).status for key in keys} == {"queued"}
    assert delivery.end() == []
    assert {house.message(key).status for key in keys} == {"accepted"}
    assert written() == 5
