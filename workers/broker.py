"""The queue as a worker sees it: it waits for messages instead of asking again and again."""

import threading
from collections.abc import Callable
from typing import Any, Final

import redis
from dramatiq import Message, MessageProxy
from dramatiq.brokers.redis import _RedisConsumer
from dramatiq.errors import ConnectionClosed

from app.jobs import BulkBroker

# A worker that is told to stop notices within this time.
WAIT_SECONDS: Final = 1.0


class WaitingConsumer(_RedisConsumer):
    """Sleeps in Redis until the queue has something, at most a second.

    Dramatiq's own consumer polls: at 50 ms, four queues were measured to cost a tenth of a core in
    Python and half as much in Redis, and a message still lay there for 25 ms. `BLMOVE` of a list's
    last element onto its own place changes nothing and returns the moment there is an element.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)  # type: ignore[no-untyped-call]
        self._room = threading.Event()

    def __next__(self) -> MessageProxy | None:
        try:
            if not self.message_cache:
                self._fill()
        except redis.ConnectionError as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        if not self.message_cache:
            return None
        message: Message[Any] = Message.decode(self.message_cache.pop(0))
        self.queued_message_ids.add(message.message_id)
        return MessageProxy(message)

    def ack(self, message: MessageProxy) -> None:
        """See Consumer.ack."""
        self._leave(super().ack, message)

    def nack(self, message: MessageProxy) -> None:
        """See Consumer.nack."""
        self._leave(super().nack, message)

    def _leave(self, say: Callable[[Any], None], message: MessageProxy) -> None:
        try:
            say(message)
        finally:
            self._room.set()

    def _fill(self) -> None:
        self._room.clear()
        room = self.prefetch - self.outstanding_message_count
        if room <= 0:
            self._room.wait(WAIT_SECONDS)
            return
        fetched = self.broker.do_fetch(self.queue_name, room)
        self.message_cache = [data for data in fetched if data is not None]
        if not fetched:
            queue = f"{self.broker.namespace}:{self.queue_name}"
            self.broker.client.blmove(queue, queue, int(WAIT_SECONDS), "RIGHT", "RIGHT")


class WorkerBroker(BulkBroker):
    """The broker of a worker process. It knows no delayed messages: *when* is a column."""

    @property
    def consumer_class(self) -> type[WaitingConsumer]:
        """What `consume` makes."""
        return WaitingConsumer

    def declare_queue(self, queue_name: str) -> None:
        """Without the queue for delayed messages that Dramatiq adds to each, and would poll."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)
