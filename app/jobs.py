"""Queue messages: which job runs on which queue, and how one is asked for.

A message carries an id and nothing else. It is sent after the commit and on a best effort: the
rows are the truth, and the sweeper asks again for whatever the queue forgot. Only this module and
`workers/` know the queue library.
"""

import contextlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import uuid4

import dramatiq
import redis
import structlog
from dramatiq.brokers.redis import RedisBroker
from flask import Flask, current_app
from sqlalchemy.orm import Session

from app.db import after_commit

CHANNELS: Final = ("email", "sms", "ios", "android")
LANES: Final = ("transactional", "bulk")
BACKGROUND: Final = "background"  # fan-out, imports, receipts: never in the way of a send
QUEUES: Final = (*(f"{channel}.{lane}" for channel in CHANNELS for lane in LANES), BACKGROUND)

_EXTENSION: Final = "herald_queue"
_CHUNK: Final = 500
_MARK_MS: Final = 5_000  # should the job be lost, the next one is asked for after this time
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One message to be: actor name, queue and arguments (ids)."""

    actor: str
    queue: str
    args: tuple[Any, ...]


class BulkBroker(RedisBroker):
    """Dramatiq's Redis broker with a pipelined enqueue of many messages.

    One EVALSHA per message as the broker itself does, but in one round trip per 500: measured at
    a third of the cost of `send()`.
    """

    def enqueue_many(self, messages: Sequence[dramatiq.Message[Any]]) -> None:
        """Enqueue messages for now; raises redis errors."""
        ready = [
            self._arguments(message.copy(options={"redis_message_id": str(uuid4())}))
            for message in messages
        ]
        for start in range(0, len(ready), _CHUNK):
            chunk = ready[start : start + _CHUNK]
            try:
                self._run(chunk)
            except redis.exceptions.NoScriptError:  # the server has been restarted
                self.client.script_load(self.scripts["dispatch"].script)
                self._run(chunk)  # again: a message with the same id replaces itself

    def _run(self, calls: Sequence[Sequence[Any]]) -> None:
        """The broker's script, by its digest: to ask first whether the server knows it would be a
        round trip more than the call itself.
        """
        digest = self.scripts["dispatch"].sha
        if len(calls) == 1:
            self.client.evalsha(digest, 1, self.namespace, *calls[0])
            return
        pipeline = self.client.pipeline(transaction=False)
        for call in calls:
            pipeline.evalsha(digest, 1, self.namespace, *call)
        pipeline.execute()

    def _arguments(self, message: dramatiq.Message[Any]) -> list[Any]:
        return [
            "enqueue",
            int(time.time() * 1000),
            message.queue_name,
            self.broker_id,
            self.heartbeat_timeout,
            self.dead_message_ttl,
            0,
            self._max_unpack_size(),  # type: ignore[no-untyped-call]
            message.options["redis_message_id"],
            message.encode(),
        ]


def connect(
    redis_url: str, namespace: str = "herald", kind: type[BulkBroker] = BulkBroker
) -> BulkBroker:
    """A broker that forgets a dead worker within 30 s and never blocks a request for long."""
    pool = redis.ConnectionPool.from_url(redis_url, socket_connect_timeout=1, socket_timeout=10)
    broker = kind(
        client=redis.Redis(connection_pool=pool),
        namespace=f"{namespace}:queue",
        middleware=[],
        heartbeat_timeout=15_000,
        maintenance_chance=300_000,
    )
    for queue in QUEUES:
        broker.declare_queue(queue)
    return broker


def init_app(app: Flask, redis_url: str, namespace: str = "herald") -> None:
    """Give the app a broker of its own."""
    app.extensions[_EXTENSION] = connect(redis_url, namespace)


def broker() -> BulkBroker:
    """The current app's broker."""
    found: BulkBroker = current_app.extensions[_EXTENSION]
    return found


def deliver(batch_id: int, channel: str, lane: str) -> Job:
    """The job that sends one batch."""
    return Job(f"deliver_{channel}", f"{channel}.{lane}", (batch_id,))


def later(session: Session, actor: str, *args: Any) -> None:
    """Run a background job once this transaction has committed."""
    enqueue_after_commit(session, [Job(actor, BACKGROUND, args)])


def later_once(session: Session, actor: str) -> None:
    """Run a background job once this transaction has committed, unless one waits to begin.

    For jobs that do whatever there is to do: the one that waits will see this transaction's work.
    The job says `begun` before it looks.
    """
    after_commit(session, partial(ask_once, actor))


def begun(actor: str) -> None:
    """From now on somebody who has work for this job must ask again."""
    found = broker()
    with contextlib.suppress(redis.RedisError):  # then the mark ends by itself
        found.client.delete(_mark(found, actor))


def enqueue_after_commit(session: Session, jobs: Iterable[Job]) -> None:
    """Send these jobs once this transaction has committed."""
    waiting = list(jobs)
    if waiting:
        after_commit(session, partial(_enqueue_quietly, waiting))


def enqueue(jobs: Sequence[Job]) -> bool:
    """Send jobs now. False when the queue cannot be reached: the sweeper will ask again."""
    messages: list[dramatiq.Message[Any]] = [
        dramatiq.Message(
            queue_name=job.queue, actor_name=job.actor, args=job.args, kwargs={}, options={}
        )
        for job in jobs
    ]
    try:
        broker().enqueue_many(messages)
    except redis.RedisError as error:
        log.warning("queue_unreachable", jobs=len(jobs), error=type(error).__name__)
        return False
    return True


def ask_once(actor: str) -> None:
    """As `later_once`, for callers whose transaction has committed already."""
    found = broker()
    try:
        asked = not found.client.set(_mark(found, actor), 1, nx=True, px=_MARK_MS)
    except redis.RedisError as error:
        log.warning("queue_unreachable", jobs=1, error=type(error).__name__)
        return
    if not asked:
        enqueue([Job(actor, BACKGROUND, ())])


def _mark(found: BulkBroker, actor: str) -> str:
    return f"{found.namespace}:asked:{actor}"


def _enqueue_quietly(jobs: Sequence[Job]) -> None:
    enqueue(jobs)


def waiting(queue: str) -> int | None:
    """Messages in a queue that no worker has taken; None when the queue cannot be reached."""
    found = broker()
    try:
        return int(found.client.llen(f"{found.namespace}:{queue}"))  # type: ignore[arg-type]
    except redis.RedisError:
        return None
