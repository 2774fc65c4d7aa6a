"""When a campaign goes out: a wall time in a named zone, computed late, safe on both DST days."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from app.errors import Invalid

FARTHEST: Final = timedelta(days=366)  # the same day next year, also over a 29 February
_DAY: Final = timedelta(days=1)


def moment(wall_time: str, zone: str, now: datetime) -> datetime:
    """The moment (UTC) of `2026-11-24T18:00` in a zone.

    Raises Invalid for an unknown zone, an unreadable time, a time that the clocks skip in spring
    (with the nearest valid one), the past, and more than a year ahead. Of an hour that comes
    twice, the first is meant.
    """
    if zone not in available_timezones():
        raise Invalid.one("/zone", "unknown_zone", f"{zone!r} is not a time zone.")
    try:
        wall = datetime.fromisoformat(wall_time)
    except ValueError as error:
        message = "Write the time as date and hour, such as 2026-11-24T18:00."
        raise Invalid.one("/wall_time", "invalid_time", message) from error
    wall = wall.replace(tzinfo=None)
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


def _check_reach(wall: datetime, clock: datetime) -> None:
    """Compare with the clock on the wall there: the first and last days have no moment in UTC."""
    if wall > clock + FARTHEST:
        message = "A campaign can be scheduled at most one year ahead; choose an earlier time."
        raise Invalid.one("/wall_time", "too_far_ahead", message)
    if wall < clock - _DAY:
        raise _past()


def _past() -> Invalid:
    return Invalid.one("/wall_time", "in_the_past", "This time has passed already.")
