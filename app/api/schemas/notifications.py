"""How messages are shown: one with all that happened to it, lists, and the explanation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from app import ids
from app.api.schemas.common import Channel, mask, time
from app.api.validation import Moment, PageQuery, Query, Reply
from app.content.render import (
    RenderedEmail,
    RenderedPush,
    RenderedSms,
    RenderFailure,
)
from app.policy.decide import Decision, Hold, Skip
from app.sending.explain import Explained
from app.sending.models import Attempt, Notification
from app.tracking.models import Event

Status = Literal[
    "queued",
    "held",
    "sending",
    "accepted",
    "delivered",
    "bounced",
    "failed",
    "skipped",
    "cancelled",
    "expired",
    "unknown",
]


class NotificationPath(Query):
    """A message's id."""

    id: str = Field(max_length=40, description="`ntf_…`")


class ListQuery(PageQuery):
    """What a list of messages is narrowed to."""

    contact: str | None = Field(None, max_length=200, description="The person's external id.")
    campaign: str | None = Field(None, max_length=40, description="`cmp_…`")
    channel: Channel | None = None
    status: Status | None = None
    since: Moment | None = Field(None, description="Accepted at this time or later.")
    until: Moment | None = Field(None, description="Accepted before this time.")


class TemplateRef(Reply):
    """Which content was used; `version` counts from 1."""

    key: str
    version: int | None = None


class AttemptReply(Reply):
    """One call to a provider."""

    number: int
    at: str
    provider: str
    outcome: str
    code: str | None = None
    detail: str | None = Field(None, description="The provider's words; scope `contacts` only.")
    duration_ms: int


class EventReply(Reply):
    """One fact that came back."""

    id: str
    kind: str
    at: str
    source: str
    verdict: str | None = Field(None, description="`human`, `machine` or `unclear`.")
    code: str | None = Field(None, description="The provider's code for a failure.")


class MessageReply(Reply):
    """One message to one address on one channel."""

    id: str
    status: Status
    reason: str | None
    channel: Channel
    address: str | None = Field(description="Masked unless the key has the scope `contacts`.")
    test: bool
    contact: str | None = Field(description="The person's external id.")
    campaign: str | None
    template: TemplateRef | None
    request_id: str | None
    metadata: dict[str, Any]
    accepted_at: str
    send_at: str | None = Field(description="When it is due, while it is held.")
    hold_reason: str | None
    expires_at: str | None
    handed_over_at: str | None
    final_at: str | None
    provider: str | None
    provider_id: str | None
    previous: str | None = Field(description="The message that this one follows.")


class FullMessageReply(MessageReply):
    """A message with every step."""

    attempts: list[AttemptReply]
    events: list[EventReply]


class MessagePage(Reply):
    """A page of messages, newest first."""

    data: list[MessageReply]
    next_cursor: str | None


class CheckReply(Reply):
    """One question of the decision."""

    name: str
    passed: bool
    sentence: str


class ExplainedMessage(Reply):
    """What would become of one message, and why."""

    channel: Channel
    address: str | None
    provider: str
    decision: Literal["send", "hold", "skip"]
    reason: str | None
    until: str | None
    checks: list[CheckReply] = Field(description="Those that did not pass would have to change.")
    content: dict[str, Any] | None = Field(description="As it would be sent.")
    error: str | None = Field(description="Why the content cannot be rendered.")


class ExplainReply(Reply):
    """The whole decision; nothing was sent."""

    messages: list[ExplainedMessage]


@dataclass(frozen=True, slots=True)
class Labels:
    """Names behind the keys of some messages."""

    contacts: Mapping[int, str] = field(default_factory=dict)
    templates: Mapping[int, tuple[str, int | None]] = field(default_factory=dict)


def shown(row: Notification, labels: Labels, unmasked: bool) -> dict[str, Any]:
    """One message of a list."""
    template = labels.templates.get(row.version_id)
    return {
        "id": ids.encode("ntf", row.id),
        "status": row.status,
        "reason": row.reason,
        "channel": row.channel,
        "address": row.address if unmasked else mask(row.channel, row.address),
        "test": row.test,
        "contact": labels.contacts.get(row.contact_id or 0),
        "campaign": ids.encode("cmp", row.campaign_id) if row.campaign_id else None,
        "template": {"key": template[0], "version": template[1]} if template else None,
        "request_id": row.request_id,
        "metadata": row.extra or {},
        "accepted_at": time(row.accepted_at),
        "send_at": time(row.send_after) if row.status == "held" else None,
        "hold_reason": row.hold_reason if row.status == "held" else None,
        "expires_at": time(row.expires_at),
        "handed_over_at": time(row.handed_at),
        "final_at": time(row.final_at),
        "provider": row.provider,
        "provider_id": row.provider_id,
        "previous": ids.encode("ntf", row.previous_id) if row.previous_id else None,
    }


def steps(
    attempts: Sequence[Attempt], events: Sequence[Event], unmasked: bool
) -> dict[str, list[dict[str, Any]]]:
    """What happened to one message."""
    return {
        "attempts": [
            {
                "number": attempt.number,
                "at": time(attempt.at),
                "provider": attempt.provider,
                "outcome": attempt.outcome,
                "code": attempt.code,
                # a provider's refusal often quotes the address
                "detail": attempt.detail if unmasked else None,
                "duration_ms": attempt.duration_ms,
            }
            for attempt in attempts
        ],
        "events": [
            {
                "id": ids.encode("evt", event.id),
                "kind": event.kind,
                "at": time(event.at),
                "source": event.source,
                "verdict": event.verdict,
                "code": event.detail.get("code") or None,
            }
            for event in events
        ],
    }


def explained(item: Explained, unmasked: bool) -> dict[str, Any]:
    """One message of an explanation."""
    failed = isinstance(item.content, RenderFailure)
    return {
        "channel": item.channel,
        "address": item.address if unmasked else mask(item.channel, item.address),
        "provider": item.provider,
        **_decided(item.decision),
        "checks": [
            {"name": gate.name, "passed": gate.passed, "sentence": gate.sentence}
            for gate in item.gates
        ],
        "content": None if failed else _content(item.content),
        "error": item.content.message if failed else None,
    }


def _decided(decision: Decision) -> dict[str, Any]:
    if isinstance(decision, Hold):
        return {"decision": "hold", "reason": decision.reason, "until": time(decision.until)}
    if isinstance(decision, Skip):
        return {"decision": "skip", "reason": decision.reason, "until": None}
    return {"decision": "send", "reason": None, "until": None}


def _content(content: Any) -> dict[str, Any] | None:
    if isinstance(content, RenderedEmail):
        whole = content.whole()
        return {"subject": whole.subject, "html": whole.html, "text": whole.text}
    if isinstance(content, RenderedSms):
        return {
            "body": content.body,
            "segments": content.segments,
            "encoding": content.encoding,
        }
    if isinstance(content, RenderedPush):
        return {
            "title": content.title,
            "subtitle": content.subtitle,
            "body": content.body,
            "image": content.image,
            "url": content.url,
            "data": dict(content.data),
        }
    return None
