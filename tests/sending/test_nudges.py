"""Batches that the queue has lost are asked for again; those that it holds are not."""

from datetime import UTC, datetime, timedelta

import redis

from app import jobs
from app.db import transaction
from app.sending import sweep
from app.sending.requests import Recipient
from tests.support.sending import House

QUEUE = "email.transactional"
WAITING = 5


def look_for(house: House, minutes: int) -> None:
    """The sweeper's turns of some minutes in which no worker is there."""
    for minute in range(1, minutes + 1):
        with transaction() as session:
            moment = datetime.now(UTC) + timedelta(seconds=61 * minute)
            sweep.nudge_forgotten(session, house.engine, moment)


def test_a_queue_without_workers_does_not_grow(house: House) -> None:
    for number in range(WAITING):
        house.accept(Recipient(email=f"p{number}@example.com"))
    look_for(house, 10)
    assert jobs.waiting(QUEUE) == WAITING


def test_what_a_queue_has_lost_is_asked_for_again(house: House, valkey: redis.Redis) -> None:
    for number in range(WAITING):
        house.accept(Recipient(email=f"p{number}@example.com"))
    valkey.flushdb()
    house.accept(Recipient(email="later@example.com"))
    assert jobs.waiting(QUEUE) == 1
    look_for(house, 1)
    assert (jobs.waiting(QUEUE) or 0) > WAITING
    assert house.deliver_all() == WAITING + 1
