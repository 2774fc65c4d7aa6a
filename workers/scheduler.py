"""`python -m workers.scheduler`: the clock. One of them leads, by an advisory lock in PostgreSQL.

Every task is one short transaction that is safe to run twice, so a change of leaders in the middle
costs nothing. A task that fails is logged and tried again at its next turn.
"""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from app import log as logs
from app.db import db
from workers import process, tasks
from workers.process import Process

LEADER_LOCK: Final = 4_857_230_001
TICK_SECONDS: Final = 0.25
log = logs.get(__name__)


@dataclass(slots=True)
class Turn:
    """A task and when it is its turn again (monotonic seconds).

    `aside`: in a thread of its own, one at a time; nothing else waits for it.
    """

    name: str
    every: float
    run: Callable[[], None]
    aside: bool = False
    due: float = 0.0
    thread: threading.Thread | None = None


class Leader:
    """Holds the lock on a connection of its own; losing the connection is losing the lead."""

    def __init__(self, running: Process) -> None:
        self._running = running
        self._connection: Connection | None = None

    def leads(self) -> bool:
        """Whether we lead now; tries to take the lead when nobody has it."""
        try:
            if self._connection is not None:
                self._connection.execute(text("select 1"))
                return True
            return self._take()
        except SQLAlchemyError:
            self._connection = None
            return False

    def _take(self) -> bool:
        with self._running.app.app_context():
            connection = db.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.scalar(text("select pg_try_advisory_lock(:key)"), {"key": LEADER_LOCK}):
            log.info("scheduler_leads")
            self._connection = connection
            return True
        connection.close()
        return False


def turns(running: Process) -> Sequence[Turn]:
    """Every periodic task of Herald, with its period in seconds."""
    return [
        Turn(task.name, task.every, partial(task.run, running), isinstance(task, tasks.Errand))
        for task in tasks.ALL
    ]


def run(running: Process, stop: threading.Event) -> None:
    """Run due tasks until told to stop."""
    leader = Leader(running)
    waiting = turns(running)
    while not stop.is_set():
        if leader.leads():
            for turn in waiting:
                _take(turn)
                if stop.is_set():
                    break
            stop.wait(TICK_SECONDS)
        else:
            stop.wait(2.0)


def _take(turn: Turn) -> None:
    now = time.monotonic()
    if now < turn.due or (turn.thread is not None and turn.thread.is_alive()):
        return
    turn.due = now + turn.every
    if turn.aside:
        turn.thread = threading.Thread(target=_run, args=(turn,), name=turn.name, daemon=True)
        turn.thread.start()
    else:
        _run(turn)


def _run(turn: Turn) -> None:
    try:
        turn.run()
    except Exception:
        log.exception("task_failed", task=turn.name)


def main() -> None:
    """Run until a signal says stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    running = process.build()
    log.info("scheduler_started")
    if process.ready(running, stop):
        run(running, stop)
    log.info("scheduler_stopped")


if __name__ == "__main__":
    main()
