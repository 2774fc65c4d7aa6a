"""Everything the page of one person shows, loaded with a fixed number of queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.orm import Session

from app import ids
from app.audience import consent, contacts, devices, suppressions
from app.audience.consent import TopicStanding
from app.audience.models import ConsentEntry, Contact, Device, Suppression
from app.console import filters
from app.sending import queries
from app.tracking import heard

# An app that was not opened for this long may be gone.
SILENT: Final = timedelta(days=21)
SUPPRESSED: Final = {
    "bounce": "messages to it came back",
    "complaint": "called our mail spam",
    "stop": "texted STOP",
    "unsubscribe": "unsubscribed from all",
    "manual": "by hand",
    "erased": "asked to be erased",
    "invalid": "the provider knows no such address",
}
SOURCES: Final = {
    "api": "your system",
    "import": "an import",
    "preference page": "their preference page",
    "one-click": "one click in a mail",
    "stop": "a STOP text",
    "console": "a member here",
}


@dataclass(frozen=True, slots=True)
class Reach:
    """One address of a person. `state`: ok, warn or off."""

    channel: str
    title: str
    sub: str
    state: str
    kind: str
    suppression: Suppression | None = None
    device: Device | None = None

    @property
    def device_id(self) -> str:
        """The device's public id; empty for other addresses."""
        return ids.encode("dev", self.device.id) if self.device else ""


@dataclass(frozen=True, slots=True)
class PersonPage:
    """A person as support sees them."""

    contact: Contact
    id: str
    name: str
    where: str
    reach: Sequence[Reach]
    matrix: Sequence[TopicStanding]
    attributes: Sequence[tuple[str, str]]
    ledger: Sequence[ConsentEntry]
    ledger_more: str | None
    topics: Mapping[int, str]
    messages: int

    @property
    def erased(self) -> bool:
        """Only figures are left of this person."""
        return self.contact.erased_at is not None


def load(session: Session, public_id: str, now: datetime) -> PersonPage:
    """The page's facts. Raises NotFound."""
    contact = contacts.by_public_id(session, public_id)
    matrix = consent.matrix(session, contact.id)
    ledger = consent.history(session, contact.id, limit=6)
    return PersonPage(
        contact=contact,
        id=public_id,
        name=contacts.display_name(contact),
        where=_where(contact, now),
        reach=_reach(session, contact, now),
        matrix=matrix,
        attributes=[(name, _plain(value)) for name, value in sorted(contact.attributes.items())],
        ledger=ledger.items,
        ledger_more=ledger.next_cursor,
        topics={row.topic.id: row.topic.name for row in matrix},
        messages=queries.count_of_contact(session, contact.id),
    )


def _where(contact: Contact, now: datetime) -> str:
    """`Edinburgh, 10:42 there`: the place of the zone and the time at it."""
    if not contact.timezone:
        return contact.country or ""
    try:
        there = now.astimezone(ZoneInfo(contact.timezone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return contact.country or ""
    place = contact.timezone.rpartition("/")[2].replace("_", " ")
    return f"{place}, {there:%H:%M} there"


def _reach(session: Session, contact: Contact, now: datetime) -> list[Reach]:
    handed = queries.last_handed(session, contact.id)
    read = heard.last_read(session, contact.id)
    found = []
    for channel, kind, address in (
        ("email", "email", contact.email),
        ("sms", "phone", contact.phone),
    ):
        if address:
            entry = suppressions.check(session, kind, [address]).get(address)
            sub = _last(handed.get((channel, None)), read.get(channel))
            found.append(_address(channel, kind, address, entry, sub))
    owned = devices.of_contact(session, contact.id)
    found += [_device(device, handed.get((device.platform, device.id)), now) for device in owned]
    return found


def _address(channel: str, kind: str, address: str, entry: Suppression | None, sub: str) -> Reach:
    if entry is None:
        return Reach(channel, address, sub, "ok", kind)
    why = SUPPRESSED.get(entry.reason, entry.reason)
    spared = ", service messages still go" if entry.scope == "marketing" else ""
    state = "warn" if entry.scope == "marketing" else "off"
    day = filters.near(entry.created_at).partition(",")[0]
    return Reach(channel, address, f"Suppressed {day}: {why}{spared}", state, kind, entry)


def _device(device: Device, handed: datetime | None, now: datetime) -> Reach:
    name = {"ios": "iPhone or iPad", "android": "Android device"}[device.platform]
    title = f"{name}, {device.app}" if device.app else name
    if device.disabled_at is not None:
        why = device.disabled_reason or "no longer registered"
        sub = f"Gone since {filters.within(device.disabled_at)}: {why}"
        return Reach(device.platform, title, sub, "off", "token", device=device)
    silent = now - device.last_seen_at > SILENT
    seen = f"{'Silent since' if silent else 'Seen'} {filters.ago(device.last_seen_at)}"
    sub = f"{seen}. {_last(handed, None)}" if handed else seen
    return Reach(device.platform, title, sub, "warn" if silent else "ok", "token", device=device)


def _last(handed: datetime | None, read: datetime | None) -> str:
    if read is not None:
        return f"Last opened {filters.within(read)}"
    if handed is not None:
        return f"Last message {filters.within(handed)}"
    return "Nothing sent yet"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return filters.num(value)
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    return filters.NONE if value is None else str(value)
