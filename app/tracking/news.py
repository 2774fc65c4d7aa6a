"""What a provider's event means to us: one vocabulary for all providers.

The modules that read a provider's words (`sendgrid`, `twilio`) only make News; `receipts` applies
it. A status that is wanted is a wish: `sending.states` moves forward only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from app.tracking.verdicts import Look

FUTURE_SLACK: Final = timedelta(minutes=5)
_EARLIEST: Final = 1_000_000_000  # 2001: anything before is not a moment but a mistake


@dataclass(frozen=True, slots=True)
class Suppress:
    """The address of this message must not be used again.

    `after` > 1: only when it happened that many times within 30 days (a full mailbox). `note` tells
    staff why.
    """

    reason: str
    scope: str = "all"
    after: int = 1
    source: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something operators must know; `cause` names it once."""

    cause: str
    title: str


@dataclass(frozen=True, slots=True)
class Rest:
    """The provider is to be left alone: until the next day of `zone` begins, or for a while."""

    code: str
    why: str
    zone: str = ""


_NOTHING: Final[Mapping[str, Any]] = {}


class News(NamedTuple):
    """One event of one message. `notification_id` None: it does not say which of ours it is.

    A tuple, because tens of thousands of them are made for every campaign.
    """

    notification_id: int | None
    kind: str
    at: datetime
    source: str
    dedup: str
    status: str | None = None
    reason: str | None = None
    suppress: Suppress | None = None
    lift: str | None = None
    alert: Alert | None = None
    rest: Rest | None = None
    look: Look | None = None
    url: str | None = None
    detail: Mapping[str, Any] = _NOTHING
    raw: Mapping[str, Any] = _NOTHING


def moment(value: object, received_at: datetime) -> datetime:
    """A provider's epoch seconds; what is missing, absurd or in the future becomes `received_at`.

    Events have a resolution of one second, so the order of two must never rest on it.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return received_at
    if not _EARLIEST <= value <= (received_at + FUTURE_SLACK).timestamp():
        return received_at
    return datetime.fromtimestamp(value, received_at.tzinfo)


def words(value: object, limit: int = 300) -> str:
    """A provider's text, short enough to keep; anything that is not text becomes empty."""
    return value[:limit].replace("\x00", "") if isinstance(value, str) else ""
