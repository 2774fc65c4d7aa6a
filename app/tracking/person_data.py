"""All that is kept about one person, as one document: for who asks to see it (GDPR, art. 15)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import ids
from app.audience import consent, devices, suppressions
from app.audience.models import Contact, ContactEvent, Suppression, Topic
from app.sending.models import Notification
from app.tracking.models import Event

# More than this of one kind is cut off, and the document says so.
MOST: Final = 10_000
_FIELDS: Final = (
    "external_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "locale",
    "country",
    "timezone",
    "tags",
    "attributes",
    "created_at",
    "updated_at",
    "last_seen_at",
)


def everything(session: Session, contact: Contact, now: datetime) -> dict[str, Any]:
    """Person, devices, choices and their history, suppressions, messages and what came back."""
    topics = {topic.id: topic.key for topic in session.scalars(select(Topic))}
    messages = session.scalars(
        select(Notification)
        .where(Notification.contact_id == contact.id)
        .order_by(Notification.id.desc())
        .limit(MOST)
    ).all()
    events = session.scalars(
        select(Event).where(Event.contact_id == contact.id).order_by(Event.at.desc()).limit(MOST)
    ).all()
    return {
        "made_at": now,
        "id": ids.encode("con", contact.id),
        "person": {name: getattr(contact, name) for name in _FIELDS},
        "devices": _devices(session, contact),
        "suppressions": _suppressions(session, contact),
        "choices": _choices(session, contact, topics),
        "product_events": _product_events(session, contact),
        "messages": [_message(message, topics) for message in messages],
        "reactions": [_event(event) for event in events],
        "cut_off": len(messages) == MOST or len(events) == MOST,
    }


def _devices(session: Session, contact: Contact) -> list[dict[str, Any]]:
    names = (
        "platform",
        "token",
        "app",
        "environment",
        "registered_at",
        "last_seen_at",
        "disabled_at",
        "disabled_reason",
    )
    found = devices.of_contact(session, contact.id)
    return [{name: getattr(device, name) for name in names} for device in found]


def _suppressions(session: Session, contact: Contact) -> list[dict[str, Any]]:
    found: list[Suppression] = []
    for kind, address in (("email", contact.email), ("phone", contact.phone)):
        if address:
            found += suppressions.check(session, kind, [address]).values()
    names = ("kind", "address", "scope", "reason", "source", "note", "created_at")
    return [{name: getattr(entry, name) for name in names} for entry in found]


def _choices(session: Session, contact: Contact, topics: dict[int, str]) -> list[dict[str, Any]]:
    page = consent.history(session, contact.id, limit=MOST)
    return [
        {
            "at": entry.at,
            "topic": topics.get(entry.topic_id),
            "channel": entry.channel,
            "opted_in": entry.opted_in,
            "source": entry.source,
            "evidence": entry.evidence,
        }
        for entry in page.items
    ]


def _product_events(session: Session, contact: Contact) -> Sequence[dict[str, Any]]:
    rows = session.scalars(
        select(ContactEvent)
        .where(ContactEvent.contact_id == contact.id)
        .order_by(ContactEvent.at.desc())
        .limit(MOST)
    )
    return [{"name": row.name, "at": row.at, "properties": row.properties} for row in rows]


def _message(message: Notification, topics: dict[int, str]) -> dict[str, Any]:
    return {
        "id": ids.encode("ntf", message.id),
        "accepted_at": message.accepted_at,
        "channel": message.channel,
        "to": message.address,
        "topic": topics.get(message.topic_id),
        "status": message.status,
        "reason": message.reason,
        "handed_at": message.handed_at,
        "data": message.data,
        "metadata": message.extra,
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "message": ids.encode("ntf", event.notification_id),
        "kind": event.kind,
        "at": event.at,
        "verdict": event.verdict,
    }
