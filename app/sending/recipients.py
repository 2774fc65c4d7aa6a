"""From recipients to addresses: known people with their devices, or a bare address.

People named by their external id, the hot path, come from the cache. Nothing is decided with what
it says: consent and suppressions are read from the database just before each send.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audience import lookup
from app.audience.models import Contact, Device
from app.sending.requests import Recipient
from app.sending.vocabulary import PUSH

Addresses = Mapping[str, Sequence[tuple[str, int | None]]]


@dataclass(frozen=True, slots=True)
class Person:
    """Who a recipient turned out to be. `contact_id` None: a bare address, or nobody we know.

    `addresses` maps a channel to (address, device key) pairs.
    """

    contact_id: int | None
    known: bool
    addresses: Addresses


NOBODY = Person(None, False, {})


def resolve(session: Session, recipients: Sequence[Recipient]) -> list[Person]:
    """Look all of them up with a few queries; one Person per recipient, in order."""
    named = lookup.people(session, {r.external_id for r in recipients if r.external_id})
    by_external = {key: _to_person(person, person.devices) for key, person in named.items()}
    by_id = _by_id(session, {r.contact_id for r in recipients if r.contact_id is not None})
    by_token = _devices_by_token(session, {r.device[1] for r in recipients if r.device})
    return [_person(recipient, by_external, by_id, by_token) for recipient in recipients]


def addresses_of(
    session: Session, contact_id: int, channel: str
) -> Sequence[tuple[str, int | None]]:
    """The addresses of one person on one channel, best first."""
    contact = session.get(Contact, contact_id)
    if contact is None or contact.erased_at is not None:
        return []
    devices = _devices_of(session, {contact_id}) if channel in PUSH else {}
    found = _to_person(contact, devices.get(contact_id, ()))
    return found.addresses.get(channel, [])


def _by_id(session: Session, keys: set[int]) -> dict[int, Person]:
    if not keys:
        return {}
    living = select(Contact).where(Contact.id.in_(keys), Contact.erased_at.is_(None))
    contacts = session.scalars(living).all()
    devices = _devices_of(session, {contact.id for contact in contacts})
    return {contact.id: _to_person(contact, devices.get(contact.id, ())) for contact in contacts}


def _devices_of(session: Session, contact_ids: set[int]) -> dict[int, list[Device]]:
    if not contact_ids:
        return {}
    rows = session.scalars(
        select(Device)
        .where(Device.contact_id.in_(contact_ids), Device.disabled_at.is_(None))
        .order_by(Device.last_seen_at.desc())
    )
    found: dict[int, list[Device]] = {}
    for device in rows:
        found.setdefault(device.contact_id, []).append(device)
    return found


def _devices_by_token(session: Session, tokens: set[str]) -> dict[str, Device]:
    if not tokens:
        return {}
    rows = session.scalars(select(Device).where(Device.token.in_(tokens)))
    return {device.token: device for device in rows}


def _person(
    recipient: Recipient,
    by_external: Mapping[str, Person],
    by_id: Mapping[int, Person],
    by_token: Mapping[str, Device],
) -> Person:
    if recipient.email:
        return Person(None, True, {"email": [(recipient.email, None)]})
    if recipient.phone:
        return Person(None, True, {"sms": [(recipient.phone, None)]})
    if recipient.device:
        platform, token = recipient.device
        device = by_token.get(token)
        return Person(None, True, {platform: [(token, device.id if device else None)]})
    if recipient.external_id:
        return by_external.get(recipient.external_id, NOBODY)
    return by_id.get(recipient.contact_id or 0, NOBODY)


class _Reachable(Protocol):
    """A row of `contact`, or a person from the cache."""

    @property
    def id(self) -> int: ...
    @property
    def email(self) -> str | None: ...
    @property
    def phone(self) -> str | None: ...


class _Phone(Protocol):
    """A row of `device`, or one from the cache."""

    @property
    def id(self) -> int: ...
    @property
    def platform(self) -> str: ...
    @property
    def token(self) -> str: ...


def _to_person(contact: _Reachable, devices: Iterable[_Phone]) -> Person:
    found: dict[str, list[tuple[str, int | None]]] = {}
    if contact.email:
        found["email"] = [(contact.email, None)]
    if contact.phone:
        found["sms"] = [(contact.phone, None)]
    for device in devices:
        found.setdefault(device.platform, []).append((device.token, device.id))
    return Person(contact.id, True, found)
