"""Topics: what people can opt in to or out of, each with the class that decides its rules."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import cache
from app.audience.fields import unstorable
from app.audience.models import TOPIC_CLASSES, Topic
from app.errors import Conflict, FieldError, Invalid, NotFound

_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_CACHE: Final = "topics"


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as the hot path needs it."""

    id: int
    key: str
    name: str
    klass: str
    opted_in_by_default: bool


def all_topics(session: Session, archived: bool = False) -> Sequence[Topic]:
    """Topics in the order people see them."""
    chosen = select(Topic).order_by(Topic.position, Topic.id)
    if not archived:
        chosen = chosen.where(Topic.archived_at.is_(None))
    return session.scalars(chosen).all()


def by_key(session: Session, key: str) -> Topic:
    """The topic with this key, archived or not. Raises NotFound."""
    topic = session.scalars(select(Topic).where(Topic.key == key)).one_or_none()
    if topic is None:
        raise NotFound(f"There is no topic with the key {key[:64]!r}.")
    return topic


def by_id(session: Session, topic_id: int) -> Topic:
    """Raises NotFound."""
    topic = session.get(Topic, topic_id)
    if topic is None:
        raise NotFound("There is no such topic.")
    return topic


def facts(session: Session) -> Mapping[str, TopicFacts]:
    """All topics by key, from the cache where possible."""
    found = cache.shared().get_many(_CACHE, ["all"]).get("all")
    return _by_key(_loaded(session) if found is None else found)


def recent_facts(
    session: Session, keys: Collection[str], topic_ids: Collection[int]
) -> Mapping[str, TopicFacts]:
    """The same, perhaps a second old; but whichever of these topics exists is among them."""
    found = _by_key(cache.shared().get_near(_CACHE, ["all"]).get("all", ()))
    known = {topic.id for topic in found.values()}
    if found.keys() >= set(keys) and known.issuperset(topic_ids):
        return found
    return _by_key(_loaded(session))


def _loaded(session: Session) -> list[dict[str, Any]]:
    found = [asdict(_facts(row)) for row in all_topics(session, archived=True)]
    cache.shared().set_near(_CACHE, {"all": found})
    return found


def _by_key(rows: Iterable[Mapping[str, Any]]) -> dict[str, TopicFacts]:
    return {row["key"]: TopicFacts(**row) for row in rows}


def create(session: Session, fields: Mapping[str, Any], now: datetime) -> Topic:
    """A new topic from `key`, `name`, `klass` and perhaps `description`, `opted_in_by_default`.

    Raises Invalid, or Conflict when the key is taken.
    """
    key = str(fields.get("key", "")).strip()
    errors = _problems(fields, ("name", "klass"))
    if not _KEY.fullmatch(key):
        words = (
            "A key begins with a letter and has only small letters, digits, hyphens and "
            "underscores, at most 64 of them."
        )
        errors.insert(0, FieldError("/key", "invalid_key", words))
    if errors:
        raise Invalid(errors)
    if session.scalar(select(Topic.id).where(Topic.key == key)) is not None:
        raise Conflict(f"There is already a topic with the key {key!r}.")
    last = session.scalar(select(func.max(Topic.position))) or 0
    topic = Topic(key=key, position=last + 1, created_at=now)
    _put(topic, fields)
    session.add(topic)
    session.flush()
    _changed(session)
    return topic


def update(session: Session, topic: Topic, fields: Mapping[str, Any]) -> Topic:
    """Change name, description, class or default of a topic. Raises Invalid."""
    errors = _problems(fields, [name for name in _WORDS if name in fields])
    if errors:
        raise Invalid(errors)
    _put(topic, fields)
    session.flush()
    _changed(session)
    return topic


def archive(session: Session, topic: Topic, now: datetime) -> None:
    """Take a topic out of use; what people chose about it is kept."""
    topic.archived_at = topic.archived_at or now
    session.flush()
    _changed(session)


def restore(session: Session, topic: Topic) -> None:
    """Bring an archived topic back."""
    topic.archived_at = None
    session.flush()
    _changed(session)


def _put(topic: Topic, fields: Mapping[str, Any]) -> None:
    for name in ("name", "description", "klass", "opted_in_by_default", "position"):
        if name in fields:
            value = fields[name]
            setattr(topic, name, value.strip() if isinstance(value, str) else value)


def _problems(fields: Mapping[str, Any], needed: Sequence[str]) -> list[FieldError]:
    errors = [
        FieldError(f"/{name}", "missing", f"The {_WORDS[name]} is missing.")
        for name in needed
        if not str(fields.get(name, "")).strip()
    ]
    klass = fields.get("klass")
    if klass and klass not in TOPIC_CLASSES:
        words = "The class is one of security, transactional and marketing."
        errors.append(FieldError("/klass", "invalid_class", words))
    for name, most in (("name", 100), ("description", 1000)):
        value = fields.get(name)
        if isinstance(value, str) and (problem := _text_problem(value, most)):
            errors.append(FieldError(f"/{name}", "invalid_text", problem))
    return errors


_WORDS: Final = {"name": "name", "klass": "class"}


def _text_problem(value: str, most: int) -> str | None:
    if len(value) > most:
        return f"This is longer than {most} characters."
    return unstorable(value)


def _facts(row: Topic) -> TopicFacts:
    return TopicFacts(row.id, row.key, row.name, row.klass, row.opted_in_by_default)


def _changed(session: Session) -> None:
    cache.invalidate_after_commit(session, _CACHE, ["all"])
