"""Suggestions for the segment builder: what values people really have.

Read from a bounded sample of the newest people, so that it costs the same at any size.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, bindparam, func, select
from sqlalchemy.orm import Session

from app import ids
from app.audience import places
from app.audience.models import Contact, ContactEvent, Segment
from app.audience.rule_fields import ATTRIBUTE_PREFIX, FIELDS, Field, attribute_field
from app.audience.rule_tree import field_named

_SAMPLE: Final = 20_000
_ATTRIBUTE_SAMPLE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value for a rule and how people read it."""

    value: str
    label: str


def fields(session: Session) -> list[Field]:
    """Everything a rule can ask about: built in, and the custom attributes that people have."""
    return [*FIELDS.values(), *(attribute_field(name) for name in attribute_names(session))]


def attribute_names(session: Session) -> list[str]:
    """Names of custom attributes, in alphabetical order."""
    newest = _newest(Contact.attributes, _ATTRIBUTE_SAMPLE)
    names = select(func.jsonb_object_keys(newest.c.value).label("name")).subquery()
    return list(session.scalars(select(names.c.name).distinct().order_by(names.c.name)))


def values(session: Session, field: str, prefix: str = "", limit: int = 20) -> list[Suggestion]:
    """Values of a field that begin with what was typed, the most frequent first."""
    found = field_named(field)
    if found is None or not found.suggests:
        return []
    typed = prefix.strip()[:100].replace("\x00", "")
    if found.kind == "attribute":
        return _attribute_values(session, field.removeprefix(ATTRIBUTE_PREFIX), typed, limit)
    return _SOURCES[field](session, typed, limit)


def _newest(column: Any, number: int) -> Any:
    return (
        select(column.label("value"))
        .where(Contact.erased_at.is_(None))
        .order_by(Contact.id.desc())
        .limit(number)
        .subquery()
    )


def _frequent(session: Session, value: ColumnElement[Any], typed: str, limit: int) -> list[str]:
    statement = (
        select(value)
        .where(value.is_not(None), func.lower(value).startswith(typed.lower(), autoescape=True))
        .group_by(value)
        .order_by(func.count().desc(), value)
        .limit(limit)
    )
    return [str(item) for item in session.scalars(statement)]


def _column(column: Any) -> "Callable[[Session, str, int], list[Suggestion]]":
    def suggest(session: Session, typed: str, limit: int) -> list[Suggestion]:
        newest = _newest(column, _SAMPLE)
        return _plain(_frequent(session, newest.c.value, typed, limit))

    return suggest


def _email_domains(session: Session, typed: str, limit: int) -> list[Suggestion]:
    newest = _newest(func.split_part(func.lower(Contact.email), "@", 2), _SAMPLE)
    return _plain(_frequent(session, func.nullif(newest.c.value, ""), typed, limit))


def _countries(_session: Session, typed: str, limit: int) -> list[Suggestion]:
    wanted = typed.casefold()
    named = sorted(places.countries().items(), key=lambda item: item[1])
    found = [
        Suggestion(code, name)
        for code, name in named
        if name.casefold().startswith(wanted) or code.casefold() == wanted
    ]
    return found[:limit]


def _languages(session: Session, typed: str, limit: int) -> list[Suggestion]:
    newest = _newest(func.split_part(Contact.locale, "-", 1), _SAMPLE)
    return _plain(_frequent(session, newest.c.value, typed, limit))


def _zones(_session: Session, typed: str, limit: int) -> list[Suggestion]:
    wanted = typed.casefold().replace(" ", "_")
    return _plain([name for name in places.timezones() if wanted in name.casefold()][:limit])


def _tags(session: Session, typed: str, limit: int) -> list[Suggestion]:
    newest = _newest(Contact.tags, _SAMPLE)
    each = select(func.unnest(newest.c.value).label("value")).subquery()
    return _plain(_frequent(session, each.c.value, typed, limit))


def _events(session: Session, typed: str, limit: int) -> list[Suggestion]:
    newest = (
        select(ContactEvent.name.label("value"))
        .order_by(ContactEvent.id.desc())
        .limit(_SAMPLE)
        .subquery()
    )
    return _plain(_frequent(session, newest.c.value, typed, limit))


def _segments(session: Session, typed: str, limit: int) -> list[Suggestion]:
    statement = (
        select(Segment.id, Segment.name)
        .where(Segment.archived_at.is_(None), Segment.name.icontains(typed, autoescape=True))
        .order_by(func.lower(Segment.name))
        .limit(limit)
    )
    return [Suggestion(ids.encode("seg", row.id), row.name) for row in session.execute(statement)]


def _attribute_values(session: Session, name: str, typed: str, limit: int) -> list[Suggestion]:
    newest = _newest(Contact.attributes, _SAMPLE)
    key = bindparam(None, name, type_=Text)
    text = newest.c.value.op("->>", return_type=Text())(key)
    shown = select(text.label("value")).subquery()
    return _plain([v for v in _frequent(session, shown.c.value, typed, limit) if len(v) <= 200])


def _plain(found: Sequence[str]) -> list[Suggestion]:
    return [Suggestion(value, value) for value in found]


_SOURCES: Final[Mapping[str, Callable[[Session, str, int], list[Suggestion]]]] = {
    "first_name": _column(Contact.first_name),
    "last_name": _column(Contact.last_name),
    "email": _email_domains,
    "country": _countries,
    "language": _languages,
    "locale": _column(Contact.locale),
    "timezone": _zones,
    "tags": _tags,
    "event": _events,
    "segment": _segments,
}
