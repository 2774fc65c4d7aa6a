"""Quiet hours on a wall clock, correct across midnight and both days of summer time."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.policy.facts import QuietHours


def ends(hours: QuietHours, zone_name: str, now: datetime) -> datetime | None:
    """When the night that `now` falls in is over (UTC), or None by day.

    A person whose zone is unknown to the tz database is taken to live in UTC.
    """
    local = now.astimezone(_zone(zone_name))
    minute = local.hour * 60 + local.minute
    if not _within(hours, minute):
        return None
    morning = local.replace(
        hour=hours.end // 60, minute=hours.end % 60, second=0, microsecond=0, fold=0
    )
    if hours.end <= minute:
        morning += timedelta(days=1)
    return morning.astimezone(UTC)


def _within(hours: QuietHours, minute: int) -> bool:
    if hours.start <= hours.end:
        return hours.start <= minute < hours.end
    return minute >= hours.start or minute < hours.end


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
