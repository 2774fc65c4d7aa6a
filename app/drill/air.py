"""What is in the air when a process is killed: the only messages that may arrive twice.

A message is in the air when a provider has taken it and nobody has written down the answer. Both
sides are asked: the database for batches of the process that have no written answer, and the
sandbox's journal for what it took since the batch left. The process stands still meanwhile.
"""

import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import psycopg

from app import ids
from app.drill.house import House

# How long a kill waits for a moment at which something is in the air.
PATIENCE: Final = 8.0
# What has left the process by then has reached the sandbox.
_ARRIVAL_SECONDS: Final = 0.1
# The journal's times have milliseconds, the database's microseconds.
_ROUNDING: Final = timedelta(milliseconds=1)
_LEFT: Final = (
    "select exists (select from batch where state = 'dispatching' and owner = any(%s)"
    " and dispatched_at < now() - interval '20 milliseconds')"
)
_UNANSWERED: Final = """
  select m.id, b.dispatched_at from batch b cross join unnest(b.ids) m(id)
   where b.state = 'dispatching' and b.owner = any(%s)
     and not exists (select from attempt a where a.batch_id = b.id and a.fence = b.fence
                        and a.notification_id = m.id)
"""


@dataclass(frozen=True, slots=True)
class Air:
    """Messages in the air when processes were killed or stopped.

    `taken`: how many a provider had. `unanswered`: all that may have been on their way to one, as
    no answer was written down. Only these may come twice, and no more than were taken.
    """

    taken: int = 0
    unanswered: frozenset[str] = frozenset()

    def __add__(self, other: "Air") -> "Air":
        return Air(self.taken + other.taken, self.unanswered | other.unanswered)


NOTHING: Final = Air()


@contextmanager
def stopped_in_the_air(house: House, pids: Sequence[int]) -> Iterator[Air]:
    """Let these processes stand still at a moment at which calls of theirs are in the air.

    Answers what all of them have in the air; nothing when there was no such moment within PATIENCE.
    They go on afterwards, if they still exist.
    """
    end = time.monotonic() + PATIENCE
    while True:
        late = time.monotonic() > end
        if late or _something_left(house, pids):
            _signal(pids, signal.SIGSTOP)
            time.sleep(_ARRIVAL_SECONDS)
            air = _look(house, pids)
            if air.taken or late:
                break
            _signal(pids, signal.SIGCONT)
        time.sleep(0.01)
    try:
        yield air
    finally:
        _signal(pids, signal.SIGCONT)


def _something_left(house: House, pids: Sequence[int]) -> bool:
    try:
        with house.database() as connection:
            row = connection.execute(_LEFT, [_owners(pids)]).fetchone()
    except psycopg.OperationalError:
        return False
    return bool(row and row[0])


def _look(house: House, pids: Sequence[int]) -> Air:
    try:
        with house.database() as connection:
            rows = connection.execute(_UNANSWERED, [_owners(pids)]).fetchall()
    except psycopg.OperationalError:
        return NOTHING
    left = {ids.encode("ntf", key): at - _ROUNDING for key, at in rows}
    taken = sum(
        1
        for entry in house.journal()
        if entry["notification"] in left
        and datetime.fromisoformat(entry["at"]) >= left[entry["notification"]]
    )
    return Air(taken, frozenset(left))


def _owners(pids: Sequence[int]) -> list[str]:
    return [f"{socket.gethostname()}:{pid}" for pid in pids]


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
