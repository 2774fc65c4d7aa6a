"""What a request is to say: a template's published version, or one-off content."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.audience import topics
from app.audience.topics import TopicFacts
from app.content import drafts, lookup, variables
from app.content.compile import CompiledVersion
from app.content.lookup import Known
from app.content.versions import compiled
from app.errors import FieldError, Invalid
from app.sending.requests import SendRequest


@dataclass(frozen=True, slots=True)
class Source:
    """Content with the class that its topic gives it."""

    version_id: int
    topic_id: int
    klass: str
    version: CompiledVersion
    channels: tuple[str, ...]

    @property
    def lane(self) -> str:
        """Marketing never stands in the way of what somebody is waiting for."""
        return "bulk" if self.klass == "marketing" else "transactional"

    def missing_data(self, data: Mapping[str, Any]) -> list[FieldError]:
        """One error per variable that the content needs and the call does not give."""
        return [
            FieldError(
                "/data/" + name.replace(".", "/"),
                "missing_variable",
                f"The template needs {name}, which data does not give.",
            )
            for name in variables.missing(self.version, data)
        ]


def find(
    session: Session, requests: Sequence[SendRequest], now: datetime
) -> list[Source | Invalid]:
    """The source of each request; templates and topics come from the cache where possible."""
    known = lookup.by_keys(session, {r.template for r in requests if r.template})
    by_key = topics.recent_facts(
        session,
        {request.topic for request in requests if request.topic},
        {template.topic_id for template in known.values()},
    )
    by_id = {topic.id: topic for topic in by_key.values()}
    return [_source(session, request, known, by_key, by_id, now) for request in requests]


def _source(
    session: Session,
    request: SendRequest,
    known: Mapping[str, Known],
    by_key: Mapping[str, TopicFacts],
    by_id: Mapping[int, TopicFacts],
    now: datetime,
) -> Source | Invalid:
    if request.template:
        found = known.get(request.template)
        if found is None:
            message = f"There is no template with the key {request.template!r}."
            return Invalid.one("/template", "unknown_template", message)
        if found.version_id is None:
            message = f"The template {request.template!r} has no published version yet."
            return Invalid.one("/template", "unpublished_template", message)
        return _with_version(session, found.version_id, by_id[found.topic_id])
    topic = by_key.get(request.topic or "")
    if topic is None:
        message = "One-off content needs the key of a topic that exists."
        return Invalid.one("/topic", "unknown_topic", message)
    version_id = request.version_id
    if version_id is None:
        try:
            version_id = drafts.freeze(session, dict(request.content or {}), None, now)
        except Invalid as refused:
            return Invalid([_below_content(field) for field in refused.fields])
    return _with_version(session, version_id, topic)


def _with_version(session: Session, version_id: int, topic: TopicFacts) -> Source:
    version = compiled(session, version_id)
    return Source(version_id, topic.id, topic.klass, version, tuple(version.channels))


def _below_content(field: FieldError) -> FieldError:
    return FieldError("/content" + field.pointer, field.code, field.message)
