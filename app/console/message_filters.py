"""The filters of the list of messages: read from the URL, put into words, put back into links."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from flask import request, url_for
from sqlalchemy.orm import Session

from app import ids
from app.audience import addresses, contact_search
from app.campaigns.models import Campaign
from app.console import filters as shown
from app.console import words
from app.sending.queries import Addressee, Filters
from app.sending.status import REASONS
from app.sending.vocabulary import PROVIDERS

CHANNELS: Final = tuple(words.CHANNELS)
STATUSES: Final = {
    "queued": ("queued", "sending"),
    "held": ("held",),
    "accepted": ("accepted",),
    "delivered": ("delivered",),
    "bounced": ("bounced",),
    "failed": ("failed",),
    "skipped": ("skipped", "expired"),
    "cancelled": ("cancelled",),
    "unknown": ("unknown",),
}
ORIGINS: Final = {
    "api": "API",
    "campaign": "Campaigns",
    "console": "Console",
    "test": "Tests",
}
SPANS: Final = {"1": "Last 24 hours", "7": "Last 7 days", "30": "Last 30 days", "all": "Any time"}
_USUAL_SPAN: Final = "7"
_NAMES: Final = (
    "to", "channel", "status", "reason", "provider", "origin", "campaign", "when", "from", "until",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters as they stand in the URL: only known names, only values that mean something."""

    values: Mapping[str, str]

    def get(self, name: str) -> str:
        """One filter's value; empty when it is not set."""
        return self.values.get(name, "")

    @property
    def span(self) -> str:
        """Which of SPANS; a list of one person or campaign is not cut off."""
        usual = "all" if self.get("to") or self.get("campaign") else _USUAL_SPAN
        return self.get("when") or ("all" if self.get("from") or self.get("until") else usual)

    def url(self, endpoint: str = "messages.index", **changed: str | None) -> str:
        """The list's address with some filters changed."""
        every: dict[str, Any] = {**self.values, **changed}
        return url_for(endpoint, **{name: value for name, value in every.items() if value})


def read() -> Asked:
    """What the request asks for."""
    found = {name: request.args.get(name, "").strip().replace("\x00", "")[:200] for name in _NAMES}
    known = {"channel": CHANNELS, "status": STATUSES, "origin": ORIGINS, "provider": PROVIDERS}
    for name, values in {**known, "when": SPANS, "reason": REASONS}.items():
        if found[name] not in values:
            found[name] = ""
    for name in ("from", "until"):
        if _day(found[name]) is None:
            found[name] = ""
    return Asked({name: value for name, value in found.items() if value})


def narrow(session: Session, asked: Asked, now: datetime) -> Filters:
    """The filters as the log knows them."""
    since, until = _between(asked, now)
    return Filters(
        campaign_id=ids.decode("cmp", asked.get("campaign")) if asked.get("campaign") else None,
        channel=asked.get("channel") or None,
        statuses=STATUSES.get(asked.get("status"), ()),
        reason=asked.get("reason") or None,
        provider=asked.get("provider") or None,
        origin=asked.get("origin") or None,
        since=since,
        until=until,
        to=addressee(session, asked.get("to")) if asked.get("to") else None,
    )


def addressee(session: Session, typed: str) -> Addressee:
    """Whom a typed e-mail address, number, token, name of a person's page or id stands for."""
    people = contact_search.exact_matches(session, typed)
    email, phone = addresses.email(typed), addresses.phone(typed)
    bare = email.value if email.ok else phone.value if phone.ok else typed
    return Addressee(tuple(person.id for person in people), bare)


def campaign_name(session: Session, asked: Asked) -> str | None:
    """The name of the campaign that is filtered by."""
    key = ids.decode("cmp", asked.get("campaign"))
    found = session.get(Campaign, key) if key is not None else None
    return found.name if found else None


def dates(asked: Asked) -> str | None:
    """The days that were chosen, in words; None for none."""
    first, last = _day(asked.get("from")), _day(asked.get("until"))
    if first and last:
        return f"{shown.day(first)} to {shown.day(last)}"
    if first:
        return f"from {shown.day(first)}"
    return f"until {shown.day(last)}" if last else None


def _between(asked: Asked, now: datetime) -> tuple[datetime | None, datetime | None]:
    first, end = _day(asked.get("from")), _day(asked.get("until"), after=1)
    if first or end:
        return first, end
    if asked.span == "all":
        return None, None
    return now - timedelta(days=int(asked.span)), None


def _day(written: str, after: int = 0) -> datetime | None:
    """Midnight of a day, or of one after it, in the reader's zone, in UTC."""
    try:
        day = datetime.strptime(written, "%Y-%m-%d").date()  # noqa: DTZ007
        found = day + timedelta(days=after)
        return datetime.combine(found, time(), shown.zone()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
