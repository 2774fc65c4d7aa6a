"""The queue wakes a worker up; nothing is polled, and nobody takes more than was agreed."""

import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import dramatiq
import pytest
import redis
from dramatiq import Worker

from app import jobs
from tests.support.processes import eventually
from workers.broker import WorkerBroker

QUEUE = "email.bulk"


@pytest.fixture
def namespace() -> str:
    """Queues of our own."""
    return f"test-{uuid4().hex}"


@pytest.fixture
def broker(redis_url: str, namespace: str) -> jobs.BulkBroker:
    """A worker's broker on the real server."""
    return jobs.connect(redis_url, namespace, WorkerBroker)


@pytest.fixture
def running(broker: jobs.BulkBroker) -> Iterator[dict[str, Any]]:
    """A worker with eight threads that takes two messages at a time, and what it has done."""
    state: dict[str, Any] = {"done": [], "now": 0, "most": 0, "hold": threading.Event()}
    state["hold"].set()
    lock = threading.Lock()

    @dramatiq.actor(broker=broker, queue_name=QUEUE)
    def work(number: int) -> None:
        with lock:
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
        state["hold"].wait(10)
        with lock:
            state["now"] -= 1
            state["done"].append((number, time.monotonic()))

    worker = Worker(broker, queues={QUEUE}, worker_timeout=1000, worker_threads=8)
    worker.queue_prefetch = 2
    worker.start()
    yield state
    began = time.monotonic()
    state["hold"].set()
    worker.stop(timeout=5_000)
    assert time.monotonic() - began < 5, "it did not notice that it was told to stop"


def send(redis_url: str, namespace: str, numbers: list[int]) -> None:
    """Enqueue as the web process does."""
    sender = jobs.connect(redis_url, namespace)
    messages: list[dramatiq.Message[Any]] = [
        dramatiq.Message(queue_name=QUEUE, actor_name="work", args=(n,), kwargs={}, options={})
        for n in numbers
    ]
    sender.enqueue_many(messages)


def test_an_idle_worker_takes_a_message_at_once(
    running: dict[str, Any], redis_url: str, namespace: str
) -> None:
    time.sleep(1.5)  # it waits by now, in its second wait
    sent = time.monotonic()
    send(redis_url, namespace, [1])
    assert eventually(lambda: running["done"], 5)
    assert running["done"][0][1] - sent < 0.5


def test_everything_is_done_once_and_no_more_than_agreed_at_a_time(
    running: dict[str, Any], redis_url: str, namespace: str
) -> None:
    running["hold"].clear()
    send(redis_url, namespace, list(range(50)))
    assert eventually(lambda: running["now"] == 2, 5)
    running["hold"].set()
    assert eventually(lambda: len(running["done"]) == 50, 10)
    assert sorted(number for number, _ in running["done"]) == list(range(50))
    assert running["most"] == 2


def test_waiting_leaves_the_queue_as_it_was(
    broker: jobs.BulkBroker, redis_url: str, namespace: str
) -> None:
    consumer = broker.consume(QUEUE, prefetch=1)
    timer = threading.Timer(0.3, send, (redis_url, namespace, [1, 2, 3]))
    timer.start()
    assert next(consumer) is None
    timer.join()
    assert [next(consumer).args[0]] == [1]
    waiting = redis.Redis.from_url(redis_url).llen(f"{broker.namespace}:{QUEUE}")
    assert waiting == 2
