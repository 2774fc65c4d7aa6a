"""Dramatiq as it comes: its Redis broker and middleware with their defaults."""

from collections.abc import Callable

from dramatiq import Actor
from dramatiq.brokers.redis import RedisBroker

QUEUE = "plain"
NAMESPACE = "plain"


def broker(redis_url: str) -> RedisBroker:
    """A broker in a namespace of its own."""
    return RedisBroker(url=redis_url, namespace=NAMESPACE)  # type: ignore[no-untyped-call]


def hand_over(where: RedisBroker, work: Callable[[int], None]) -> Actor[[int], None]:
    """The one job there is: `hand_over.send(key)`."""
    return Actor(
        work, broker=where, actor_name="hand_over", queue_name=QUEUE, priority=0, options={}
    )
