"""Each schedule fires once; one that is found too late asks a person; clocks may differ."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app import clock, jobs, timekeeper
from app.accounts import workspace
from app.alerts.models import Incident
from app.campaigns import clockwork, lifecycle
from app.campaigns.models import Campaign
from app.db import db, transaction
from app.errors import Conflict
from app.sending import engine
from app.sending.leases import LeaseKeeper
from app.settings import Settings
from workers import tasks
from workers.process import Process

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _in_the_app(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield
    clock.leave()


def schedule(at: datetime) -> None:
    with transaction() as session:
        session.add(Campaign(name="Spring", status="scheduled", send_at=at))


def start_due(now: datetime) -> int:
    with transaction() as session:
        return clockwork.start_due(session, now)


def one() -> Campaign:
    with transaction() as session:
        return session.scalars(select(Campaign)).one()


def open_causes() -> list[str]:
    with transaction() as session:
        return list(session.scalars(select(Incident.cause).where(Incident.resolved_at.is_(None))))


def test_within_what_is_allowed_it_just_starts_once() -> None:
    schedule(NOW - timedelta(minutes=59))
    assert start_due(NOW) == 1
    assert start_due(NOW) == 0
    assert one().status == "launching"
    assert open_causes() == []


def test_after_two_hours_without_a_scheduler_a_person_is_asked_once() -> None:
    schedule(NOW - timedelta(hours=2))
    assert [start_due(NOW), start_due(NOW + timedelta(minutes=5))] == [0, 0]
    found = one()
    assert (found.status, found.late_since) == ("scheduled", NOW)
    assert open_causes() == [f"campaign:late:{found.id}"]


@pytest.mark.parametrize("minutes", [None, 180])
def test_the_workspace_says_how_late_is_too_late(minutes: int | None) -> None:
    with transaction() as session:
        workspace.save(session, replace(workspace.load(session), late_minutes=minutes), None, NOW)
    schedule(NOW - timedelta(hours=2))
    assert start_due(NOW) == 1


def test_a_decision_closes_the_incident() -> None:
    schedule(NOW - timedelta(hours=2))
    start_due(NOW)
    with transaction() as session:
        lifecycle.unschedule(session, one().id, NOW)
    assert (one().status, one().late_since, open_causes()) == ("draft", None, [])


def test_who_decides_last_sees_what_was_decided_before() -> None:
    schedule(NOW - timedelta(hours=2))
    start_due(NOW)
    key = one().id
    with Session(db.engine) as first, Session(db.engine) as second:
        shown = first.get_one(Campaign, key)  # by a page that counts the audience for a while
        lifecycle.cancel(second, key, NOW)
        second.commit()
        with pytest.raises(Conflict):
            lifecycle.send_late(first, key, None, NOW)
        assert shown.status == "cancelled"


def test_two_schedulers_at_the_same_moment_start_it_once(app: Flask) -> None:
    schedule(NOW)
    with Session(db.engine) as first, Session(db.engine) as second:
        assert clockwork.start_due(first, NOW) == 1
        assert clockwork.start_due(second, NOW) == 0, "the row is locked, and passed over"
        first.commit()
        assert clockwork.start_due(second, NOW) == 0


def turn(app: Flask, settings: Settings) -> None:
    """What a scheduler does about due campaigns, with whatever clock its machine has."""
    with app.app_context():
        timekeeper.look()
        own = engine.current()
        running = Process(app, settings, own, LeaseKeeper(app, own))
        (task,) = [task for task in tasks.ALL if task.name == "start due campaigns"]
        task.run(running)


@pytest.mark.parametrize("skew", [timedelta(minutes=10), timedelta(minutes=-10)])
def test_the_databases_clock_decides_whatever_the_machine_believes(
    app: Flask, settings: Settings, skew: timedelta
) -> None:
    with transaction() as session:
        session.execute(
            text(
                "insert into campaign (name, status, send_at) values "
                "('soon', 'scheduled', now() + interval '5 minutes'), "
                "('due', 'scheduled', now() - interval '5 seconds')"
            )
        )
    with time_machine.travel(datetime.now(UTC) + skew):
        turn(app, settings)
        turn(app, settings)
        with transaction() as session:
            apart = session.scalar(select(func.clock_timestamp())) - clock.now()
            found = {one.name: one.status for one in session.scalars(select(Campaign))}
    assert found == {"soon": "scheduled", "due": "launching"}
    assert abs(apart) < timedelta(seconds=1)
    assert jobs.waiting(jobs.BACKGROUND) == 1
