"""Spans of time that people compare: the last 24 hours, 7, 30, 90 days, 12 months. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_DAYS: Final = {"7d": 7, "30d": 30, "90d": 90}
_MONTHS: Final = {"12m": 12}
LABELS: Final = {
    "24h": "24 h",
    "7d": "7 d",
    "30d": "30 d",
    "90d": "90 d",
    "12m": "12 m",
}
WORDS: Final = {
    "24h": "last 24 hours",
    "7d": "last 7 days",
    "30d": "last 30 days",
    "90d": "last 90 days",
    "12m": "last 12 months",
}
DEFAULT: Final = "30d"


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` to `until`, in `unit`s whose beginnings are `spans` (naive wall time).

    `before` is where the period of the same length that ended at `since` begins.
    """

    key: str
    since: datetime
    until: datetime
    before: datetime
    unit: str
    spans: Sequence[datetime]

    @property
    def words(self) -> str:
        """`last 30 days`."""
        return WORDS[self.key]

    @property
    def first(self) -> datetime:
        """The first span's beginning, naive wall time."""
        return self.spans[0]


def period(key: str | None, now: datetime, zone: str) -> Period:
    """The period with this key that ends now; an unknown key is the last 30 days.

    The running hour, day or month is the last span, and is not over yet.
    """
    name = key if key in LABELS else DEFAULT
    place = ZoneInfo(zone)
    local = now.astimezone(place).replace(tzinfo=None)
    if name == "24h":
        this = local.replace(minute=0, second=0, microsecond=0)
        spans = [this - timedelta(hours=back) for back in range(23, -1, -1)]
        earlier, unit = spans[0] - timedelta(hours=24), "hour"
    elif name in _MONTHS:
        this = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        spans = [_months_back(this, back) for back in range(_MONTHS[name] - 1, -1, -1)]
        earlier, unit = _months_back(spans[0], _MONTHS[name]), "month"
    else:
        this = local.replace(hour=0, minute=0, second=0, microsecond=0)
        length = _DAYS[name]
        spans = [this - timedelta(days=back) for back in range(length - 1, -1, -1)]
        earlier, unit = spans[0] - timedelta(days=length), "day"
    return Period(name, _utc(spans[0], place), now, _utc(earlier, place), unit, spans)


def _months_back(month: datetime, back: int) -> datetime:
    count = month.year * 12 + month.month - 1 - back
    return month.replace(year=count // 12, month=count % 12 + 1)


def _utc(wall: datetime, place: ZoneInfo) -> datetime:
    return wall.replace(tzinfo=place).astimezone(UTC)
