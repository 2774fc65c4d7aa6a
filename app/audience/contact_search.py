"""Finding people: one box for name, e-mail, phone, id, external id or device token."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from app import ids
from app.audience import addresses
from app.audience.models import Contact, Device
from app.paging import Page, cut, decode_cursor

QUERY_MAX: Final = 200
_WORDS_MAX: Final = 6
_PHONE_LIKE: Final = re.compile(r"[+0-9() ./\-]{5,}")


@dataclass(frozen=True, slots=True)
class Found:
    """`exact` are the people an id, address or token stands for; `page` the people alike."""

    exact: Sequence[Contact]
    page: Page[Contact]


def search(session: Session, query: str, cursor: str | None = None, limit: int = 25) -> Found:
    """People that fit what was typed. An empty query lists everybody, newest first."""
    typed = query.strip()[:QUERY_MAX].replace("\x00", "")
    exact = exact_matches(session, typed) if typed and not cursor else []
    chosen = (
        select(Contact)
        .where(Contact.erased_at.is_(None), *_alike(typed))
        .order_by(Contact.id.desc())
        .limit(limit + 1)
    )
    after = decode_cursor(cursor)
    if after is not None:
        chosen = chosen.where(Contact.id < after)
    page = cut(session.scalars(chosen).all(), limit, lambda contact: contact.id)
    known = {contact.id for contact in exact}
    rest = [contact for contact in page.items if contact.id not in known]
    return Found(exact, Page(rest, page.next_cursor))


def exact_matches(session: Session, typed: str, limit: int = 10) -> Sequence[Contact]:
    """Who has exactly this id, external id, e-mail address, phone number or device token."""
    conditions: list[ColumnElement[bool]] = [Contact.external_id == typed]
    key = ids.decode("con", typed)
    if key is not None:
        conditions.append(Contact.id == key)
    email = addresses.email(typed)
    if email.ok:
        conditions.append(func.lower(Contact.email) == email.value.lower())
    phone = addresses.phone(typed)
    if phone.ok:
        conditions.append(Contact.phone == phone.value)
    if len(typed) >= 20:
        owners = select(Device.contact_id).where(Device.token.in_([typed, typed.lower()]))
        conditions.append(Contact.id.in_(owners))
    # One index look-up each: joined by OR the planner might read the whole table.
    found = [select(Contact.id).where(condition).limit(limit) for condition in conditions]
    keys = found[0].union_all(*found[1:]).subquery()
    return session.scalars(
        select(Contact).where(Contact.id.in_(select(keys.c.id))).order_by(Contact.id).limit(limit)
    ).all()


def suggestion(session: Session, query: str) -> str | None:
    """A last name that is spelt much like what was typed: "Did you mean okafor?"."""
    typed = query.strip().lower()[:50]
    if len(typed) < 3:
        return None
    session.execute(select(func.set_config("pg_trgm.word_similarity_threshold", "0.4", True)))
    near = (
        select(func.lower(Contact.last_name).label("name"))
        .where(Contact.search.op("%>")(typed), Contact.last_name.is_not(None))
        .limit(1000)
        .subquery()
    )
    best = select(near.c.name).order_by(func.similarity(near.c.name, typed).desc()).limit(1)
    found = session.scalar(best)
    return found if found != typed else None


def _alike(typed: str) -> list[ColumnElement[bool]]:
    if not typed:
        return []
    digits = re.sub(r"\D", "", typed)
    if _PHONE_LIKE.fullmatch(typed) and len(digits) >= 5:
        # 07911 123456 and +44 7911 123456 share their end; the leading zero is only dialled.
        number = Contact.search.contains(digits.lstrip("0"), autoescape=True)
        return [or_(number, Contact.search.contains(typed.lower(), autoescape=True))]
    words = typed.lower().split()[:_WORDS_MAX]
    return [and_(*(_has_word(word) for word in words))] if words else []


def _has_word(word: str) -> ColumnElement[bool]:
    """Below three letters a trigram index only helps at the beginning of words."""
    if len(word) >= 3:
        return Contact.search.contains(word, autoescape=True)
    return or_(
        Contact.search.startswith(word, autoescape=True),
        Contact.search.contains(f" {word}", autoescape=True),
    )
