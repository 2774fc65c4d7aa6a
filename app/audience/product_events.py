"""What people did in the product, told by its services: for segments."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.audience import contacts, fields, lookup
from app.audience.models import ContactEvent
from app.errors import FieldError, Invalid

BATCH_MAX: Final = 500
PROPERTIES_BYTES: Final = 8192
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:/\- ]{0,99}")
_OLDEST: Final = timedelta(days=3650)
_AHEAD: Final = timedelta(minutes=10)  # clocks of services differ


@dataclass(frozen=True, slots=True)
class ProductEvent:
    """One event as it was told; `at` None means now."""

    external_id: str
    name: str
    at: datetime | None
    properties: Mapping[str, Any]


def record(session: Session, events: Sequence[ProductEvent], now: datetime) -> list[Invalid | None]:
    """Keep up to 500 events; a result per event, in order: None is fine."""
    if len(events) > BATCH_MAX:
        raise Invalid.one("/events", "too_many", f"At most {BATCH_MAX} events in one call.")
    people = lookup.people(session, [event.external_id for event in events])
    results: list[Invalid | None] = []
    rows: list[dict[str, Any]] = []
    for event in events:
        person = people.get(event.external_id)
        errors = _problems(event, now)
        if person is None:
            words = "There is no person with this id."
            errors.insert(0, FieldError("/external_id", "unknown_contact", words))
        results.append(Invalid(errors) if errors else None)
        if person is not None and not errors:
            rows.append(
                {
                    "contact_id": person.id,
                    "name": event.name,
                    "at": event.at or now,
                    "properties": dict(event.properties),
                }
            )
    if rows:
        session.execute(insert(ContactEvent), rows)
        contacts.seen(session, [row["contact_id"] for row in rows], now)
    return results


def _problems(event: ProductEvent, now: datetime) -> list[FieldError]:
    errors = []
    if not _NAME.fullmatch(event.name):
        words = "The name of an event begins with a letter and has at most 100 characters."
        errors.append(FieldError("/name", "invalid_name", words))
    if event.at is not None and not now - _OLDEST <= event.at <= now + _AHEAD:
        words = "An event is not in the future, and not more than ten years ago."
        errors.append(FieldError("/at", "out_of_range", words))
    problem = _properties_problem(event.properties)
    if problem:
        errors.append(FieldError("/properties", "invalid_attribute", problem))
    return errors


def _properties_problem(properties: Mapping[str, Any]) -> str | None:
    try:
        raw = orjson.dumps(properties)
    except (TypeError, ValueError):
        return "The properties cannot be written as JSON."
    if len(raw) > PROPERTIES_BYTES:
        return "The properties of an event may have at most 8 kB."
    return fields.unstorable(raw.decode().replace("\\u0000", "\x00"))
