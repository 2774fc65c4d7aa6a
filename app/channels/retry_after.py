"""When a provider says "not now": until when, as an aware UTC datetime.

RFC 9110 §10.2.3 allows seconds or an HTTP date; providers also send a reset time in epoch seconds.
What is negative, unreadable or more than a day away is never believed literally.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST: Final = timedelta(hours=24)
_FAR: Final = 1e10  # seconds; later than any epoch time we shall meet
_LENGTH: Final = 20


def from_retry_after(value: str, now: datetime) -> datetime | None:
    """`Retry-After: 120` or an HTTP date. None when absent or unreadable; at most a day away."""
    text = value.strip()
    if not text:
        return None
    seconds = _number(text)
    if seconds is not None:
        return _clamped(timedelta(seconds=seconds), now)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # A date in the past is a clock that disagrees with ours, not an absurd wish: no wait at all.
    return max(now, min(moment.astimezone(UTC), now + LONGEST))


def from_reset(value: str, now: datetime) -> datetime | None:
    """`X-RateLimit-Reset: 1763812800` (epoch seconds). None when absent or unreadable."""
    epoch = _number(value.strip())
    if epoch is None:
        return None
    wait = epoch - now.timestamp()
    return now if wait <= 0 else _clamped(timedelta(seconds=wait), now)


def _number(text: str) -> float | None:
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.replace(".", "", 1).isdigit():
        return None
    # Beyond some length it is no wait at all; keep it finite for timedelta.
    return max(-_FAR, min(float(text[:_LENGTH]), _FAR))


def _clamped(wait: timedelta, now: datetime) -> datetime:
    """Negative or longer than a day: a day (provider contract, "absurd values")."""
    return now + (LONGEST if wait < timedelta(0) or wait > LONGEST else wait)
