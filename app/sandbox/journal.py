"""The journal: the independent count of what was really sent.

One JSON line per recipient, accepted or refused, appended before the provider's answer goes out, so
that it survives a kill of either side. Calls that come together share one write.
"""

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson

from app.sandbox.store import Place, append
from app.sandbox.wire import Call, Recipient

RECENT: Final = 20_000
_TAIL_BYTES: Final = 8 * 1024 * 1024

_NOBODY: Final = (Recipient(""),)

Line = dict[str, Any]


class Journal:
    """Appends lines to `journal.jsonl`; the newest are also kept in memory for the outbox."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.jsonl"
        self.recent: deque[Line] = deque(_tail(self.path), RECENT)
        self._pending: list[bytes] = []
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._file = _open(self.path)

    def record(self, call: Call, place: Place | None, fault: str = "") -> None:
        """Note one line per recipient of this call; a call nobody was named in gets one too.

        They are on disk by flush().
        """
        lines = _lines(call, place, fault)
        data = [orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines]
        with self._lock:
            self._pending += data
            self._lines += lines

    def flush(self) -> None:
        """Append what was noted since the last time, in one write. Raises OSError."""
        with self._lock:
            self._write()

    def forget(self) -> None:
        """Nothing noted since the last time has happened."""
        with self._lock:
            self._pending.clear()
            self._lines.clear()

    def lines(self) -> Iterator[Line]:
        """Every line from the beginning, read from the disk."""
        return _read(self.path, 0)

    def reset(self) -> None:
        """Begin a new journal; the old one stays beside it under its time."""
        with self._lock:
            self._write()
            os.close(self._file)
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            self.path.rename(self.path.with_name(f"journal-{stamp}.jsonl"))
            self._file = _open(self.path)
            self.recent.clear()

    def _write(self) -> None:
        pending, self._pending = self._pending, []
        lines, self._lines = self._lines, []
        if pending:
            append(self._file, b"".join(pending))
            self.recent.extend(lines)


def counts(lines: Iterable[Line]) -> dict[str, Any]:
    """What a journal says in figures.

    `doubled` counts the acceptances beyond the first of the same (notification, to).
    """
    accepted: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    people: set[tuple[str, str]] = set()
    pairs: Counter[tuple[str, str]] = Counter()
    for line in lines:
        if not line["accepted"]:
            refused[line["provider"]] += 1
            continue
        accepted[line["provider"]] += 1
        people.add((line["channel"], line["to"]))
        pairs[line["notification"] or "", line["to"]] += 1
    return {
        "accepted": dict(accepted),
        "refused": dict(refused),
        "recipients": len(people),
        "notifications": len({notification for notification, _ in pairs}),
        "doubled": sum(count - 1 for (name, _), count in pairs.items() if name and count > 1),
    }


def _lines(call: Call, place: Place | None, fault: str) -> list[Line]:
    at, provider, channel = _now(time.time_ns() // 1_000_000), call.provider, call.channel
    verdict, accepted, message_id = call.verdict, call.accepted, call.message_id
    lines: list[Line] = [
        {
            "at": at,
            "provider": provider,
            "channel": channel,
            "to": to,
            "notification": notification,
            "attempt": attempt,
            "body_sha256": fingerprint,
            "answer": verdict,
            "accepted": accepted,
            "message_id": message_id,
        }
        for to, notification, attempt, fingerprint in call.recipients or _NOBODY
    ]
    if fault:
        for line in lines:
            line["fault"] = fault
    if place is not None and call.recipients:
        for number, line in enumerate(lines):
            line["stored"] = (*place, number)
    return lines


@lru_cache(1)
def _now(millisecond: int) -> str:
    return datetime.fromtimestamp(millisecond / 1000, UTC).isoformat(timespec="milliseconds")


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def _tail(path: Path) -> Iterator[Line]:
    if not path.exists():
        return iter(())
    return _read(path, max(0, path.stat().st_size - _TAIL_BYTES))


def _read(path: Path, start: int) -> Iterator[Line]:
    """Lines from a byte offset; a line cut short by a kill or by the offset is passed over."""
    with path.open("rb") as file:
        file.seek(start)
        for raw in file:
            try:
                line = orjson.loads(raw)
            except orjson.JSONDecodeError:
                continue
            if isinstance(line, dict) and "provider" in line:
                yield line
