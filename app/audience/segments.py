"""Saved rules: create, change, count, archive."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Text, func, select
from sqlalchemy.orm import Session

from app import ids, jobs
from app.audience import rules
from app.audience.fields import unstorable
from app.audience.models import Segment
from app.errors import Conflict, FieldError, Invalid, NotFound
from app.paging import Page, cut, decode_cursor

NAME_MAX: Final = 120
DESCRIPTION_MAX: Final = 1000


def create(
    session: Session, fields: Mapping[str, Any], created_by: int | None, now: datetime
) -> Segment:
    """A new segment from `name`, `rule` and perhaps `description`. Raises Invalid."""
    _check(session, fields, None, {"name": "", "rule": None, **fields})
    segment = Segment(
        name=fields["name"].strip(),
        description=fields.get("description", "").strip(),
        rule=fields["rule"],
        created_by=created_by,
        created_at=now,
        updated_at=now,
    )
    session.add(segment)
    session.flush()
    _index_later(session, segment)
    return segment


def update(session: Session, segment: Segment, fields: Mapping[str, Any], now: datetime) -> None:
    """Change name, description or rule. Raises Invalid."""
    _check(session, fields, segment.id, fields)
    for name in ("name", "description"):
        if name in fields:
            setattr(segment, name, fields[name].strip())
    if "rule" in fields and fields["rule"] != segment.rule:
        segment.rule = fields["rule"]
        segment.people, segment.counted_at = None, None
        _index_later(session, segment)
    segment.updated_at = now
    session.flush()


def archive(session: Session, segment: Segment, now: datetime) -> None:
    """Take a segment out of use. Raises Conflict while another segment refers to it."""
    others = [other.name for other in used_by(session, segment)]
    if others:
        raise Conflict(f"The segment {others[0]!r} refers to this one. Change that one first.")
    segment.archived_at = segment.archived_at or now
    session.flush()


def restore(session: Session, segment: Segment) -> None:
    """Put an archived segment back into use."""
    segment.archived_at = None
    session.flush()


def recount(session: Session, segment: Segment, now: datetime) -> int:
    """Count the people again and keep the number."""
    segment.people = rules.count(session, segment.rule, now)
    segment.counted_at = now
    session.flush()
    return segment.people


def by_public_id(session: Session, public_id: str) -> Segment:
    """The segment behind `seg_…`. Raises NotFound."""
    key = ids.decode("seg", public_id)
    segment = session.get(Segment, key) if key is not None else None
    if segment is None:
        raise NotFound("There is no such segment.")
    return segment


def page(
    session: Session,
    cursor: str | None = None,
    limit: int = 50,
    query: str = "",
    archived: bool = False,
) -> Page[Segment]:
    """Segments, newest first; `query` finds a part of the name."""
    chosen = select(Segment).order_by(Segment.id.desc()).limit(limit + 1)
    chosen = chosen.where(
        Segment.archived_at.is_not(None) if archived else Segment.archived_at.is_(None)
    )
    after = decode_cursor(cursor)
    if after is not None:
        chosen = chosen.where(Segment.id < after)
    if query.strip():
        chosen = chosen.where(
            func.lower(Segment.name).contains(query.strip().lower()[:100], autoescape=True)
        )
    return cut(session.scalars(chosen).all(), limit, lambda segment: segment.id)


def used_by(session: Session, segment: Segment) -> Sequence[Segment]:
    """Segments whose rule refers to this one."""
    marker = ids.encode("seg", segment.id)
    rows = session.scalars(
        select(Segment).where(
            Segment.archived_at.is_(None),
            Segment.rule.cast(Text).contains(marker, autoescape=True),
        )
    )
    return [row for row in rows if segment.id in rules.segments_used(row.rule)]


def _index_later(session: Session, segment: Segment) -> None:
    """Attributes that a saved rule asks about get an index, in the background."""
    if rules.attributes_used(segment.rule):
        jobs.later(session, "index_attributes")


def _check(
    session: Session, fields: Mapping[str, Any], segment_id: int | None, needed: Mapping[str, Any]
) -> None:
    errors: list[FieldError] = []
    if "name" in needed and not _is_text(needed["name"], 1, NAME_MAX):
        words = f"Give the segment a name of at most {NAME_MAX} characters."
        errors.append(FieldError("/name", "invalid_name", words))
    if "description" in fields and not _is_text(fields["description"], 0, DESCRIPTION_MAX):
        words = f"The description is a text of at most {DESCRIPTION_MAX:,} characters."
        errors.append(FieldError("/description", "invalid_description", words))
    if "rule" in needed:
        try:
            rules.check(session, needed["rule"], segment_id)
        except Invalid as error:
            errors += [
                FieldError(f"/rule{field.pointer}", field.code, field.message)
                for field in error.fields
            ]
    if errors:
        raise Invalid(errors)


def _is_text(value: object, least: int, most: int) -> bool:
    if not isinstance(value, str) or unstorable(value):
        return False
    return least <= len(value.strip()) <= most
