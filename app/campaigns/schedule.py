"""When a campaign goes out: a wall time in a named zone, computed late, safe on both DST days."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app import zones
from app.errors import FieldError, Invalid

FARTHEST: Final = timedelta(days=366)  # the same day next year, also over a 29 February
_DAY: Final = timedelta(days=1)
_WALL_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")


def moment(wall_time: str, zone: str, now: datetime) -> datetime:
    """The moment (UTC) of `2026-11-24T18:00` in a zone.

    Raises Invalid for an unknown zone, what is not date and hour (or has an offset besides), a
    time that the clocks skip in spring (with the nearest valid one), the past, and more than a
    year ahead. Of an hour that comes twice, the first is meant.
    """
    wall = _read(wall_time, zone)
    _check_reach(wall, now.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
    found = wall.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    there = found.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if there != wall:
        message = (
            f"The clocks are put forward that night: {wall:%H:%M} does not exist in {zone}. "
            f"The nearest time is {there:%H:%M}."
        )
        raise Invalid.one("/wall_time", "skipped_by_dst", message)
    if found < now - timedelta(minutes=1):
        raise _past()
    return found


def _read(wall_time: str, zone: str) -> datetime:
    """What the clock on the wall shows. Raises Invalid for what is wrong with time and zone."""
    wall = _wall(wall_time)
    wrong: list[FieldError] = []
    if wall is None:
        message = "Write the time as date and hour without an offset, such as 2026-11-24T18:00."
        wrong.append(FieldError("/wall_time", "invalid_time", message))
    if zone not in zones.names():
        message = "This is not a time zone. Write its IANA name, such as Europe/Berlin."
        wrong.append(FieldError("/zone", "unknown_zone", message))
    if wall is None or wrong:
        raise Invalid(wrong)
    return wall


def _wall(text: str) -> datetime | None:
    """Only one way of writing: ISO 8601 has others that mean less, more, or something else."""
    try:
        return datetime.fromisoformat(text) if _WALL_TIME.fullmatch(text) else None
    except ValueError:
        return None


def _check_reach(wall: datetime, clock: datetime) -> None:
    """Compare with the clock on the wall there: the first and last days have no moment in UTC."""
    if wall > clock + FARTHEST:
        message = "A campaign can be scheduled at most one year ahead; choose an earlier time."
        raise Invalid.one("/wall_time", "too_far_ahead", message)
    if wall < clock - _DAY:
        raise _past()


def _past() -> Invalid:
    return Invalid.one("/wall_time", "in_the_past", "This time has passed already.")
