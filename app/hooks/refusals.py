"""Reports whose signature does not fit: told when they are many and none fits.

A wrong key at either end looks like that, and without it nobody would know for days why nothing is
reported as delivered. Anybody can post here, so a few forged posts say nothing, and one post that
fits says that the key is right.
"""

import threading
import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from app import clock
from app.alerts import incidents
from app.sending.vocabulary import provider_name

FEWEST: Final = 10
TOLD_EVERY_SECONDS: Final = 60.0
_DETAIL: Final = (
    "Reports with a signature that no key set here fits are refused, and none that fits came "
    "between them. Until that is mended nothing is known about what was delivered or came back."
)


@dataclass(slots=True)
class _Run:
    """Refused ones since the last that fits, how many of them were told, and when."""

    refused: int = 0
    told: int = 0
    told_at: float = float("-inf")


class Refusals:
    """Counts for one process; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}

    def refused(self, provider: str) -> int:
        """Count one. Answers how many it is time to tell about, usually 0."""
        now = time.monotonic()
        with self._lock:
            run = self._runs.setdefault(provider, _Run())
            run.refused += 1
            if run.refused < FEWEST or now - run.told_at < TOLD_EVERY_SECONDS:
                return 0
            fresh, run.told, run.told_at = run.refused - run.told, run.refused, now
            return fresh

    def fits(self, provider: str) -> None:
        """One that fits: those before were forged, or the key is right by now."""
        if provider in self._runs:
            with self._lock:
                self._runs.pop(provider, None)


def tell(session: Session, provider: str, count: int) -> None:
    """Open an incident, or add to it; it closes when none was refused for ten minutes."""
    incidents.open_or_count(
        session,
        f"{provider}:reports",
        f"{provider_name(provider)} reports what cannot be verified",
        _DETAIL,
        {"provider": provider, "unit": "report"},
        clock.now(),
        count=count,
    )
