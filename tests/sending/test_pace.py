"""Messages per second: never more than the limit, and all of it is used."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from app.db import transaction
from app.sending import pace

KEY = pace.of_provider("twilio")
START = datetime(2096, 11, 24, 12, 0, tzinfo=UTC)  # a new limit begins at the real time


def let_through(rate: int, seconds: float, every: float, lane: str = "bulk") -> list[int]:
    """What goes at each look, when somebody looks every so often."""
    looks = []
    with transaction() as session:
        pace.limit(session, KEY, rate)
        for look in range(int(seconds / every) + 1):
            now = START + timedelta(seconds=look * every)
            looks.append(pace.take(session, [KEY], 500, lane, now))
    return looks


@pytest.mark.parametrize("rate", [1, 7, 50, 2000])
def test_over_time_exactly_the_limit_goes(app: Flask, rate: int) -> None:
    with app.app_context():
        looks = let_through(rate, 20, 0.05)
    assert rate * 20 * 0.97 <= sum(looks) <= rate * 20 + max(1, rate * 0.3)


def test_no_second_carries_much_more_than_the_limit(app: Flask) -> None:
    with app.app_context():
        looks = let_through(100, 10, 0.1)
    for second in range(len(looks) - 10):
        assert sum(looks[second : second + 10]) <= 130


def test_a_code_somebody_waits_for_goes_ahead_of_bulk(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        pace.limit(session, KEY, 10)
        assert pace.take(session, [KEY], 500, "bulk", START) == 2
        assert pace.take(session, [KEY], 500, "bulk", START) == 0
        assert pace.take(session, [KEY], 5, "transactional", START) == 5
        assert pace.take(session, [KEY], 500, "bulk", START + timedelta(seconds=0.3)) == 0


def test_the_tightest_of_several_limits_counts(app: Flask) -> None:
    other = pace.of_campaign(7)
    with app.app_context(), transaction() as session:
        pace.limit(session, KEY, 1000)
        pace.limit(session, other, 40)
        assert pace.take(session, [KEY, other], 500, "bulk", START) == 10


def test_without_a_limit_everything_goes(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        pace.limit(session, KEY, 5)
        pace.limit(session, KEY, None)
        assert pace.rates(session, [KEY]) == {}
        assert pace.take(session, [KEY], 500, "bulk", START) == 500
