"""Sending one person something from the console: published service templates only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audience.models import Topic
from app.content.models import Template
from app.errors import Invalid
from app.sending.accept import accept
from app.sending.requests import Accepted, Caller, Recipient, SendRequest


@dataclass(frozen=True, slots=True)
class Choice:
    """A template that may be sent by hand."""

    key: str
    name: str
    topic: str


def choices(session: Session) -> list[Choice]:
    """Published templates that are no marketing, by name; at most 200."""
    rows = session.execute(
        select(Template.key, Template.name, Topic.name)
        .join(Topic, Topic.id == Template.topic_id)
        .where(
            Template.archived_at.is_(None),
            Template.published_version_id.is_not(None),
            Topic.klass != "marketing",
        )
        .order_by(Template.name)
        .limit(200)
    )
    return [Choice(*row) for row in rows]


def send(
    session: Session,
    contact_id: int,
    template: str,
    channels: Sequence[str],
    data: Mapping[str, Any],
    request_id: str,
    now: datetime,
) -> Accepted:
    """Accept it for this person. Raises Invalid: no such template, or a value is missing."""
    if template not in {choice.key for choice in choices(session)}:
        raise Invalid.one("/template", "unknown_template", "Choose a template.")
    request = SendRequest(
        to=Recipient(contact_id=contact_id),
        template=template,
        channels=tuple(channels) or None,
        data=data,
    )
    answer = accept(session, [request], Caller("console", request_id), now)[0]
    if isinstance(answer, Invalid):
        raise answer
    return answer
