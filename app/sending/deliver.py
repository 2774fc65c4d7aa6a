"""Deliver one batch: claim, decide, render, hand over, record.

Three transactions, and none of them is open while a provider is thinking:

1. claim the batch, load the facts of all its rows in one query, decide and render;
2. mark it `dispatching`, just before the first byte leaves (checks the fence);
3. record the final state of every row (checks the fence again).

In between, answers are written down every 200 ms, so that a crash leaves unknown only what was in
the air.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.orm import Session

from app import clock
from app.accounts import workspace
from app.channels.base import Message, Provider, Result
from app.content.render import RenderFailure
from app.db import transaction
from app.policy.decide import Hold, Skip, decide
from app.policy.facts import Rules
from app.sending import attempts, batches, compose, copies, facts, outcomes, rules
from app.sending.attempts import Answer
from app.sending.batches import Claim
from app.sending.engine import Engine
from app.sending.facts import Row
from app.sending.leases import LeaseKeeper
from app.sending.states import Change

CHECKPOINT_SECONDS: Final = 0.2
# One call may answer for hundreds of messages: they were answered at the same moment.
SAME_MOMENT_SECONDS: Final = 0.001


@dataclass(slots=True)
class Plan:
    """What is to become of the rows of a batch: handed over, or settled without a provider."""

    rows: list[Row] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    settled: list[Change] = field(default_factory=list)
    unsent: list[Row] = field(default_factory=list)


def deliver(engine: Engine, leases: LeaseKeeper, batch_id: int) -> bool:
    """Send a batch, if it is still to be sent. True when this call did it."""
    with transaction() as session:
        claim = batches.claim(session, batch_id, engine.owner, clock.now())
        if claim is None:
            return False
        plan = _plan(session, engine, claim, rules.current(session))
    with leases.keep(claim):
        answers = _Answers(claim, plan, engine.providers.provider(claim.channel, claim.test))
        if plan.messages:
            if not _dispatch(claim, plan):
                return False
            answers.collect()
        with transaction() as session:
            now = clock.now()
            if not batches.finish(session, claim, now):
                return False
            attempts.write(session, claim, answers.unwritten())
            outcomes.record(session, engine, claim, plan.rows, answers.all, plan.settled, now)
            outcomes.fall_back(session, plan.unsent, now)
    return True


def _plan(session: Session, engine: Engine, claim: Claim, limits: Rules) -> Plan:
    """Decide about every row at the last moment, and render those that go."""
    now = clock.now()
    plan = Plan()
    going = []
    between = (claim.accepted_from, claim.accepted_to)
    for row in facts.load(session, claim.ids, claim.channel, between, limits, now):
        if row.status != "queued":
            continue
        decision = decide(row.policy, limits, now)
        if isinstance(decision, Skip):
            status = "expired" if decision.reason == "expired" else "skipped"
            plan.settled.append(Change(row.id, status, decision.reason, now))
            plan.unsent.append(row)
        elif isinstance(decision, Hold):
            plan.settled.append(
                Change(
                    row.id,
                    "held",
                    None,
                    now,
                    send_after=decision.until,
                    hold_reason=decision.reason,
                )
            )
        else:
            going.append(row)
    tracked = workspace.get(session).tracking
    for row, given, content in compose.render(session, engine, going, tracked=tracked):
        if isinstance(content, RenderFailure):
            plan.settled.append(Change(row.id, "failed", "template_error", now))
            plan.unsent.append(row)
        else:
            plan.rows.append(row)
            plan.messages.append(compose.message(engine, row, given, content))
    return plan


def _dispatch(claim: Claim, plan: Plan) -> bool:
    with transaction() as session:
        now = clock.now()
        if not batches.dispatch(session, claim, now):
            batches.release(session, claim)
            return False
        copies.keep(session, claim.id, plan.rows, now)
    return True


class _Answers:
    """Collects what the provider says and writes it down while the batch runs."""

    def __init__(self, claim: Claim, plan: Plan, provider: Provider) -> None:
        self._claim = claim
        self._plan = plan
        self._provider = provider
        self._written = 0
        self._last = self._looked = time.monotonic()
        self._at = clock.now()
        self.all: list[Answer] = []

    def collect(self) -> None:
        """Hand the messages over and wait for every answer."""
        self._provider.send(self._plan.messages, self._on_result)

    def unwritten(self) -> Sequence[Answer]:
        """Answers that no checkpoint has written yet."""
        return self.all[self._written :]

    def _on_result(self, index: int, result: Result) -> None:
        row = self._plan.rows[index]
        moment = time.monotonic()
        if moment - self._looked > SAME_MOMENT_SECONDS:
            self._looked, self._at = moment, clock.now()
        self.all.append(Answer(row.id, row.attempts + 1, self._provider.name, result, self._at))
        if moment - self._last > CHECKPOINT_SECONDS and not self._is_last():
            self._checkpoint()

    def _is_last(self) -> bool:
        return len(self.all) == len(self._plan.messages)

    def _checkpoint(self) -> None:
        waiting = self.unwritten()
        with transaction() as session:
            attempts.write(session, self._claim, waiting)
        self._written = len(self.all)
        self._last = time.monotonic()
