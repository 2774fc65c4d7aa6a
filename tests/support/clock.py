"""Time that stands still until a test moves it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

# A Tuesday morning in every zone from New York to Berlin; far from month ends and clock changes.
START = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)


class Clock:
    """The wall clock of this process (not that of PostgreSQL or Valkey)."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller

    @property
    def now(self) -> datetime:
        """The moment at which everything in this process believes to be."""
        return datetime.now(UTC)

    def advance(self, step: timedelta) -> datetime:
        """Move on, and answer the new moment."""
        self._traveller.shift(step)
        return self.now

    def move_to(self, moment: datetime) -> datetime:
        """Jump to a moment, and answer it."""
        self._traveller.move_to(moment, tick=False)
        return self.now


@pytest.fixture
def now() -> datetime:
    """A moment to hand to domain functions; nothing is frozen."""
    return START


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Stop the clock at `START`."""
    with time_machine.travel(START, tick=False) as traveller:
        yield Clock(traveller)
