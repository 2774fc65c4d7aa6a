"""Accept: turn requests into notification rows and batches, in the caller's transaction.

A request that cannot be carried out is answered with `Invalid` (all wrong fields at once) and
leaves nothing behind; the other requests of the same call are not affected. When the caller's
transaction commits, the messages exist and cannot be lost: the queue is only nudged afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from app import ids
from app.audience import erased
from app.errors import FieldError, Invalid
from app.sending.enter import enter
from app.sending.recipients import Person, resolve
from app.sending.requests import Accepted, AcceptedMessage, Caller, SendRequest
from app.sending.sources import Source, find

FARTHEST: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Draft:
    """One row that is to be inserted, for the request at `position`."""

    position: int
    channel: str
    values: dict[str, Any]


def accept(
    session: Session, requests: Sequence[SendRequest], caller: Caller, now: datetime
) -> list[Accepted | Invalid]:
    """One answer per request, in order."""
    return accept_all(session, [(request, caller) for request in requests], now)


def accept_all(
    session: Session, wishes: Sequence[tuple[SendRequest, Caller]], now: datetime
) -> list[Accepted | Invalid]:
    """The same for requests of several callers, each with its own."""
    requests = [request for request, _ in wishes]
    sources = find(session, requests, now)
    people = resolve(session, [request.to for request in requests])
    answers: list[Accepted | Invalid | None] = [None] * len(requests)
    drafts: list[Draft] = []
    for position, ((request, caller), source, person) in enumerate(
        zip(wishes, sources, people, strict=True)
    ):
        problems = _problems(request, source, now)
        if problems or isinstance(source, Invalid):
            answers[position] = Invalid(problems)
        else:
            drafts += plan(position, request, source, person, caller, now)
    messages = _insert(session, drafts, _bare_addresses(requests), now)
    grouped: list[list[AcceptedMessage]] = [[] for _ in requests]
    for draft, message in zip(drafts, messages, strict=True):
        grouped[draft.position].append(message)
    return [answer or Accepted(grouped[position]) for position, answer in enumerate(answers)]


def _bare_addresses(requests: Sequence[SendRequest]) -> list[erased.Address]:
    """Addresses without a person behind them: somebody may have asked to be erased."""
    emails = [("email", request.to.email) for request in requests if request.to.email]
    phones = [("phone", request.to.phone) for request in requests if request.to.phone]
    return emails + phones


def _problems(request: SendRequest, source: Source | Invalid, now: datetime) -> list[FieldError]:
    problems = list(source.fields) if isinstance(source, Invalid) else []
    if request.send_at and request.send_at > now + FARTHEST:
        message = "send_at may be at most 90 days ahead."
        problems.append(FieldError("/send_at", "too_far_ahead", message))
    if request.expires_at and request.expires_at <= max(now, request.send_at or now):
        message = "expires_at must be in the future, and after send_at."
        problems.append(FieldError("/expires_at", "already_expired", message))
    if isinstance(source, Source):
        problems += _channel_problems(request, source)
        problems += source.missing_data(request.data)
    return problems


def _channel_problems(request: SendRequest, source: Source) -> list[FieldError]:
    return [
        FieldError(
            f"/channels/{index}", "no_content", f"The template has no content for {channel}."
        )
        for index, channel in enumerate(request.channels or ())
        if channel not in source.channels
    ]


def plan(
    position: int,
    request: SendRequest,
    source: Source,
    person: Person,
    caller: Caller,
    now: datetime,
) -> list[Draft]:
    """The rows that a request leads to: one per address, or one that says why there is none."""
    wanted = request.channels or source.channels
    reachable = [channel for channel in wanted if person.addresses.get(channel)]
    base = _base(request, source, person, caller, now)
    if not person.known:
        return [_not_sent(position, base, wanted[0], "unknown_contact", now)]
    if request.strategy == "first" and reachable:
        first, rest = reachable[0], reachable[1:]
        drafts = _to_addresses(position, base, person, first)
        for draft in drafts:
            draft.values["fallback"] = rest or None
        return drafts
    drafts = []
    for channel in wanted:
        if channel in reachable:
            drafts += _to_addresses(position, base, person, channel)
        elif request.channels:
            drafts.append(_not_sent(position, base, channel, "no_address", now))
    return drafts or [_not_sent(position, base, wanted[0], "no_address", now)]


def _base(
    request: SendRequest, source: Source, person: Person, caller: Caller, now: datetime
) -> dict[str, Any]:
    later = request.send_at is not None and request.send_at > now
    return {
        "accepted_at": now,
        "origin": caller.origin,
        "test": caller.test,
        "lane": source.lane,
        "status": "held" if later else "queued",
        "reason": None,
        "send_after": request.send_at if later else None,
        "hold_reason": "scheduled" if later else None,
        "contact_id": person.contact_id,
        "topic_id": source.topic_id,
        "version_id": source.version_id,
        "data": dict(request.data) or None,
        "metadata": dict(request.metadata) or None,
        "api_key_id": caller.api_key_id,
        "request_id": caller.request_id,
        "expires_at": request.expires_at,
        "fallback": None,
        "final_at": None,
    }


def _to_addresses(position: int, base: dict[str, Any], person: Person, channel: str) -> list[Draft]:
    return [
        Draft(
            position,
            channel,
            {**base, "channel": channel, "address": address, "device_id": device_id},
        )
        for address, device_id in person.addresses[channel]
    ]


def _not_sent(
    position: int, base: dict[str, Any], channel: str, reason: str, now: datetime
) -> Draft:
    return Draft(
        position,
        channel,
        {
            **base,
            "channel": channel,
            "address": None,
            "device_id": None,
            "status": "skipped",
            "reason": reason,
            "send_after": None,
            "hold_reason": None,
            "final_at": now,
        },
    )


def _insert(
    session: Session, drafts: Sequence[Draft], bare: Sequence[erased.Address], now: datetime
) -> list[AcceptedMessage]:
    if not drafts:
        return []
    rows = [draft.values for draft in drafts]
    return [
        AcceptedMessage(key, ids.encode("ntf", key), row["channel"], row["status"], row["reason"])
        for key, row in zip(enter(session, rows, bare, now), rows, strict=True)
    ]
