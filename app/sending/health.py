"""How a provider has been answering this process: enough to say that it is down.

Kept in memory and per process: every process sees its own calls, and the first that is sure opens
the breaker for all of them.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Final

from app.channels.base import Outcome, Result

WINDOW_SECONDS: Final = 10.0
# So many failed calls within the window, and hardly a success beside them: it is down.
FAILURES: Final = 5
LARGEST_SHARE: Final = 0.1
# Or as many, for so long, without a single success between them: however well it did before.
STREAK_SECONDS: Final = 2.0
# Calls are in the air and nothing at all has come back for so long: it is down, too. Less than
# the calls' own deadline, so that not every thread has to find out for itself.
SILENT_SECONDS: Final = 7.0
FEWEST_IN_AIR: Final = 2

_FAILED: Final = frozenset({Outcome.RETRY, Outcome.AMBIGUOUS})
_NO_ANSWER: Final = "Calls were made, and nothing came back for several seconds."


@dataclass(frozen=True, slots=True)
class Trip:
    """Why a breaker opens. `not_before`: the provider itself named a time."""

    cause: str  # failing, silent, throttled, config
    code: str | None
    detail: str
    not_before: datetime | None = None


def trip_of(provider: str, results: Sequence[Result]) -> Trip | None:
    """What these answers of one send say against the provider; None: it is alive."""
    tried = [result for result in results if result.attempted]
    for result in tried:
        if result.outcome is Outcome.CONFIG_ERROR:
            return Trip("config", result.code, result.detail)
        if result.outcome is Outcome.THROTTLED and result.scope == "lane":
            return Trip("throttled", result.code, result.detail, result.not_before)
    bad = [result for result in tried if _blames(provider, result)]
    if not tried or len(bad) < len(tried):
        return None
    return _failing(bad)


def _failing(bad: Sequence[Result]) -> Trip:
    (code, detail), _ = Counter((result.code, result.detail) for result in bad).most_common(1)[0]
    return Trip("failing", code, detail)


def _blames(provider: str, result: Result) -> bool:
    """A mail server's temporary no is about one recipient; only 421 is about the server."""
    if result.outcome not in _FAILED:
        return False
    code = result.code or ""
    return provider != "smtp" or not code[:1].isdigit() or code.startswith("421")


@dataclass(frozen=True, slots=True)
class _Seen:
    at: float
    good: int
    bad: Sequence[Result]


def _streak(seen: Sequence[_Seen]) -> list[_Seen]:
    """The sends since the last success, oldest first."""
    since = takewhile(lambda one: not one.good, reversed(seen))
    return list(since)[::-1]


class Health:
    """The last seconds of every provider, shared by all threads of a process."""

    def __init__(
        self, silent_seconds: float = SILENT_SECONDS, streak_seconds: float = STREAK_SECONDS
    ) -> None:
        self._silent_seconds = silent_seconds
        self._streak_seconds = streak_seconds
        self._lock = threading.Lock()
        self._seen: dict[str, deque[_Seen]] = {}
        self._heard: dict[str, float] = {}
        self._in_air: dict[object, tuple[str, float, int]] = {}

    def heard(self, provider: str, results: Sequence[Result]) -> Trip | None:
        """Take the answers of one send; a Trip when the breaker should open now.

        Messages that shared a call share its Result, so a failed call counts once.
        """
        at_once = trip_of(provider, results)
        if at_once is not None and at_once.cause != "failing":
            return at_once
        calls = {id(result): result for result in results if result.attempted}.values()
        bad = [result for result in calls if _blames(provider, result)]
        now = time.monotonic()
        with self._lock:
            seen = self._seen.setdefault(provider, deque())
            seen.append(_Seen(now, len(calls) - len(bad), bad))
            while seen[0].at < now - WINDOW_SECONDS:
                seen.popleft()
            failures = [result for one in seen for result in one.bad]
            successes = sum(one.good for one in seen)
            streak = _streak(seen)
        if len(failures) >= FAILURES and successes <= LARGEST_SHARE * len(failures):
            return _failing(failures)
        lasting = bool(streak) and now - streak[0].at >= self._streak_seconds
        in_a_row = [result for one in streak for result in one.bad]
        return _failing(in_a_row) if lasting and len(in_a_row) >= FAILURES else None

    @contextmanager
    def in_air(self, provider: str, messages: int) -> Iterator[None]:
        """Calls about so many messages are being made while the block runs."""
        token = object()
        with self._lock:
            self._in_air[token] = (provider, time.monotonic(), messages)
        try:
            yield
        finally:
            with self._lock:
                self._in_air.pop(token)

    def answered(self, provider: str) -> None:
        """Something came back."""
        self._heard[provider] = time.monotonic()

    def silent(self) -> dict[str, Trip]:
        """Providers from which nothing came back while calls were in the air."""
        now = time.monotonic()
        with self._lock:
            waiting = list(self._in_air.values())
        found: Counter[str] = Counter()
        for provider, since, messages in waiting:
            if now - max(since, self._heard.get(provider, 0.0)) > self._silent_seconds:
                found[provider] += messages
        return {
            provider: Trip("silent", "no_answer", _NO_ANSWER)
            for provider, messages in found.items()
            if messages >= FEWEST_IN_AIR
        }
