"""When a provider says "not now": until when, as an aware UTC datetime.

RFC 9110 §10.2.3 allows seconds or an HTTP date; providers also send a reset time in epoch seconds.
What is negative, unreadable or more than a day away is never believed literally: such a wish is
`absurd`, and staff hear of it.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

LONGEST: Final = timedelta(hours=24)
_FAR: Final = 1e10  # seconds; later than any epoch time we shall meet
_LENGTH: Final = 20


class Wait(NamedTuple):
    """Until when to wait; None when nothing (readable) was said. At most a day away."""

    until: datetime | None = None
    absurd: bool = False


NO_WAIT: Final = Wait()


def from_retry_after(value: str, now: datetime) -> Wait:
    """`Retry-After: 120` or an HTTP date."""
    text = value.strip()
    if not text:
        return NO_WAIT
    seconds = _number(text)
    if seconds is not None:
        return _clamped(timedelta(seconds=seconds), now)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return NO_WAIT
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # A date in the past is a clock that disagrees with ours, not an absurd wish: no wait at all.
    wait = moment - now
    return Wait(now) if wait <= timedelta(0) else _clamped(wait, now)


def from_reset(value: str, now: datetime) -> Wait:
    """`X-RateLimit-Reset: 1763812800` (epoch seconds)."""
    epoch = _number(value.strip())
    if epoch is None:
        return NO_WAIT
    wait = epoch - now.timestamp()
    return Wait(now) if wait <= 0 else _clamped(timedelta(seconds=wait), now)


def _number(text: str) -> float | None:
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.replace(".", "", 1).isdigit():
        return None
    # Beyond some length it is no wait at all; keep it finite for timedelta.
    return max(-_FAR, min(float(text[:_LENGTH]), _FAR))


def _clamped(wait: timedelta, now: datetime) -> Wait:
    """Negative or longer than a day: a day (provider contract, "absurd values")."""
    absurd = wait < timedelta(0) or wait > LONGEST
    return Wait(now + (LONGEST if absurd else wait), absurd)
