"""What a request is to say: a template's published version, or one-off content."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audience.models import Topic
from app.content import templates, variables
from app.content.compile import CompiledVersion
from app.content.models import Template
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
    """The source of each request, looked up with one query for templates and one for topics."""
    by_key = _templates(session, {r.template for r in requests if r.template})
    topics = _topics(session, {r.topic for r in requests if r.topic})
    return [_source(session, request, by_key, topics, now) for request in requests]


def _templates(session: Session, keys: set[str]) -> dict[str, tuple[int | None, int, str]]:
    if not keys:
        return {}
    rows = session.execute(
        select(Template.key, Template.published_version_id, Topic.id, Topic.klass)
        .join(Topic, Topic.id == Template.topic_id)
        .where(Template.key.in_(keys), Template.archived_at.is_(None))
    )
    return {key: (version, topic, klass) for key, version, topic, klass in rows}


def _topics(session: Session, keys: set[str]) -> dict[str, tuple[int, str]]:
    if not keys:
        return {}
    rows = session.execute(
        select(Topic.key, Topic.id, Topic.klass).where(
            Topic.key.in_(keys), Topic.archived_at.is_(None)
        )
    )
    return {key: (topic, klass) for key, topic, klass in rows}


def _source(
    session: Session,
    request: SendRequest,
    by_key: Mapping[str, tuple[int | None, int, str]],
    topics: Mapping[str, tuple[int, str]],
    now: datetime,
) -> Source | Invalid:
    if request.template:
        found = by_key.get(request.template)
        if found is None:
            message = f"There is no template with the key {request.template!r}."
            return Invalid.one("/template", "unknown_template", message)
        version_id, topic_id, klass = found
        if version_id is None:
            message = f"The template {request.template!r} has no published version yet."
            return Invalid.one("/template", "unpublished_template", message)
    else:
        topic = topics.get(request.topic or "")
        if topic is None:
            message = "One-off content needs the key of a topic that exists."
            return Invalid.one("/topic", "unknown_topic", message)
        topic_id, klass = topic
        if request.version_id is not None:
            version_id = request.version_id
        else:
            try:
                version_id = templates.freeze(session, dict(request.content or {}), None, now)
            except Invalid as refused:
                return Invalid(
                    [
                        FieldError("/content" + field.pointer, field.code, field.message)
                        for field in refused.fields
                    ]
                )
    version = compiled(session, version_id)
    return Source(version_id, topic_id, klass, version, tuple(version.channels))
