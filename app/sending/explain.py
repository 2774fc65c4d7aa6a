"""Explain: the whole decision for a request, with the real gates and text, sending nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.accounts import workspace
from app.errors import Invalid
from app.policy.decide import Decision, Gate, Skip, decide, trace
from app.policy.facts import Rules
from app.sending import accept as accepting
from app.sending import facts as loading
from app.sending import rules as limits
from app.sending.compose import render
from app.sending.engine import Engine
from app.sending.facts import Row, Some
from app.sending.requests import Caller, SendRequest
from app.sending.status import REASONS
from app.sending.vocabulary import PUSH

UNKNOWN: Final = "unknown_contact"
_NOBODY: Final = Skip(UNKNOWN)


@dataclass(frozen=True, slots=True)
class Explained:
    """One message that would be made: what would become of it, and why."""

    channel: str
    address: str | None
    provider: str
    decision: Decision
    gates: Sequence[Gate]
    content: Any  # Rendered, RenderFailure, or None when there is no address


def explain(
    session: Session, engine: Engine, request: SendRequest, caller: Caller, now: datetime
) -> list[Explained] | Invalid:
    """Carry the request out in a savepoint that is rolled back: what would happen, did.

    A send that is asked for later is decided as of then, by what is known now.
    """
    moment = max(now, request.send_at or now)
    savepoint = session.begin_nested()
    try:
        answer = accepting.accept(session, [request], caller, now)[0]
        if isinstance(answer, Invalid):
            return answer
        return [
            item
            for message in answer.messages
            for item in explain_rows(session, engine, [message.key], message.channel, moment)
        ]
    finally:
        savepoint.rollback()
        session.info.pop("herald_after_commit", None)


def explain_rows(
    session: Session, engine: Engine, keys: Sequence[int], channel: str, now: datetime
) -> list[Explained]:
    """The decision for messages that exist: for support, at any time."""
    rules = limits.current(session)
    some = Some(keys, channel, *_between(session, keys))
    rows = loading.load(session, some, rules, now)
    provider = engine.providers.route(channel)[0]
    return [
        Explained(
            channel=row.channel,
            address=row.address,
            provider=provider,
            decision=_NOBODY if row.reason == UNKNOWN else decide(row.policy, rules, now),
            gates=_gates(row, rules, now),
            content=_content(session, engine, row),
        )
        for row in rows
    ]


def _gates(row: Row, rules: Rules, now: datetime) -> Sequence[Gate]:
    """As the policy asks them, but of nobody nothing, and of a mere address not who it is."""
    if row.reason == UNKNOWN:  # decided when the request was accepted
        return [Gate("person", passed=False, sentence=REASONS[UNKNOWN])]
    asked = [
        gate
        for gate in trace(row.policy, rules, now)
        if gate.name != "device" or row.channel in PUSH
    ]
    if row.contact_id is not None:
        return asked
    only = Gate("person", passed=True, sentence="Only an address was given.")
    return [only if gate.name == "person" and gate.passed else gate for gate in asked]


def _content(session: Session, engine: Engine, row: Row) -> Any:
    if row.address is None:
        return None
    tracked = workspace.get(session).tracking
    return render(session, engine, [row], tracked=tracked)[0].content


def _between(session: Session, keys: Sequence[int]) -> tuple[datetime, datetime]:
    first, last = session.execute(
        text("select min(accepted_at), max(accepted_at) from notification where id = any(:ids)"),
        {"ids": list(keys)},
    ).one()
    return first, last
