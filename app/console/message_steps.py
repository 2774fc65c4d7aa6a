"""What happened to a message, step by step: for the timeline of its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.console import filters, words
from app.sending.models import Attempt, Notification
from app.sending.vocabulary import OUTCOMES, RETRYING, provider_name, reason_sentence
from app.tracking.heard import News
from app.tracking.verdicts import REASONS as LOOKS


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline. `code` is shown in monospace after the text."""

    title: str
    icon: str
    at: datetime
    text: str = ""
    code: str = ""
    tone: str = ""
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Timed:
    """A step with its time and its distance from the one before, in words."""

    step: Step
    at: str
    gap: str


_KINDS: Final = {
    "processed": ("Taken on by the provider", "arrow-up-right", ""),
    "deferred": ("Delayed by the receiving side", "timer", "warn"),
    "delivered": ("Delivered", "check", "ok"),
    "bounced": ("Came back", "undo-2", "bad"),
    "dropped": ("Dropped by the provider", "x", "bad"),
    "failed": ("Not delivered", "x", "bad"),
    "opened": ("Opened", "eye", "ok"),
    "clicked": ("Link followed", "mouse-pointer-click", "ok"),
    "dismissed": ("Dismissed", "x", ""),
    "complained": ("Called spam", "circle-alert", "bad"),
    "unsubscribed": ("Unsubscribed", "user-minus", "warn"),
    "replied": ("Replied", "reply", ""),
}
_WHO: Final = {"machine": " by a machine", "unclear": ", perhaps by a machine"}
_ORIGINS: Final = {
    "api": "Accepted from your system",
    "campaign": "Accepted from a campaign",
    "console": "Accepted from the console",
    "test": "Accepted as a test",
}
_FOLLOWS: Final = "Made because the one before did not reach"
_ENDS: Final = {
    "skipped": ("Not sent", "circle-slash", "warn"),
    "expired": ("Not sent", "circle-slash", "warn"),
    "cancelled": ("Cancelled", "ban", "warn"),
    "failed": ("Given up", "x", "bad"),
}


def steps(
    message: Notification,
    attempts: Sequence[Attempt],
    news: Sequence[News],
    origin: str,
    request: str,
) -> list[Timed]:
    """The timeline, oldest first. `origin` says what started it, `request` is an id to show."""
    first = _FOLLOWS if message.follows else _ORIGINS[message.origin]
    found = [Step(first, "download", message.accepted_at, origin, request)]
    found.append(_queued(message))
    found += [_attempt(item) for item in attempts]
    found += [_asked(item, item.asked_at) for item in attempts if item.asked_at is not None]
    found += [_event(item) for item in news]
    found += _waiting(message, attempts)
    if message.status in _ENDS and message.final_at is not None:
        found.append(_end(message, message.final_at, attempts))
    return _timed(sorted(found, key=lambda step: step.at))


def _queued(message: Notification) -> Step:
    queue = f"{message.channel}.{message.lane}"
    return Step("Queued", "layers", message.accepted_at, "in", queue)


def _attempt(item: Attempt) -> Step:
    who = provider_name(item.provider)
    title = f"Attempt {item.number} {OUTCOMES.get(item.outcome, 'answered by')} {who}"
    if item.outcome == "accepted":
        known = f"after {filters.duration(item.duration_ms / 1000)}"
        return Step(title, "arrow-up-right", item.at, known, item.provider_id or "", "info")
    said = words.said(item.code, item.detail)
    retried = item.outcome in ("retry", "throttled", "ambiguous")
    icon, tone = ("timer", "warn") if retried else ("x", "bad")
    return Step(title, icon, item.at, said, tone=tone)


def _asked(item: Attempt, at: datetime) -> Step:
    """The provider was asked whether it took a message whose answer was lost."""
    said = "It has no such message." if item.unlisted else "It cannot be told from another message."
    return Step(f"{provider_name(item.provider)} was asked about it", "circle-help", at, said)


def _event(item: News) -> Step:
    title, icon, tone = _KINDS.get(item.kind, (words.sentence(item.kind), "info", ""))
    if item.kind in ("opened", "clicked") and item.verdict in _WHO:
        title, tone = title + _WHO[item.verdict], ""
    if item.detail.get("unconfirmed"):
        title, icon, tone = "Nothing more was heard", "circle-help", "warn"
    parts = [item.url or "", LOOKS.get(item.verdict_reason or "", "")]
    parts += [str(item.detail.get("code") or "")]
    parts += [str(item.detail.get("reason") or item.detail.get("response") or "")]
    return Step(title, icon, item.at, " ".join(part for part in parts if part), tone=tone)


def _waiting(message: Notification, attempts: Sequence[Attempt]) -> list[Step]:
    if message.status not in ("held", "unknown"):
        return []
    at = attempts[-1].at if attempts else message.accepted_at
    until = f"until {filters.within(message.send_after)}" if message.send_after else ""
    if message.status == "unknown":
        return [Step("Waiting for news of it", "circle-help", at, until, tone="warn")]
    why = words.reason(message.hold_reason)
    retried = message.hold_reason in RETRYING
    title = "Waiting to be tried again" if retried else "Held"
    text = ", ".join(part for part in (why, until) if part)
    return [Step(title, "timer", at, text, tone="warn" if retried else "")]


def _end(message: Notification, at: datetime, attempts: Sequence[Attempt]) -> Step:
    """Of one whose answer was lost nobody can say that it was not sent, only: not again."""
    lost = any(item.outcome == "ambiguous" for item in attempts)
    title, icon, tone = _ENDS[message.status]
    if lost and title == "Not sent":
        title = "Not sent again"
    return Step(title, icon, at, reason_sentence(message.reason, unconfirmed=lost), tone=tone)


def _timed(found: Sequence[Step]) -> list[Timed]:
    timed: list[Timed] = []
    before: datetime | None = None
    for step in found:
        local = filters.local(step.at)
        at = f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}"
        if before is None or filters.local(before).date() != local.date():
            at = f"{local:%a} {local.day} {local:%b}, {at}"
        gap = (step.at - before).total_seconds() if before else 0.0
        timed.append(Timed(step, at, f"+{filters.duration(gap)}" if gap >= 0.001 else ""))
        before = step.at
    return timed
