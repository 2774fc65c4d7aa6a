"""The one place that reads the wall clock, so that tests can travel in time."""

from datetime import UTC, datetime


def now() -> datetime:
    """The current moment, aware, in UTC."""
    return datetime.now(UTC)
