"""Clocks that disagree, and schedulers that are more than one."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import text

from app import jobs
from app.campaigns import clockwork
from app.db import transaction
from app.sending import sweep
from app.sending.requests import Recipient
from tests.support.sending import House

SCHEDULERS, SCHEDULES = 3, 1000
SKEW = timedelta(minutes=10)
_CAMPAIGNS = """
  insert into campaign (name, status, send_at)
  select 'Schedule ' || n, 'scheduled', :at from generate_series(1, :count) n
"""
_HELD = """
  insert into notification (accepted_at, origin, lane, channel, status, topic_id,
                            version_id, address, send_after, hold_reason)
  select :at, 'api', 'transactional', 'email', 'held', :topic, :version, n || '@example.com', :at,
         'scheduled'
    from generate_series(1, :count) n
"""


def three_at_once(app: Flask, now: datetime, turn: Callable[..., Any], most: int = 20) -> None:
    """Three schedulers whose clocks are ten minutes apart take turns until nothing is due."""

    def scheduler(skew: timedelta) -> None:
        for _ in range(most):
            with app.app_context(), transaction() as session:
                turn(session, now + skew)

    with ThreadPoolExecutor(SCHEDULERS) as pool:
        list(pool.map(scheduler, (-SKEW, timedelta(), SKEW)))


@pytest.mark.usefixtures("valkey")
def test_a_thousand_schedules_of_one_second_start_once_each_with_three_schedulers(
    app: Flask,
) -> None:
    now = datetime.now(UTC)
    with app.app_context():
        with transaction() as session:
            session.execute(text(_CAMPAIGNS), {"at": now, "count": SCHEDULES})
        three_at_once(app, now, clockwork.start_due)
        with transaction() as session:
            started = session.scalar(
                text("select count(*) from campaign where status = 'launching'")
            )
        assert started == SCHEDULES
        assert jobs.waiting(jobs.BACKGROUND) == SCHEDULES, "each fan-out is asked for once"


def test_a_thousand_messages_of_one_second_are_released_once_each(house: House) -> None:
    now = datetime.now(UTC)
    with transaction() as session:
        given = {"at": now, "count": SCHEDULES, "topic": house.topics["service"]}
        given |= {"version": house.version_id}
        session.execute(text(_HELD), given)
    three_at_once(house.app, now, sweep.release_due, most=4)
    with transaction() as session:
        batched = session.execute(text("select unnest(ids) from batch")).scalars().all()
    assert len(batched) == len(set(batched)) == SCHEDULES


@pytest.mark.parametrize("skew", [-SKEW, SKEW, timedelta(hours=2)])
def test_a_worker_with_a_wrong_clock_sends_once(house: House, skew: timedelta) -> None:
    house.contact("ada", email="ada@example.com")
    message = house.accept(Recipient(external_id="ada")).messages[0]
    with time_machine.travel(datetime.now(UTC) + skew, tick=True):
        house.deliver_all()
        house.sweep(datetime.now(UTC))
        house.deliver_all()
    house.sweep(datetime.now(UTC))
    house.deliver_all()
    assert house.message(message.key).status in ("accepted", "delivered")
    assert len(house.sandbox.journal()) == 1


def test_a_message_accepted_by_a_clock_ahead_is_sent_by_one_behind(house: House) -> None:
    house.contact("ada", email="ada@example.com")
    with time_machine.travel(datetime.now(UTC) + SKEW, tick=True):
        message = house.accept(Recipient(external_id="ada")).messages[0]
    with time_machine.travel(datetime.now(UTC) - SKEW, tick=True):
        house.deliver_all()
    assert house.message(message.key).status in ("accepted", "delivered")
    assert len(house.sandbox.journal()) == 1
