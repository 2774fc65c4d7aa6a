"""On which channels people can be reached, for a page of them: addresses, devices, suppressions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audience import suppressions
from app.audience.models import CHANNELS, Contact, Device


@dataclass(frozen=True, slots=True)
class Reachable:
    """Channels with a usable address, and those whose address must not be used."""

    channels: tuple[str, ...]
    suppressed: tuple[str, ...]


def of_contacts(session: Session, people: Sequence[Contact]) -> Mapping[int, Reachable]:
    """By contact key; three queries however many people. `marketing` suppressions leave a channel
    reachable, because service messages still go.
    """
    emails = [person.email for person in people if person.email]
    phones = [person.phone for person in people if person.phone]
    doomed = {
        ("email", address)
        for address, entry in suppressions.check(session, "email", emails).items()
        if entry.scope == "all"
    } | {
        ("sms", address)
        for address, entry in suppressions.check(session, "phone", phones).items()
        if entry.scope == "all"
    }
    platforms = _platforms(session, [person.id for person in people])
    found = {}
    for person in people:
        owned = {"email": person.email, "sms": person.phone}
        has = [channel for channel, address in owned.items() if address]
        off = tuple(channel for channel in has if (channel, owned[channel]) in doomed)
        on = {channel for channel in has if channel not in off} | platforms.get(person.id, set())
        found[person.id] = Reachable(tuple(c for c in CHANNELS if c in on), off)
    return found


def _platforms(session: Session, keys: Sequence[int]) -> dict[int, set[str]]:
    if not keys:
        return {}
    rows = session.execute(
        select(Device.contact_id, Device.platform)
        .where(Device.contact_id.in_(keys), Device.disabled_at.is_(None))
        .distinct()
    )
    found: dict[int, set[str]] = {}
    for contact_id, platform in rows:
        found.setdefault(contact_id, set()).add(platform)
    return found
