"""What is to become of the rows of a batch: decided at the last moment, and rendered."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.accounts import workspace
from app.channels.base import Message
from app.content.render import RenderFailure
from app.policy.decide import Decision, Hold, Skip, decide
from app.policy.facts import Rules
from app.sending import caps, compose, domains, facts
from app.sending.batches import Claim
from app.sending.engine import Engine
from app.sending.facts import Case, Row
from app.sending.states import Change


@dataclass(slots=True)
class Plan:
    """Rows to be handed over with their messages, and those settled without a provider."""

    rows: list[Row] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    settled: list[Change] = field(default_factory=list)
    unsent: list[Row] = field(default_factory=list)
    holds: bool = False  # places under the frequency cap, until the batch is recorded


def plan(session: Session, engine: Engine, claim: Claim, rules: Rules, now: datetime) -> Plan:
    """Decide about every row of a claimed batch, and render those that go."""
    made = Plan()
    going = _going(session, claim, rules, made, now)
    tracked = workspace.get(session).tracking
    composed = compose.render(session, engine, going, tracked=tracked)
    for one in composed:
        if isinstance(one.content, RenderFailure):
            made.settled.append(Change(one.row.id, "failed", "template_error", now))
            made.unsent.append(one.row)
    sound = [one for one in composed if not isinstance(one.content, RenderFailure)]
    made.rows = [one.row for one in sound]
    made.messages = compose.messages(engine, sound)
    return made


def _going(
    session: Session, claim: Claim, rules: Rules, made: Plan, now: datetime
) -> Sequence[Row]:
    if rules.cap is not None:
        caps.lock(session, claim)
    places = caps.Places(rules.cap)
    waiting = domains.closed(session, claim.channel, now)
    decided = _Decided(rules, now)
    going = []
    for row in facts.load(session, claim, rules, now):
        if row.status != "queued":
            continue
        decision = domains.over(waiting, row, decided.about(row, places.taken_before(row)))
        if isinstance(decision, Skip):
            status = "expired" if decision.reason == "expired" else "skipped"
            made.settled.append(Change(row.id, status, decision.reason, now))
            made.unsent.append(row)
        elif isinstance(decision, Hold):
            made.settled.append(_held(row, decision, now))
        else:
            places.take(row)
            going.append(row)
    made.holds = places.hold(session, claim, now)
    return going


class _Decided:
    """The decisions of one batch at one moment: equal cases, most of a campaign, are asked once."""

    def __init__(self, rules: Rules, now: datetime) -> None:
        self._rules = rules
        self._now = now
        self._known: dict[Case, Decision] = {}

    def about(self, row: Row, taken: int) -> Decision:
        """`taken`: so many messages to the same person were decided to go before, in this batch."""
        if taken:
            facts = row.policy
            sent = facts.sent_in_window + taken
            # Those of this batch go now: at the latest a window from now there is room again.
            room_at = facts.room_at or self._now + row.window
            facts = replace(facts, sent_in_window=sent, room_at=room_at)
            return decide(facts, self._rules, self._now)
        known = self._known.get(row.case)
        if known is None:
            known = self._known[row.case] = decide(row.policy, self._rules, self._now)
        return known


def _held(row: Row, decision: Hold, now: datetime) -> Change:
    return Change(row.id, "held", None, now, send_after=decision.until, hold_reason=decision.reason)
