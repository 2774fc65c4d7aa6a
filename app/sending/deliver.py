"""Deliver one batch: claim, decide, render, hand over, record.

Three steps, and no transaction is open while a provider is thinking:

1. claim the batch;
2. load the facts of all its rows, decide and render, and last, just before the first byte may
   leave, mark it `dispatching` (checks the fence, and that nothing was paused meanwhile);
3. record the final state of every row (checks the fence again).

In between, answers are written down every 200 ms, or by the lease keeper when nothing more comes,
so that a crash leaves unknown only what was in the air; and messages whose answer was lost are
shown as such (`lost`).
"""

import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app import clock
from app.channels.base import Outcome, Result
from app.db import TROUBLE, each_by_itself, patiently, transaction
from app.sending import (
    attempts,
    batches,
    breaker,
    caps,
    copies,
    outcomes,
    pace,
    planning,
    rules,
    turns,
    withdrawals,
)
from app.sending.attempts import Answer
from app.sending.batches import Asked, Claim
from app.sending.breaker import Way
from app.sending.engine import Engine
from app.sending.facts import Row
from app.sending.gate import Gate
from app.sending.health import Trip
from app.sending.leases import LOOK_SECONDS, LeaseKeeper
from app.sending.lost import Lost
from app.sending.planning import Plan

CHECKPOINT_SECONDS: Final = 0.2
# One call may answer for hundreds of messages: they were answered at the same moment.
SAME_MOMENT_SECONDS: Final = 0.001
# Answers are kept in memory so long for a database that is away or in somebody else's hands. After
# that the lease is about to run out.
FINISH_SECONDS: Final = 25.0


@dataclass(frozen=True, slots=True)
class Taken:
    """A claimed batch, who carries it, and what was decided about it."""

    claim: Claim
    way: Way
    plan: Plan
    gate: Gate


def deliver(engine: Engine, leases: LeaseKeeper, batch_id: int) -> bool:
    """Send this batch, or in a bulk queue the one whose turn it is. True when one was sent."""
    taken = _take(engine, leases, batch_id)
    if taken is None:
        return False
    claim, plan = taken.claim, taken.plan
    answers = _Answers(engine, taken)
    with leases.keep(claim, taken.way.provider, taken.gate, answers.lost, answers.flush):
        if plan.messages:
            answers.collect()
        trip = None if claim.test else engine.health.heard(taken.way.provider, answers.results)
        return patiently(lambda: _record(engine, taken, answers, trip), FINISH_SECONDS)


def _record(engine: Engine, taken: Taken, answers: "_Answers", trip: Trip | None) -> bool:
    """The final state of every row, in one transaction; False when the batch is ours no more."""
    claim, plan = taken.claim, taken.plan
    with transaction() as session:
        now = clock.now()
        if not batches.finish(session, claim, now):
            return False
        attempts.write(session, claim, answers.unwritten(), alone=answers.sure)
        rest = answers.lost.without_shown(answers.all)
        outcomes.record(session, engine, claim, plan, rest, now)
        if plan.holds:
            caps.let_go(session, claim)
        batches.put_back(session, claim, answers.left, now)
        _report_health(session, engine, taken, answers.results, trip, now)
    return True


def _take(engine: Engine, leases: LeaseKeeper, batch_id: int) -> Taken | None:
    """Claim a batch that may go now, decide about it and mark it as leaving.

    The claim is committed first: what stops this process while it decides and renders has then
    stopped a worker that held this batch, which the sweeper counts.
    """
    claimed = _claim(engine, batch_id)
    if claimed is None:
        return None
    claim, way = claimed
    try:
        with leases.keep(claim, way.provider, Gate([])), transaction() as session:
            return _prepare(session, engine, claim, way)
    except TROUBLE:
        _give_back(claim)
        raise


def _claim(engine: Engine, batch_id: int) -> tuple[Claim, Way] | None:
    """The batch, or as much of it as may go now, for a provider that may be asked now."""
    with transaction() as session:
        each_by_itself(session)
        now = clock.now()
        found = batches.claim_or_look(session, batch_id, engine.owner, now)
    if found is None:
        return None
    asked, claim = found
    if asked.lane == "transactional" and not asked.paced and not asked.troubled:
        provider = engine.providers.route(asked.channel, asked.test)[0]
        return (claim, Way(provider, probing=False)) if claim else None
    with transaction() as session:
        return _claim_in_turn(session, engine, asked, batch_id, now)


def _claim_in_turn(
    session: Session, engine: Engine, asked: Asked, batch_id: int, now: datetime
) -> tuple[Claim, Way] | None:
    """Where it matters whose turn it is, how much may go, and whether this is a probe."""
    route = engine.providers.route(asked.channel, asked.test)
    bulk = asked.lane == "bulk"
    way = breaker.choose(session, route, asked.troubled, now, patient=bulk)
    if way is None:
        return None
    if bulk:
        batch_id = turns.next_batch(session, asked.channel, asked.test, now) or batch_id
    claim = batches.claim(session, batch_id, engine.owner, now)
    if claim is None:
        return None
    if way.probing:
        claim = batches.cut(session, claim, 1, now, nudge=True)
    within = _within_pace(session, claim, way, now) if asked.paced else claim
    return (within, way) if within else None


def _give_back(claim: Claim) -> None:
    """The database failed, not the batch. While it still fails, the lease runs out."""
    with suppress(*TROUBLE), transaction() as session:
        batches.release(session, claim)


