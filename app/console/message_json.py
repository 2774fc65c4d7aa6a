"""A message as JSON for developers and reports: what happened, without what it said."""

from collections.abc import Sequence
from typing import Any

import orjson

from app import ids
from app.console.filters import iso
from app.sending.models import Attempt, Notification
from app.tracking.heard import News


def text(message: Notification, attempts: Sequence[Attempt], news: Sequence[News]) -> str:
    """The document, indented."""
    return orjson.dumps(
        document(message, attempts, news),
        default=iso,
        option=orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_DATETIME,
    ).decode()


def document(
    message: Notification, attempts: Sequence[Attempt], news: Sequence[News]
) -> dict[str, Any]:
    """Fields, attempts and events; ids are the public ones, times RFC 3339 in UTC."""
    return {
        "id": ids.encode("ntf", message.id),
        "channel": message.channel,
        "status": message.status,
        "reason": message.reason,
        "hold_reason": message.hold_reason,
        "to": message.address,
        "contact": _id("con", message.contact_id),
        "device": _id("dev", message.device_id),
        "campaign": _id("cmp", message.campaign_id),
        "version": _id("ver", message.version_id),
        "topic": _id("top", message.topic_id),
        "previous": _id("ntf", message.previous_id),
        "origin": message.origin,
        "lane": message.lane,
        "test": message.test,
        "metadata": message.extra,
        "request_id": message.request_id,
        "provider": message.provider,
        "provider_id": message.provider_id,
        "accepted_at": message.accepted_at,
        "send_after": message.send_after,
        "expires_at": message.expires_at,
        "handed_at": message.handed_at,
        "final_at": message.final_at,
        "attempts": [_attempt(item) for item in attempts],
        "events": [_event(item) for item in news],
    }


def _attempt(item: Attempt) -> dict[str, Any]:
    return {
        "number": item.number,
        "at": item.at,
        "provider": item.provider,
        "outcome": item.outcome,
        "code": item.code,
        "detail": item.detail,
        "provider_id": item.provider_id,
        "not_before": item.not_before,
        "duration_ms": item.duration_ms,
        "asked_at": item.asked_at,
        "unlisted": item.unlisted,
    }


def _event(item: News) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "at": item.at,
        "source": item.source,
        "verdict": item.verdict,
        "verdict_reason": item.verdict_reason,
        "url": item.url,
        "detail": dict(item.detail),
    }


def _id(prefix: str, key: int | None) -> str | None:
    return None if key is None else ids.encode(prefix, key)
