"""Every periodic job of Herald, in one list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, jobs
from app.alerts import tell
from app.audience import devices, imports
from app.campaigns import clockwork
from app.db import transaction
from app.sending import (
    books,
    breaker,
    domains,
    installation,
    ledger,
    limits,
    lost_texts,
    mass_removal,
    partitions,
    retention,
    statistics,
    sweep,
    turns,
    watch,
)
from app.sending.engine import Engine
from app.settings import Settings
from app.tracking import fold, receipts, reconcile
from app.tracking.models import Receipt
from workers.process import Process


@dataclass(frozen=True, slots=True)
class Task:
    """`work(session, now)` runs every `every` seconds, in a transaction of its own.

    What `sends` is left out while the installation is held.
    """

    name: str
    every: float
    work: Callable[[Session, datetime], Any]
    sends: bool = False

    def run(self, running: Process) -> None:
        """One turn."""
        with running.app.app_context(), transaction() as session:
            if not (self.sends and installation.hold(session)):
                self.work(session, clock.now())


@dataclass(frozen=True, slots=True)
class SendingTask:
    """A task that knows the providers: `work(session, engine, now)`."""

    name: str
    every: float
    work: Callable[[Session, Engine, datetime], Any]
    sends: bool = False

    def run(self, running: Process) -> None:
        """One turn."""
        with running.app.app_context(), transaction() as session:
            if not (self.sends and installation.hold(session)):
                self.work(session, running.engine, clock.now())


@dataclass(frozen=True, slots=True)
class Errand:
    """A task that takes its time and therefore opens its transactions itself.

    It runs beside the others, so that what is due is never kept waiting by it.
    """

    name: str
    every: float
    work: Callable[[Settings], Any]

    def run(self, running: Process) -> None:
        """One turn."""
        with running.app.app_context():
            self.work(running.app.config["HERALD"])


@dataclass(frozen=True, slots=True)
class SendingErrand(Errand):
    """An errand that asks the providers: `ask(engine)`."""

    work: Callable[[Settings], Any] = lambda _: None
    ask: Callable[[Engine], Any] = lambda _: None

    def run(self, running: Process) -> None:
        """One turn."""
        with running.app.app_context():
            self.ask(running.engine)


def _ask_for_receipts(session: Session, now: datetime) -> None:
    """Receipts whose job was lost, or that wait for their message."""
    due = select(Receipt.id).where(Receipt.applied_at.is_(None), Receipt.due_at <= now).limit(1)
    if jobs.waiting(jobs.BACKGROUND) == 0 and session.scalar(due) is not None:
        jobs.later(session, "apply_receipts")


def _go_on_discarding(session: Session, _now: datetime) -> None:
    """Whose job was lost, or had to wait for batches of dead workers."""
    held = installation.hold(session)
    if held is not None and held.discarding_at is not None:
        jobs.later_once(session, "discard_waiting")


def _fold_counters(session: Session, _now: datetime) -> None:
    ledger.fold(session)
    fold.fold(session)


def _make_partitions(session: Session, now: datetime) -> None:
    partitions.ensure(session, now, now + AHEAD)
    partitions.forget_emptiness(session)


def _count_tables(session: Session, _now: datetime) -> None:
    statistics.refresh(session)


def _check_books(_settings: Settings) -> None:
    books.check()


AHEAD: Final = timedelta(days=95)
ALL: Final[Sequence[Task | SendingTask | Errand]] = (
    Errand("raise the counter of this place", installation.BEAT_SECONDS, installation.beat),
    Task("release due messages", 1, sweep.release_due, sends=True),
    Task("start due campaigns", 1, clockwork.start_due, sends=True),
    Task("close finished campaigns", 1, clockwork.close_finished),
    Task("push stuck campaigns on", 5, clockwork.push_on, sends=True),
    SendingTask("nudge forgotten batches", 2, sweep.nudge_forgotten, sends=True),
    SendingTask("let probes go", 1, breaker.nudge_probes, sends=True),
    SendingTask("bring stragglers over", 5, breaker.bring_stragglers),
    SendingTask("keep the pace", 0.25, turns.nudge_paced, sends=True),
    SendingTask("reap dead workers' batches", 2, sweep.reap),
    SendingErrand("ask about lost texts", 15, ask=lost_texts.look),
    SendingTask("settle unknown outcomes", 5, sweep.settle_unknown),
    SendingErrand("look up silent texts", 60, ask=reconcile.look),
    Task("apply forgotten receipts", 2, _ask_for_receipts),
    Task("go on discarding what waits", 10, _go_on_discarding),
    Task("fold counters", 2, _fold_counters),
    SendingTask("watch providers", 5, watch.providers),
    Task("lift quiet guards", 30, mass_removal.lift_quiet),
    Task("lift quiet domains", 60, domains.lift_quiet),
    Errand("tell operators", 5, tell.untold),
    Task("look for what waits too long", 15, limits.check),
    Errand("check the books", 15, _check_books),
    Task("make partitions", 3600, _make_partitions),
    Task("count grown tables", 5, _count_tables),
    Task("forget old answers", 3600, retention.forget_answers),
    Task("forget old receipts", 60, receipts.forget),
    Task("prune stale devices", 3600, devices.prune),
    Task("go on with stalled imports", 30, imports.resume_stalled),
)
