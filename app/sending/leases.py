"""Looks after the batches that are being sent in this process.

One thread for all of them: it renews their leases, tells their gates what was withdrawn meanwhile,
writes down what was answered when nothing more comes, shows which answers were lost, and notices
providers that have fallen silent. A process that is
stopped (SIGSTOP, a long pause) does none of it, so its batches go to someone else, its fencing
numbers are worth nothing any more, and its gates are closed when it wakes up.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.db import transaction
from app.sending import batches, breaker, lost, withdrawals
from app.sending.batches import Claim
from app.sending.engine import Engine
from app.sending.gate import Gate
from app.sending.health import Trip
from app.sending.lost import Lost

RENEW_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 0.25
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """A batch in hand, the gate of its messages, those whose answer was lost, and what writes down
    the other answers.
    """

    claim: Claim
    provider: str
    gate: Gate
    lost: Lost
    flush: Callable[[], None]


class LeaseKeeper:
    """Renews every held lease each 5 s and looks after their gates each second."""

    def __init__(self, app: Flask, engine: Engine) -> None:
        self._app = app
        self._engine = engine
        self._held: dict[int, Held] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopping = False

    @contextmanager
    def keep(
        self,
        claim: Claim,
        provider: str,
        gate: Gate,
        lost: Lost | None = None,
        flush: Callable[[], None] = lambda: None,
    ) -> Iterator[None]:
        """Keep this claim's lease, and its gate up to date, while the block runs."""
        with self._lock:
            self._held[claim.id] = Held(claim, provider, gate, lost or Lost(), flush)
            self._start()
        if self._stopping:
            gate.stop()
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(claim.id, None)

    def stop_beginning(self) -> None:
        """The process is to end: what has not begun goes back to the others."""
        self._stopping = True
        for held in self._all():
            held.gate.stop()

    def _all(self) -> Sequence[Held]:
        with self._lock:
            return list(self._held.values())

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        look_at = time.monotonic() + LOOK_SECONDS
        renew_at = time.monotonic() + RENEW_SECONDS
        while not self._wake.wait(FLUSH_SECONDS):
            held = self._all()
            if not held:
                continue
            looks, renews = time.monotonic() >= look_at, time.monotonic() >= renew_at
            if looks:
                look_at = time.monotonic() + LOOK_SECONDS
            if renews:
                renew_at = time.monotonic() + RENEW_SECONDS
            try:
                if looks or renews:
                    self._look_after(held, renews=renews)
                    self._show_lost(held)
                self._flush(held)
            except SQLAlchemyError as error:
                # The database is away: leases run out and gates close, which is what they are for.
                log.warning("leases_not_renewed", error=type(error).__name__, batches=len(held))

    def _look_after(self, held: Sequence[Held], *, renews: bool) -> None:
        silent = self._engine.health.silent()
        going = [one for one in held if time.monotonic() - one.gate.since > LOOK_SECONDS]
        if not (silent or going or renews):
            return
        with self._app.app_context(), transaction() as session:
            now = clock.now()
            if renews:
                batches.renew(session, [one.claim for one in held], now)
            if going:
                asked = time.monotonic()
                found = withdrawals.look(session, [(one.claim, one.gate.keys) for one in going])
            for provider, trip in silent.items():
                if breaker.open_(session, provider, trip, now):
                    breaker.change_over(session, self._engine, provider, None, now)
        if going:
            _tell(going, found, asked)
        _stop_silent(held, silent)

    def _flush(self, held: Sequence[Held]) -> None:
        with self._app.app_context():
            for one in held:
                one.flush()

    def _show_lost(self, held: Sequence[Held]) -> None:
        for one in held:
            if waiting := one.lost.waiting():
                with self._app.app_context(), transaction() as session:
                    lost.show(session, one.claim, waiting, clock.now())
                one.lost.shown(waiting)


def _tell(going: Sequence[Held], found: Mapping[int, withdrawals.Withdrawn], asked: float) -> None:
    for one in going:
        withdrawn = found[one.claim.id]
        if withdrawn.whole:
            one.gate.stop()
        else:
            one.gate.checked(withdrawn.keys, asked)


def _stop_silent(held: Sequence[Held], silent: Mapping[str, Trip]) -> None:
    for one in held:
        if one.provider in silent and not one.claim.test:
            one.gate.stop()
