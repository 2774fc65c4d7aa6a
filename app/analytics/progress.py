"""How far a campaign has come, how fast, and when it will be done. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.analytics.books import Sheet
from app.sending.obstacles import Obstacle

RUNNING: Final = ("launching", "sending")
SETTLED_IN: Final = 60.0  # seconds after the launch from which the last half minute says more


@dataclass(frozen=True, slots=True)
class Progress:
    """The live card: the parts add up to the audience. `speed` in messages a second.

    `waits`: why some of it, or all, stands still just now; nobody knows then when it is done.
    """

    sheet: Sheet
    running: bool
    speed: float | None
    done_at: datetime | None
    took: timedelta | None
    waits: Sequence[Obstacle] = ()

    @property
    def percent(self) -> int:
        """How much is settled, 0 to 100; 100 only when everything is."""
        if not self.sheet.audience:
            return 0
        return int(100 * self.sheet.settled / self.sheet.audience)


def progress(
    sheet: Sheet,
    status: str,
    launched_at: datetime | None,
    finished_at: datetime | None,
    now: datetime,
    *,
    lately: float | None = None,
    waits: Sequence[Obstacle] = (),
) -> Progress:
    """Speed is what was settled `lately`; before that is known, and at the end, the average."""
    running = status in RUNNING
    end = now if running else finished_at
    took = end - launched_at if end and launched_at else None
    seconds = took.total_seconds() if took else 0.0
    speed = sheet.sent / max(seconds, 1.0) if seconds > 0 and sheet.sent else None
    if running and seconds >= SETTLED_IN:
        speed = lately
    done_at = None
    if running and speed and sheet.open and not waits:
        done_at = now + timedelta(seconds=sheet.open / speed)
    return Progress(sheet, running, speed, done_at, took if not running else None, waits)
