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


@contextmanager
def stopped_in_the_air(house: House, pids: Sequence[int]) -> Iterator[int]:
    """Let these processes stand still at a moment at which calls of theirs are in the air.

    Answers how many messages of all of them are in the air; 0 when there was no such moment within
    PATIENCE. They go on afterwards, if they still exist.
    """
    end = time.monotonic() + PATIENCE
    while True:
        late = time.monotonic() > end
        if late or _something_left(house, pids):
            _signal(pids, signal.SIGSTOP)
            time.sleep(_ARRIVAL_SECONDS)
            count = _count(house, pids)
            if count or late:
                break
            _signal(pids, signal.SIGCONT)
        time.sleep(0.01)
    try:
        yield count
    finally:
        _signal(pids, signal.SIGCONT)


def _something_left(house: House, pids: Sequence[int]) -> bool:
    try:
        with house.database() as connection:
            row = connection.execute(_LEFT, [_owners(pids)]).fetchone()
    except psycopg.OperationalError:
        return False
    return bool(row and row[0])


def _count(house: House, pids: Sequence[int]) -> int:
    try:
        with house.database() as connection:
            rows = connection.execute(_UNANSWERED, [_owners(pids)]).fetchall()
    except psycopg.OperationalError:
        return 0
    left = {ids.encode("ntf", key): at - _ROUNDING for key, at in rows}
    return sum(
        1
        for entry in house.journal()
        if entry["notification"] in left
        and datetime.fromisoformat(entry["at"]) >= left[entry["notification"]]
    )


def _owners(pids: Sequence[int]) -> list[str]:
    return [f"{socket.gethostname()}:{pid}" for pid in pids]


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
