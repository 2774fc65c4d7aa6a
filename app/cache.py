"""Look-ups of the hot path in Redis or Valkey: people, topics, templates.

A read-through cache that may lose everything at any time and is never waited for: short time-outs,
and after a failure Redis is left alone for a few seconds while callers ask the database.

Writers invalidate after their commit by leaving a short-lived tombstone. It keeps a reader that
saw the row before the commit from storing its old copy afterwards: filling never overwrites.
Should the invalidation itself be lost, an entry lives `LIFETIME` seconds at most; whether a message
may be sent is never decided from here but from the database, at the last moment.

What every message asks for may also be kept near, in this process: other processes then see a
change up to `NEAR_SECONDS` later, and something new at once.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson
import redis
from flask import Flask, current_app, has_app_context
from prometheus_client import Counter
from sqlalchemy.orm import Session

from app.db import after_commit

LIFETIME: Final = 120
TOMBSTONE_SECONDS: Final = 10
PAUSE_SECONDS: Final = 3.0
NEAR_SECONDS: Final = 1.0
_MOST_NEAR: Final = 1000
_TOMBSTONE: Final = b""
_NEVER: Final = (0.0, None)
_EXTENSION: Final = "herald_cache"

_REQUESTS: Final = Counter(
    "herald_cache_requests_total",
    "Look-ups in the cache by kind and result (hit, miss, away)",
    ["kind", "result"],
)


class Cache:
    """JSON values by kind and key; without Redis every look-up is a miss."""

    def __init__(self, client: "redis.Redis | None", namespace: str = "herald") -> None:
        self._client = client
        self._namespace = namespace
        self._quiet_until = 0.0
        self._near: dict[tuple[str, str], tuple[float, Any]] = {}

    @classmethod
    def connect(cls, url: str, namespace: str = "herald") -> "Cache":
        """A cache with time-outs fit for the hot path; `url` empty means none."""
        if not url:
            return cls(None, namespace)
        client = redis.Redis.from_url(url, socket_timeout=0.25, socket_connect_timeout=0.25)
        return cls(client, namespace)

    def get_many(self, kind: str, keys: Iterable[str]) -> dict[str, Any]:
        """The values that are there, by key."""
        wanted = list(dict.fromkeys(keys))
        names = [self._name(kind, key) for key in wanted]
        answer = self._ask(lambda client: client.mget(names)) if names else []
        if answer is None:
            _REQUESTS.labels(kind, "away").inc(len(wanted))
            return {}
        found = {key: orjson.loads(raw) for key, raw in zip(wanted, answer, strict=True) if raw}
        _REQUESTS.labels(kind, "hit").inc(len(found))
        _REQUESTS.labels(kind, "miss").inc(len(wanted) - len(found))
        return found

    def get_near(self, kind: str, keys: Iterable[str]) -> dict[str, Any]:
        """The same, where a value that is a second old will do."""
        now, near = time.monotonic(), {}
        lacking = []
        for key in keys:
            until, value = self._near.get((kind, key), _NEVER)
            if until > now:
                near[key] = value
            else:
                lacking.append(key)
        if not lacking:
            return near
        found = self.get_many(kind, lacking)
        self._keep_near(kind, found)
        return near | found

    def set_near(self, kind: str, values: Mapping[str, Any]) -> None:
        """Keep what was just read from the database, also in this process.

        For some seconds after a change nothing is kept in Redis: without this every single message
        would ask the database meanwhile.
        """
        self._keep_near(kind, values)
        self.set_many(kind, values)

    def _keep_near(self, kind: str, values: Mapping[str, Any]) -> None:
        if len(self._near) > _MOST_NEAR:
            self._near.clear()
        until = time.monotonic() + NEAR_SECONDS
        for key, value in values.items():
            self._near[kind, key] = (until, value)

    def forget_near(self) -> None:
        """Keep nothing in this process."""
        self._near.clear()

    def set_many(self, kind: str, values: Mapping[str, Any], seconds: int = LIFETIME) -> None:
        """Keep what was just read from the database, unless someone changed it meanwhile."""
        if not values:
            return
        encoded = {self._name(kind, key): orjson.dumps(value) for key, value in values.items()}

        def fill(client: "redis.Redis") -> Any:
            pipe = client.pipeline(transaction=False)
            for name, raw in encoded.items():
                pipe.set(name, raw, ex=seconds, nx=True)
            return pipe.execute()

        self._ask(fill)

    def invalidate(self, kind: str, keys: Iterable[str]) -> None:
        """Forget these at once, and keep slow readers from bringing them back."""
        unique = list(dict.fromkeys(keys))
        names = [self._name(kind, key) for key in unique]
        if not names:
            return

        def bury(client: "redis.Redis") -> Any:
            pipe = client.pipeline(transaction=False)
            for name in names:
                pipe.set(name, _TOMBSTONE, ex=TOMBSTONE_SECONDS)
            return pipe.execute()

        self._ask(bury)
        for key in unique:
            self._near.pop((kind, key), None)

    def tally(self, kind: str, key: str, amount: int, now: datetime, minutes: int) -> int | None:
        """Count `amount` more of something that happens; answers how many there were within the
        last `minutes` minutes, these included. None: nobody counts, Redis is away.
        """
        minute = int(now.timestamp()) // 60
        names = [self._name(kind, f"{key}:{minute - past}") for past in range(minutes)]

        def count(client: "redis.Redis") -> Any:
            pipe = client.pipeline(transaction=False)
            pipe.incrby(names[0], amount)
            pipe.expire(names[0], (minutes + 1) * 60)
            pipe.mget(names)
            return pipe.execute()

        answer = self._ask(count)
        return None if answer is None else sum(int(found) for found in answer[2] if found)

    def _name(self, kind: str, key: str) -> str:
        return f"{self._namespace}:cache:{kind}:{key}"

    def _ask(self, question: "Callable[[redis.Redis], Any]") -> Any:
        if self._client is None or time.monotonic() < self._quiet_until:
            return None
        try:
            return question(self._client)
        except redis.RedisError:
            self._quiet_until = time.monotonic() + PAUSE_SECONDS
            return None


def init_app(app: Flask, redis_url: str, namespace: str = "herald") -> None:
    """Give the app a cache of its own."""
    app.extensions[_EXTENSION] = Cache.connect(redis_url, namespace)


def shared() -> Cache:
    """The current app's cache; one without Redis where the app has none."""
    if not has_app_context():
        return _NONE
    found: Cache = current_app.extensions.get(_EXTENSION, _NONE)
    return found


def invalidate_after_commit(session: Session, kind: str, keys: Iterable[str | None]) -> None:
    """Forget these once the change is visible to others."""
    names = [key for key in keys if key]
    if names:
        after_commit(session, lambda: shared().invalidate(kind, names))


_NONE: Final = Cache(None)
