"""The one place that reads the clock, so that tests can travel in time.

A process that sends follows the database's clock: machines whose clocks differ by minutes agree on
what is due and on when a lease ends. Between two looks at it the time is counted by the machine's
steady clock, which nobody sets.
"""

import time
from datetime import UTC, datetime, timedelta

_anchor: tuple[float, datetime] | None = None


def now() -> datetime:
    """The current moment, aware, in UTC."""
    if _anchor is None:
        return datetime.now(UTC)
    ticks, moment = _anchor
    return moment + timedelta(seconds=time.monotonic() - ticks)


def follow(moment: datetime, ticks: float) -> None:
    """From now on: it was `moment` when the steady clock (`time.monotonic`) said `ticks`."""
    global _anchor  # noqa: PLW0603 - one clock per process, replaced as a whole
    _anchor = (ticks, moment.astimezone(UTC))


def leave() -> None:
    """Read this machine's clock again."""
    global _anchor  # noqa: PLW0603
    _anchor = None
