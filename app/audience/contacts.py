"""People: create, change, find by id. Absent fields stay as they are, None clears."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import ids
from app.audience import contact_sql, erased, fields, lookup
from app.audience.models import Contact
from app.errors import Conflict, FieldError, Invalid, NotFound

BATCH_MAX: Final = 1000
_WITH_CODE: Final = re.compile(r"\s*(\+|＋|00)")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Upserted:
    """One contact after an upsert."""

    contact_id: int
    created: bool


def upsert(
    session: Session, external_id: str, change: Mapping[str, Any], now: datetime
) -> Upserted:
    """Create or change the contact with this external id. Raises Invalid."""
    result = upsert_many(session, [{"external_id": external_id, **change}], now)[0]
    if isinstance(result, Invalid):
        raise result
    return result


def upsert_many(
    session: Session, items: Sequence[Mapping[str, Any]], now: datetime
) -> list[Upserted | Invalid]:
    """Create or change up to 1,000 contacts in one go; each has `external_id` and fields.

    A result per item, in order: what is wrong with one does not stop the others. The same person
    twice: the later item wins, field by field.
    """
    if len(items) > BATCH_MAX:
        words = f"At most {BATCH_MAX:,} people in one call."
        raise Invalid.one("/contacts", "too_many", words)
    countries = _known_countries(session, items)
    checked = [_check(item, countries) for item in items]
    merged: dict[str, dict[str, Any]] = {}
    for result in checked:
        if not isinstance(result, Invalid):
            _merge(merged.setdefault(result[0], {}), result[1])
    stored = contact_sql.upsert(session, merged, now)
    _recall(session, merged.values(), now)
    lookup.forget_external(session, merged)
    return [
        result if isinstance(result, Invalid) else Upserted(*stored[result[0]])
        for result in checked
    ]


def create(session: Session, change: Mapping[str, Any], now: datetime) -> Contact:
    """Add one person by hand; `external_id` may be missing. Raises Invalid, Conflict."""
    external_id = change.get("external_id") or None
    if external_id and session.scalar(select(Contact.id).where(Contact.external_id == external_id)):
        raise Conflict(f"There is already a person with the id {external_id!r}.")
    rest = {name: value for name, value in change.items() if name != "external_id"}
    clean, errors = fields.check(rest)
    if not external_id and not (rest.get("email") or rest.get("phone")):
        words = "Give an e-mail address, a phone number or an id."
        errors.insert(0, FieldError("/email", "missing", words))
    if external_id and (problem := fields.check_external_id(external_id)):
        errors.insert(0, FieldError("/external_id", "invalid_external_id", problem))
    if errors:
        raise Invalid(errors)
    contact = Contact(external_id=external_id, created_at=now, updated_at=now)
    _put(contact, clean)
    session.add(contact)
    session.flush()
    _recall(session, [clean], now)
    return contact


def update(session: Session, contact: Contact, change: Mapping[str, Any], now: datetime) -> None:
    """Change one person. Raises Invalid; Conflict for a person who was erased."""
    if contact.erased_at is not None:
        raise Conflict("This person was erased.")
    clean, errors = fields.check(change, country=contact.country)
    if errors:
        raise Invalid(errors)
    _put(contact, clean)
    contact.updated_at = now
    session.flush()
    _recall(session, [clean], now)
    lookup.forget_external(session, [contact.external_id])


def by_external_id(session: Session, external_id: str) -> Contact:
    """Raises NotFound."""
    contact = session.scalars(
        select(Contact).where(Contact.external_id == external_id)
    ).one_or_none()
    if contact is None:
        raise NotFound("There is no person with this id.")
    return contact


def by_public_id(session: Session, public_id: str) -> Contact:
    """The contact behind `con_…`, also when erased. Raises NotFound."""
    key = ids.decode("con", public_id)
    contact = session.get(Contact, key) if key is not None else None
    if contact is None:
        raise NotFound("There is no such person.")
    return contact


def by_ids(session: Session, keys: Sequence[int]) -> dict[int, Contact]:
    """Several contacts by key, in one query."""
    if not keys:
        return {}
    rows = session.scalars(select(Contact).where(Contact.id.in_(keys)))
    return {row.id: row for row in rows}


def seen(session: Session, contact_ids: Sequence[int], now: datetime) -> None:
    """Note that these people used the product just now (at most once per hour is written)."""
    contact_sql.mark_seen(session, contact_ids, now)


def full_name(first: object, last: object) -> str:
    """Both names in one line, for screens and mail headers; empty when there is neither.

    White space and control characters, line breaks among them, become single spaces.
    """
    name = f"{first} {last}" if first and last else str(first or last or "")
    if not name.isprintable():
        name = _CONTROLS.sub(" ", name)
    return " ".join(name.split())


def display_name(contact: Contact) -> str:
    """What screens call a person: name, else address, else id."""
    name = full_name(contact.first_name, contact.last_name)
    if contact.erased_at is not None:
        return "Erased person"
    found = name or contact.email or contact.phone or contact.external_id
    return found or ids.encode("con", contact.id)


def _known_countries(session: Session, items: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Where people live whose phone number came without country code, in one query."""
    wanted = [
        item["external_id"]
        for item in items
        if isinstance(item.get("phone"), str)
        and not _WITH_CODE.match(item["phone"])
        and not item.get("country")
        and fields.check_external_id(item.get("external_id")) is None
    ]
    if not wanted:
        return {}
    rows = session.execute(
        select(Contact.external_id, Contact.country).where(
            Contact.external_id.in_(wanted), Contact.country.is_not(None)
        )
    )
    return {str(row.external_id): str(row.country) for row in rows}


def _check(
    item: Mapping[str, Any], countries: Mapping[str, str]
) -> tuple[str, dict[str, Any]] | Invalid:
    external_id = item.get("external_id")
    rest = {name: value for name, value in item.items() if name != "external_id"}
    problem = fields.check_external_id(external_id)
    clean, errors = fields.check(rest, country=countries.get(str(external_id)))
    if problem:
        errors.insert(0, FieldError("/external_id", "invalid_external_id", problem))
    return Invalid(errors) if errors else (str(external_id), clean)


def _merge(into: dict[str, Any], change: Mapping[str, Any]) -> None:
    attributes = change.get("attributes")
    if attributes and into.get("attributes"):
        attributes = {**into["attributes"], **attributes}
    into.update(change)
    if attributes:
        into["attributes"] = attributes


def _put(contact: Contact, clean: Mapping[str, Any]) -> None:
    for name, value in clean.items():
        if name == "tags":
            contact.tags = value or []
        elif name == "attributes":
            merged = {**(contact.attributes or {}), **value} if value is not None else {}
            contact.attributes = {key: item for key, item in merged.items() if item is not None}
        else:
            setattr(contact, name, value)


def _recall(session: Session, changes: Any, now: datetime) -> None:
    """An address that was erased once must not become usable by being sent again."""
    found = [
        (kind, str(change[kind]))
        for change in changes
        for kind in ("email", "phone")
        if change.get(kind)
    ]
    erased.recall(session, found, now)
