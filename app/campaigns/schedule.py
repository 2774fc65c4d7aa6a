"""When a campaign goes out: a wall time in a named zone, computed late, safe on both DST days."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from app.errors import Invalid


def moment(wall_time: str, zone: str, now: datetime) -> datetime:
    """The moment (UTC) of `2026-11-24T18:00` in a zone.

    Raises Invalid for an unknown zone, an unreadable time, a time that the clocks skip in spring
    (with the nearest valid one), and the past. Of an hour that comes twice, the first is meant.
    """
    if zone not in available_timezones():
        raise Invalid.one("/zone", "unknown_zone", f"{zone!r} is not a time zone.")
    try:
        wall = datetime.fromisoformat(wall_time)
    except ValueError as error:
        message = "Write the time as date and hour, such as 2026-11-24T18:00."
        raise Invalid.one("/wall_time", "invalid_time", message) from error
    local = wall.replace(tzinfo=ZoneInfo(zone), fold=0)
    there = local.astimezone(UTC).astimezone(ZoneInfo(zone))
    if there.replace(tzinfo=None) != wall.replace(tzinfo=None):
        message = (
            f"The clocks are put forward that night: {wall:%H:%M} does not exist in {zone}. "
            f"The nearest time is {there:%H:%M}."
        )
        raise Invalid.one("/wall_time", "skipped_by_dst", message)
    found = local.astimezone(UTC)
    if found < now - timedelta(minutes=1):
        raise Invalid.one("/wall_time", "in_the_past", "This time has passed already.")
    return found
