"""Erasing a person (GDPR, article 17): what is personal goes, what must be remembered is a mark.

The row and its messages stay, without name, address or content, so that figures still add up.
Message rows belong to `sending` and `tracking`, which are above this package: they are named as
plain tables here.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import delete, exists, func, select, text, update
from sqlalchemy.orm import Session

from app.audience import erased, lookup
from app.audience.models import ConsentEntry, Contact, ContactEvent, Device
from app.errors import NotFound

_CLEARED: Final = (
    "external_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "locale",
    "country",
    "timezone",
    "last_seen_at",
)


def erase(session: Session, contact_id: int, now: datetime) -> None:
    """Erase a person for good; a second time changes nothing. Raises NotFound.

    Addresses go to the suppression list as marks (`app.audience.erased`), so that nobody is written
    to again because an old file comes back. Messages not yet sent lose their address and are
    skipped.
    """
    contact = session.get(Contact, contact_id, with_for_update=True, populate_existing=True)
    if contact is None:
        raise NotFound("There is no such person.")
    if contact.erased_at is not None:
        return
    lookup.forget_external(session, [contact.external_id])
    _remember(session, contact, now)
    for table in (Device, ContactEvent):
        session.execute(delete(table).where(table.contact_id == contact_id))
    session.execute(
        update(ConsentEntry).where(ConsentEntry.contact_id == contact_id).values(evidence={})
    )
    session.execute(_MESSAGES, {"contact_id": contact_id})
    session.execute(_EVENTS, {"contact_id": contact_id})
    for name in _CLEARED:
        setattr(contact, name, None)
    contact.tags, contact.attributes = [], {}
    contact.erased_at = contact.updated_at = now
    session.flush()


def _remember(session: Session, contact: Contact, now: datetime) -> None:
    """Replace the addresses by marks, except those that another person still has."""
    found = [
        (kind, address)
        for kind, address, shared in (
            ("email", contact.email, func.lower(Contact.email) == (contact.email or "").lower()),
            ("phone", contact.phone, Contact.phone == contact.phone),
        )
        if address and not session.scalar(select(exists().where(shared, Contact.id != contact.id)))
    ]
    erased.forget_plain(session, found)
    erased.remember(session, found, now)


_MESSAGES: Final = text(
    "UPDATE notification SET address = NULL, data = NULL, metadata = NULL "
    "WHERE contact_id = :contact_id"
)
_EVENTS: Final = text("UPDATE event SET detail = '{}'::jsonb WHERE contact_id = :contact_id")
