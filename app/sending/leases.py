"""Keeps the leases of batches that are being sent in this process.

One thread for all of them. A process that is stopped (SIGSTOP, a long pause) renews nothing, so
its batches go to someone else and its fencing numbers are worth nothing any more.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.db import transaction
from app.sending import batches
from app.sending.batches import Claim

EVERY_SECONDS: Final = 5.0
log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Renews every held lease each 5 s, in one statement."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._held: dict[int, Claim] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def keep(self, claim: Claim) -> Iterator[None]:
        """Keep this claim's lease while the block runs."""
        with self._lock:
            self._held[claim.id] = claim
            self._start()
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(claim.id, None)

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._wake.wait(EVERY_SECONDS):
            with self._lock:
                held = list(self._held.values())
            if held:
                self._renew(held)

    def _renew(self, held: list[Claim]) -> None:
        try:
            with self._app.app_context(), transaction() as session:
                batches.renew(session, held, clock.now())
        except SQLAlchemyError as error:
            # The database is away: the lease runs out by itself, which is what a lease is for.
            log.warning("leases_not_renewed", error=type(error).__name__, batches=len(held))
