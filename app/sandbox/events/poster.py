"""Carries webhooks to Herald and tries again as the provider would."""

import heapq
import itertools
import queue
import threading
import time
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

CARRIERS: Final = 4
WAITING: Final = 20_000
TIMEOUT_S: Final = 15
# SendGrid goes on for 24 h at growing intervals.
GROWING: Final = (1, 2, 4, 8, 15, 30, 60, 120, 300)
PERSEVERANCE: Final = 288


@dataclass(frozen=True, slots=True)
class Post:
    """One request to carry. `retries` is how many more times, `on` after which kinds of failure.

    Kinds are Twilio's words: `4xx`, `5xx`, `ct` (no connection), `rt` (no answer in time).
    """

    url: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    method: str = "POST"
    retries: int = 0
    on: frozenset[str] = frozenset({"4xx", "5xx", "ct", "rt"})
    tried: int = 0


class Poster:
    """A few threads with kept-open connections."""

    def __init__(self) -> None:
        self._ready: queue.SimpleQueue[Post] = queue.SimpleQueue()
        self._later: list[tuple[float, int, Post]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self.delivered = 0
        self.failed = 0
        self.dropped = 0

    def start(self) -> None:
        """Begin to carry."""
        for _ in range(CARRIERS):
            threading.Thread(target=self._carry, daemon=True).start()

    def send(self, post: Post) -> None:
        """Carry this as soon as a thread is free."""
        self._ready.put(post)

    def release(self) -> None:
        """Put what is due for another try back in line."""
        now = time.monotonic()
        with self._lock:
            while self._later and self._later[0][0] <= now:
                self._ready.put(heapq.heappop(self._later)[2])

    def figures(self) -> dict[str, int]:
        """What became of the posts so far."""
        return {
            "delivered": self.delivered,
            "failed": self.failed,
            "dropped": self.dropped,
            "waiting": self._ready.qsize() + len(self._later),
        }

    def _carry(self) -> None:
        connections: dict[str, HTTPConnection] = {}
        while True:
            post = self._ready.get()
            failure = _try(post, connections)
            if not failure:
                self.delivered += 1
                continue
            self.failed += 1
            if post.tried < post.retries and failure in post.on:
                self._again(post)
            else:
                self.dropped += 1

    def _again(self, post: Post) -> None:
        wait = GROWING[min(post.tried, len(GROWING) - 1)]
        later = replace(post, tried=post.tried + 1)
        with self._lock:
            if len(self._later) >= WAITING:
                self.dropped += 1
                return
            heapq.heappush(self._later, (time.monotonic() + wait, next(self._numbers), later))


def _try(post: Post, connections: dict[str, HTTPConnection]) -> str:
    """Empty when the post was taken, else the kind of failure."""
    parts = urlsplit(post.url)
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    for _ in range(2):
        kept = connections.pop(parts.netloc, None)
        connection = kept or HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        try:
            if connection.sock is None:
                connection.connect()
        except OSError:
            return "ct"
        try:
            connection.request(post.method, target, post.body, dict(post.headers))
            response = connection.getresponse()
            response.read()
        except (OSError, HTTPException):
            connection.close()
            if kept is None:
                break
            continue  # a kept connection that the other side had closed
        connections[parts.netloc] = connection
        if response.status < 300 or (post.method == "GET" and response.status < 400):
            return ""
        return "4xx" if response.status < 500 else "5xx"
    return "rt"
