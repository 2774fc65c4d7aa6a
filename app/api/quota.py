"""How often a key may call: a count per key and minute in Redis, which fails open.

A process takes some calls at a time, so that most requests need no round trip. The figures in the
`RateLimit` header are therefore right to within a few dozen calls.
"""

import threading
import time
from dataclasses import dataclass
from typing import Final

from flask import Response, g
from limits.storage import Storage

from app import log as logs
from app.api.problems import Refused

WINDOW_SECONDS: Final = 60
_PAUSE_SECONDS: Final = 3.0
_LARGEST_LEASE: Final = 50
log = logs.get(__name__)


@dataclass(slots=True)
class _Lease:
    """What this process may still use up in one window before it asks again."""

    window: int
    left: int = 0
    used_by_all: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key stands: calls per window, calls left, seconds until the next window."""

    limit: int
    remaining: int
    reset: int


class Quota:
    """Counts calls by key."""

    def __init__(self, storage: Storage, prefix: str, limit: int) -> None:
        self._storage = storage
        self._prefix = prefix
        self._limit = limit
        self._step = max(1, min(_LARGEST_LEASE, limit // 1000))
        self._leases: dict[int, _Lease] = {}
        self._quiet_until = 0.0
        self._lock = threading.Lock()

    def take(self, key_id: int) -> Standing:
        """Count one call. Raises Refused with 429 and Retry-After above the limit."""
        moment = time.time()
        window = int(moment // WINDOW_SECONDS)
        reset = max(1, int((window + 1) * WINDOW_SECONDS - moment))
        with self._lock:
            lease = self._leases.get(key_id)
            if lease is None or lease.window != window:
                lease = self._leases[key_id] = _Lease(window)
            is_free = lease.left > 0 or self._renew(key_id, lease)
            if is_free:
                lease.left -= 1
            remaining = max(0, self._limit - lease.used_by_all + max(0, lease.left))
        standing = Standing(self._limit, remaining if is_free else 0, reset)
        if not is_free:
            g.quota = standing
            message = f"This key may call {self._limit:,} times a minute. Wait {reset} s."
            raise Refused(429, message, headers={"Retry-After": str(reset)})
        return standing

    def _renew(self, key_id: int, lease: _Lease) -> bool:
        """Take some more calls; False when the window is used up. Without Redis: always more."""
        used = self._count(key_id, lease.window)
        if used is None:
            lease.left = self._step
            return True
        lease.used_by_all = used
        lease.left = min(self._step, self._limit - (used - self._step))
        return lease.left > 0

    def _count(self, key_id: int, window: int) -> int | None:
        if time.monotonic() < self._quiet_until:
            return None
        name = f"{self._prefix}:api:{key_id}:{window}"
        try:
            return int(self._storage.incr(name, 2 * WINDOW_SECONDS, amount=self._step))
        except Exception as error:  # whatever the client of the storage raises
            self._quiet_until = time.monotonic() + _PAUSE_SECONDS
            log.warning("quota_not_counted", error=type(error).__name__)
            return None


def add_headers(response: Response) -> Response:
    """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""
    standing: Standing | None = g.get("quota")
    if standing is not None:
        policy = f'"minute";q={standing.limit};w={WINDOW_SECONDS}'
        response.headers["RateLimit-Policy"] = policy
        response.headers["RateLimit"] = f'"minute";r={standing.remaining};t={standing.reset}'
    return response
