"""From recipients to addresses: known people with their devices, or a bare address."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audience.models import Contact, Device
from app.sending.requests import Recipient


@dataclass(frozen=True, slots=True)
class Person:
    """Who a recipient turned out to be. `contact` None: a bare address, or nobody we know.

    `addresses` maps a channel to (address, device key) pairs.
    """

    contact: Contact | None
    known: bool
    addresses: Mapping[str, Sequence[tuple[str, int | None]]]


def resolve(session: Session, recipients: Sequence[Recipient]) -> list[Person]:
    """Look all of them up with at most four queries; one Person per recipient, in order."""
    by_external = _contacts(
        session, Contact.external_id, {r.external_id for r in recipients if r.external_id}
    )
    by_id = _contacts(
        session, Contact.id, {r.contact_id for r in recipients if r.contact_id is not None}
    )
    by_token = _devices_by_token(session, {r.device[1] for r in recipients if r.device})
    people = {**by_external, **by_id}
    devices = _devices_of(session, {contact.id for contact in people.values()})
    return [_person(recipient, people, devices, by_token) for recipient in recipients]


def addresses_of(
    session: Session, contact_id: int, channel: str
) -> Sequence[tuple[str, int | None]]:
    """The addresses of one person on one channel, best first."""
    contact = session.get(Contact, contact_id)
    if contact is None or contact.erased_at is not None:
        return []
    devices = _devices_of(session, {contact_id}) if channel in ("ios", "android") else {}
    return _addresses(contact, devices.get(contact_id, ())).get(channel, [])


def _contacts(session: Session, column: Any, keys: set[Any]) -> dict[Any, Contact]:
    if not keys:
        return {}
    rows = session.scalars(select(Contact).where(column.in_(keys), Contact.erased_at.is_(None)))
    return {getattr(contact, column.key): contact for contact in rows}


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
    people: Mapping[Any, Contact],
    devices: Mapping[int, Iterable[Device]],
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
    contact = people.get(recipient.external_id or recipient.contact_id)
    if contact is None:
        return Person(None, False, {})
    return Person(contact, True, _addresses(contact, devices.get(contact.id, ())))


def _addresses(
    contact: Contact, devices: Iterable[Device]
) -> dict[str, list[tuple[str, int | None]]]:
    found: dict[str, list[tuple[str, int | None]]] = {}
    if contact.email:
        found["email"] = [(contact.email, None)]
    if contact.phone:
        found["sms"] = [(contact.phone, None)]
    for device in devices:
        found.setdefault(device.platform, []).append((device.token, device.id))
    return found
