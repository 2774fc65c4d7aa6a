"""Carries webhooks to Herald and tries again as the provider would."""

import heapq
import itertools
import logging
import queue
import threading
import time
from dataclasses import dataclass, replace
from typing import Final

import pycurl

CONNECTIONS: Final = 16
WAITING: Final = 20_000
CONNECT_S: Final = 5
TIMEOUT_S: Final = 15
# SendGrid goes on for 24 h at growing intervals.
GROWING: Final = (1, 2, 4, 8, 15, 30, 60, 120, 300)
PERSEVERANCE: Final = 288
_PAUSE_S: Final = 0.05
# Worth a line in the sandbox's log: what has failed so often, or took so long.
_OFTEN: Final = 3
_LONG_S: Final = 5.0

log = logging.getLogger(__name__)


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
    """One thread with a few kept-open connections."""

    def __init__(self) -> None:
        self._ready: queue.SimpleQueue[Post] = queue.SimpleQueue()
        self._later: list[tuple[float, int, Post]] = []
        self._numbers = itertools.count()
        self._under_way: dict[pycurl.Curl, Post] = {}
        self.delivered = 0
        self.failed = 0
        self.dropped = 0

    def start(self) -> None:
        """Begin to carry."""
        threading.Thread(target=self._run, daemon=True, name="poster").start()

    def send(self, post: Post) -> None:
        """Carry this as soon as a connection is free."""
        self._ready.put(post)

    def figures(self) -> dict[str, int]:
        """What became of the posts so far."""
        waiting = self._ready.qsize() + len(self._later) + len(self._under_way)
        return {
            "delivered": self.delivered,
            "failed": self.failed,
            "dropped": self.dropped,
            "waiting": waiting,
        }

    def _run(self) -> None:
        multi = pycurl.CurlMulti()
        idle = [_handle() for _ in range(CONNECTIONS)]
        while True:
            self._release()
            while idle and (post := self._next(wait=not self._under_way)) is not None:
                curl = idle.pop()
                _load(curl, post)
                self._under_way[curl] = post
                multi.add_handle(curl)
            multi.perform()
            for curl, error in _finished(multi):
                multi.remove_handle(curl)
                idle.append(curl)
                post, failure = self._under_way.pop(curl), _failure(curl, error)
                _note(post, failure, curl.getinfo(pycurl.TOTAL_TIME))
                self._judge(post, failure)
            if self._under_way:
                multi.select(_PAUSE_S)

    def _next(self, *, wait: bool) -> Post | None:
        try:
            return self._ready.get(timeout=_PAUSE_S) if wait else self._ready.get_nowait()
        except queue.Empty:
            return None

    def _release(self) -> None:
        """Put what is due for another try back in line."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            self._ready.put(heapq.heappop(self._later)[2])

    def _judge(self, post: Post, failure: str) -> None:
        if not failure:
            self.delivered += 1
            return
        self.failed += 1
        if post.tried >= post.retries or failure not in post.on or len(self._later) >= WAITING:
            self.dropped += 1
            return
        wait = GROWING[min(post.tried, len(GROWING) - 1)]
        again = replace(post, tried=post.tried + 1)
        heapq.heappush(self._later, (time.monotonic() + wait, next(self._numbers), again))


def _handle() -> pycurl.Curl:
    curl = pycurl.Curl()
    curl.setopt(pycurl.CONNECTTIMEOUT, CONNECT_S)
    curl.setopt(pycurl.TIMEOUT, TIMEOUT_S)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.PROXY, "")
    curl.setopt(pycurl.WRITEFUNCTION, len)
    return curl


def _load(curl: pycurl.Curl, post: Post) -> None:
    curl.setopt(pycurl.URL, post.url)
    curl.setopt(pycurl.HTTPHEADER, ["Expect:", *(f"{k}: {v}" for k, v in post.headers)])
    if post.method == "GET":
        curl.setopt(pycurl.HTTPGET, 1)
    else:
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.POSTFIELDS, post.body)


def _finished(multi: pycurl.CurlMulti) -> list[tuple[pycurl.Curl, int]]:
    """(handle, libcurl's error or 0) of what has ended since the last look."""
    found: list[tuple[pycurl.Curl, int]] = []
    while True:
        left, good, bad = multi.info_read()
        found.extend((curl, 0) for curl in good)
        found.extend((curl, error) for curl, error, _ in bad)
        if not left:
            return found


def _note(post: Post, failure: str, seconds: float) -> None:
    """Whoever looks into late news wants to know on which side it was late."""
    if seconds > _LONG_S or (failure and post.tried >= _OFTEN):
        how = failure or "taken"
        log.warning("%s: %s after %.1f s, try %d", post.url, how, seconds, post.tried + 1)


def _failure(curl: pycurl.Curl, error: int) -> str:
    """Empty when the post was taken, else the kind of failure."""
    if error:
        early = {pycurl.E_COULDNT_CONNECT, pycurl.E_COULDNT_RESOLVE_HOST}
        return "ct" if error in early else "rt"
    status = curl.getinfo(pycurl.RESPONSE_CODE)
    if status < 400:  # a redirect is not followed; for a person's click it is the answer
        return ""
    return "4xx" if status < 500 else "5xx"
