"""A copy of the database sends nothing until a person decides; then everything goes out once."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from app.campaigns import waiting
from app.campaigns.models import Campaign
from app.db import db, transaction
from app.factory import create_app
from app.sending import beats, installation
from app.sending.leases import LeaseKeeper
from app.sending.requests import Recipient
from app.settings import Settings
from tests.support.database import Database
from tests.support.sending import House
from workers import tasks
from workers.process import Process

HOUR = timedelta(hours=1)


def fill(house: House) -> None:
    """A queued message, one whose time has come meanwhile, and an overdue campaign."""
    now = datetime.now(UTC)
    house.accept(Recipient(email="queued@example.com"))
    house.accept(Recipient(email="held@example.com"), send_at=now + HOUR)
    with transaction() as session:
        session.execute(text("update notification set send_after = now() where status = 'held'"))
        session.add(Campaign(name="Spring", status="scheduled", send_at=now - timedelta(minutes=5)))


@pytest.fixture
def copy(
    house: House, settings: Settings, database: Database, worker_id: str, tmp_path: Path
) -> Iterator[House]:
    """The house once more, on a copy of its database that was made while it stood still."""
    fill(house)
    installation.begin(settings)
    db.engine.dispose()
    name = f"copy_{worker_id}_{tmp_path.name}"[:60].lower()
    url = database.copied(name)
    again = create_app(replace(settings, database_url=url, var_dir=tmp_path))
    again.testing = True
    with again.app_context():
        yield replace(house, app=again)
        db.engine.dispose()


def told(house: House) -> Settings:
    found: Settings = house.app.config["HERALD"]
    return found


def turn(house: House) -> None:
    """Everything that the scheduler does, once; then the worker."""
    running = Process(house.app, told(house), house.engine, LeaseKeeper(house.app, house.engine))
    for task in tasks.ALL:
        if task.name not in ("tell operators", "make partitions"):
            task.run(running)
    house.deliver_all()


def reached(house: House) -> list[str]:
    return sorted(line["to"] for line in house.sandbox.journal())


def held() -> installation.Hold | None:
    with transaction() as session:
        return installation.hold(session)


def campaign_status() -> str:
    with transaction() as session:
        return str(session.scalar(text("select status from campaign")))


def test_nothing_of_a_copy_goes_out_until_it_is_released_and_then_once(copy: House) -> None:
    installation.begin(told(copy))
    turn(copy)
    assert reached(copy) == []
    assert campaign_status() == "scheduled"
    with transaction() as session:
        found = waiting.summary(session, datetime.now(UTC))
        assert (found.at_once, [one.name for one in found.overdue]) == (2, ["Spring"])
        assert installation.release(session, datetime.now(UTC))

    for _ in range(2):
        turn(copy)
    assert reached(copy) == ["held@example.com", "queued@example.com"]
    assert campaign_status() == "launching"
    installation.begin(told(copy))
    assert held() is None, "the copy is the real one now"


def test_a_copy_that_takes_the_place_of_the_database_sends_nothing_before_it_is_examined(
    copy: House,
) -> None:
    copy.deliver_all()
    assert held() is None
    assert reached(copy) == []


def test_an_older_state_beneath_running_workers_sends_nothing_before_it_is_examined(
    house: House, settings: Settings
) -> None:
    installation.begin(settings)
    for _ in range(installation.place.LOST_BEATS + 3):
        installation.beat(settings)
    house.accept(Recipient(email="ann@example.com"))
    with transaction() as session:
        session.execute(text("update installation set beats = 1"))
    house.deliver_all()
    assert held() is None
    assert reached(house) == []
    with transaction() as session:
        session.execute(text("update installation set beats = 9"))
    house.deliver_all()
    assert reached(house) == ["ann@example.com"]


def test_the_original_goes_on_beside_its_copy(copy: House, house: House) -> None:
    with house.app.app_context():
        installation.begin(told(house))
        assert held() is None


def test_what_a_copy_accepts_waits_with_the_rest(copy: House) -> None:
    installation.begin(told(copy))
    copy.accept(Recipient(email="late@example.com"))
    assert copy.deliver_all() == 0
    with transaction() as session:
        assert waiting.summary(session, datetime.now(UTC)).at_once == 3


def test_discarding_cancels_what_waited_and_sends_again(copy: House) -> None:
    installation.begin(told(copy))
    with transaction() as session:
        assert waiting.begin_discarding(session, datetime.now(UTC))
    late = copy.accept(Recipient(email="late@example.com")).messages[0].key
    more = True
    while more:
        with transaction() as session:
            more = waiting.discard_some(session, datetime.now(UTC))
    assert held() is None
    assert campaign_status() == "draft"
    turn(copy)
    assert reached(copy) == ["late@example.com"], "accepted after the decision"
    assert copy.message(late).status == "accepted"


def test_discarding_waits_for_what_a_worker_has_in_hand(app: Flask, house: House) -> None:
    installation.begin(told(house))
    house.accept(Recipient(email="ann@example.com"))
    with transaction() as session:
        session.execute(
            text(
                "update batch set state = 'dispatching', provider = 'sendgrid', lease_until = now()"
            )
        )
        installation.set_hold(session, "Ann", "", datetime.now(UTC))
        waiting.begin_discarding(session, datetime.now(UTC))
    with transaction() as session:
        assert not waiting.discard_some(session, datetime.now(UTC))
    assert held()
    house.sweep(datetime.now(UTC) + timedelta(seconds=1))
    for _ in range(2):
        with transaction() as session:
            waiting.discard_some(session, datetime.now(UTC))
    assert held() is None
    with transaction() as session:
        rows = session.execute(text("select status, reason from notification")).all()
    assert [tuple(row) for row in rows] == [("failed", "no_answer")]


@pytest.fixture
def alone(app: Flask, settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """An installation with a folder of its own that has run for two minutes."""
    found = replace(settings, var_dir=tmp_path)
    with app.app_context():
        for _ in range(12):
            installation.beat(found)
        yield found


def go_back(by: int) -> None:
    with transaction() as session:
        session.execute(text(f"update installation set beats = beats - {by}"))


def test_a_fresh_database_and_a_restart_are_not_held(alone: Settings) -> None:
    installation.begin(alone)
    assert held() is None


@pytest.mark.parametrize("lost", ["file", "redis"])
def test_an_older_state_restored_in_place_is_held(
    alone: Settings, lost: str, valkey: object
) -> None:
    if lost == "file":
        (alone.var_dir / beats.FILE).unlink()
    else:
        valkey.flushdb()  # type: ignore[attr-defined]
    go_back(by=10)
    installation.begin(alone)
    found = held()
    assert found is not None
    assert "restored from a backup" in found.reason

    with transaction() as session:
        installation.release(session, datetime.now(UTC))
    installation.beat(alone)
    assert held() is None


def test_what_a_failover_loses_is_not_taken_for_a_restore(alone: Settings) -> None:
    go_back(by=6)
    installation.begin(alone)
    assert held() is None


def test_a_damaged_file_beside_the_database_stops_nothing(alone: Settings) -> None:
    (alone.var_dir / beats.FILE).write_text(json.dumps(["no", "counter"]))
    installation.beat(alone)
    assert held() is None
