"""Asking for background work: after the commit, once where once is enough, and never in the way."""

import redis
from flask import Flask
from sqlalchemy import text

from app import jobs
from app.db import transaction
from app.settings import Settings
from tests.support.application import NO_REDIS, another

ACTOR = "apply_receipts"


def ask(fail: bool = False) -> None:
    """A transaction that has work for the job."""
    with transaction() as session:
        session.execute(text("select 1"))
        jobs.later_once(session, ACTOR)
        if fail:
            raise RuntimeError


def test_a_job_that_waits_is_not_asked_for_again(app: Flask) -> None:
    with app.app_context():
        for _ in range(5):
            ask()
        assert jobs.waiting(jobs.BACKGROUND) == 1


def test_work_that_comes_after_the_job_has_begun_asks_again(app: Flask) -> None:
    with app.app_context():
        ask()
        jobs.begun(ACTOR)
        ask()
        assert jobs.waiting(jobs.BACKGROUND) == 2


def test_a_queue_that_forgot_its_script_is_taught_it_again(
    app: Flask, valkey: "redis.Redis"
) -> None:
    with app.app_context():
        for number in (1, 2):
            valkey.script_flush()
            wanted = [jobs.deliver(key, "email", "bulk") for key in range(number)]
            assert jobs.enqueue(wanted)
        assert jobs.waiting("email.bulk") == 3


def test_work_that_was_rolled_back_asks_for_nothing(app: Flask) -> None:
    with app.app_context():
        try:
            ask(fail=True)
        except RuntimeError:
            assert jobs.waiting(jobs.BACKGROUND) == 0
            return
    raise AssertionError("the transaction was not rolled back")


def test_a_queue_that_is_away_does_not_disturb_the_work(app: Flask, settings: Settings) -> None:
    with another(settings, redis_url=NO_REDIS) as alone, alone.app_context():
        ask()
        jobs.begun(ACTOR)
        assert jobs.waiting(jobs.BACKGROUND) is None
