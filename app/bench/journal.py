"""The sandbox's journal: the independent count of what was handed over, and when."""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from app.bench.figures import NotReal

LATE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Journal:
    """Reads `journal.jsonl` from a place on."""

    path: Path

    def end(self) -> int:
        """Where the next line will begin."""
        return self.path.stat().st_size if self.path.exists() else 0

    def lines(self, since: int) -> Iterator[dict[str, Any]]:
        """What was written from there on, line by line."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(since)
            for raw in file:
                if raw.endswith(b"\n"):
                    yield orjson.loads(raw)

    def moments(self, since: int, wanted: Collection[str]) -> dict[str, datetime]:
        """Public id → when it was first taken, of those of the wanted messages that were."""
        found: dict[str, datetime] = {}
        for line in self.lines(since):
            if line["notification"] in wanted and line["accepted"]:
                found.setdefault(line["notification"], datetime.fromisoformat(line["at"]))
        return found

    def must_hold(self, since: int, expected: int, *, ours: bool = True) -> int:
        """The number of messages taken since then.

        Raises NotReal unless all were taken, and each once. Messages of a baseline (not `ours`)
        carry no id of Herald's and are counted by address.
        """
        name = "notification" if ours else "to"
        taken, seen = self._taken(since, name)
        end = time.monotonic() + LATE_SECONDS
        while taken < expected and time.monotonic() < end:
            time.sleep(0.2)
            taken, seen = self._taken(since, name)
        if taken != expected or seen != expected:
            raise NotReal(
                f"The sandbox took {taken:,} messages ({seen:,} different ones), "
                f"not the {expected:,} that were to be sent."
            )
        return taken

    def _taken(self, since: int, name: str) -> tuple[int, int]:
        keys = [line[name] for line in self.lines(since) if line["accepted"]]
        return len(keys), len(set(keys))
