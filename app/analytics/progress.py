"""How far a campaign has come, how fast, and when it will be done. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.analytics.books import Sheet

RUNNING: Final = ("launching", "sending")


@dataclass(frozen=True, slots=True)
class Progress:
    """The live card: the parts add up to the audience. `speed` in messages a second."""

    sheet: Sheet
    running: bool
    speed: float | None
    done_at: datetime | None
    took: timedelta | None

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
) -> Progress:
    """Speed is the average since the launch, of what was handed over."""
    running = status in RUNNING
    end = now if running else finished_at
    took = end - launched_at if end and launched_at else None
    speed = None
    if took is not None and took.total_seconds() > 0 and sheet.sent:
        speed = sheet.sent / max(took.total_seconds(), 1.0)
    done_at = None
    if running and speed and sheet.open:
        done_at = now + timedelta(seconds=sheet.open / speed)
    return Progress(sheet, running, speed, done_at, took if not running else None)