def _within_pace(session: Session, claim: Claim, way: Way, now: datetime) -> Claim | None:
    """As much of the batch as is in time; the clock asks for the rest when that is."""
    keys = [pace.of_provider(way.provider)] if not claim.test else []
    if claim.campaign_id is not None:
        keys.append(pace.of_campaign(claim.campaign_id))
    granted = pace.take(session, keys, len(claim.ids), claim.lane, now)
    if granted:
        return batches.cut(session, claim, granted, now, nudge=False)
    batches.release(session, claim)
    return None


def _report_health(
    session: Session,
    engine: Engine,
    taken: Taken,
    results: Sequence[Result],
    trip: Trip | None,
    now: datetime,
) -> None:
    """Let the breaker of the provider's account know what came back."""
    if taken.claim.test:
        return
    provider, channels = taken.way.provider, engine.providers.channels(taken.way.provider)
    if taken.way.probing:
        breaker.heard_probe(session, provider, results, channels, now)
        breaker.change_over(session, engine, provider, taken.claim.ids, now)
    elif trip is not None:
        opened = breaker.open_(session, provider, trip, now)
        breaker.change_over(session, engine, provider, None if opened else taken.claim.ids, now)


def _prepare(session: Session, engine: Engine, claim: Claim, way: Way) -> Taken | None:
    """Decide, render, and, as the last statement, mark the batch as leaving."""
    looked = time.monotonic()
    limits = rules.current(session)
    if limits.cap is None:  # a place under the cap is looked for and held in one transaction
        each_by_itself(session)
    plan = planning.plan(session, engine, claim, limits, clock.now())
    # As old as what is read about people: a process that is stopped from here on wakes up before a
    # closed gate.
    expiries = [row.expires_at for row in plan.rows]
    gate = Gate([row.id for row in plan.rows], looked, expiries)
    if plan.messages:
        facts = copies.packed(plan.rows)
        wanted = _look_again(session, claim, gate)
        if not (wanted and batches.dispatch(session, claim, way.provider, facts, clock.now())):
            session.rollback()  # also places under the cap, which nobody else would give back
            batches.release(session, claim)
            return None
    return Taken(claim, way, plan, gate)


def _look_again(session: Session, claim: Claim, gate: Gate) -> bool:
    """What was withdrawn while a batch took long to render. False: all of it.

    Without this, hundreds of messages that each have a text of their own would always come to a
    gate that has closed meanwhile.
    """
    asked = time.monotonic()
    if asked - gate.since < LOOK_SECONDS:
        return True
    found = withdrawals.look(session, [(claim, gate.keys)])[claim.id]
    gate.checked(found.keys, asked)
    return not found.whole


class _Answers:
    """Collects what the provider says and writes it down while the batch runs."""

    def __init__(self, engine: Engine, taken: Taken) -> None:
        self._claim = taken.claim
        self._plan = taken.plan
        self._provider = engine.providers.named(taken.way.provider, taken.claim.test)
        self._health = None if taken.claim.test else engine.health  # the sandbox is no provider
        self._gate = taken.gate
        self._written = 0
        self._writing = threading.Lock()
        self._done = False
        self.sure = True  # that what counts as unwritten is not in the database
        self._last = self._looked = self._moment = time.monotonic()
        self._at = clock.now()
        self._previous: Result | None = None
        self.all: list[Answer] = []
        self.results: list[Result] = []
        self.left: list[Row] = []
        self.lost = Lost()

    def collect(self) -> None:
        """Hand the messages over and wait for every answer."""
        messages = self._plan.messages
        with self._in_air(len(messages)):
            self._provider.send(messages, self._on_result, self._gate.may_begin)
        with self._writing:
            self._done = True

    def _in_air(self, messages: int) -> AbstractContextManager[None]:
        if self._health is None:
            return nullcontext()
        return self._health.in_air(self._provider.name, messages)

    def flush(self) -> None:
        """The lease keeper's: write down what no further answer has brought to paper.

        While the last calls of a batch are silent, the answers before them would wait as long.
        """
        if time.monotonic() - self._last < CHECKPOINT_SECONDS or not self.unwritten():
            return
        if self._writing.acquire(blocking=False):
            try:
                if not self._done:
                    self._checkpoint()
            finally:
                self._writing.release()

    def unwritten(self) -> Sequence[Answer]:
        """Answers that no checkpoint has written yet."""
        return self.all[self._written :]

    def _on_result(self, index: int, result: Result) -> None:
        row = self._plan.rows[index]
        self.results.append(result)
        if not result.attempted:
            self.left.append(row)
            return
        if result is not self._previous:
            self._heard(result)
        answer = Answer(row.id, row.attempts + 1, self._provider.name, result, self._at)
        self.all.append(answer)
        if result.outcome is Outcome.AMBIGUOUS:
            self.lost.add(answer)
        if self._moment - self._last > CHECKPOINT_SECONDS and not self._is_last():
            with self._writing:
                self._checkpoint()

    def _heard(self, result: Result) -> None:
        """An answer of its own. Messages that shared a call share it, and the moment of it."""
        self._previous = result
        self._moment = time.monotonic()
        if self._moment - self._looked > SAME_MOMENT_SECONDS or not self.all:
            self._looked, self._at = self._moment, clock.now()
            if self._health is not None:
                self._health.answered(self._provider.name)

    def _is_last(self) -> bool:
        return len(self.results) == len(self._plan.messages)

    def _checkpoint(self) -> None:
        waiting = self.unwritten()
        self._last = time.monotonic()
        try:
            with transaction() as session:
                attempts.write(session, self._claim, waiting)
        except TROUBLE:  # the next one, or the end, writes them, if they are not there after all
            self.sure = False
        else:
            self._written += len(waiting)
            self._last = time.monotonic()
