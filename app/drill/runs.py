"""Drills that were started from the console: one at a time, each in a process of its own.

The process outlives the web process that started it. It holds a lock while it lives, so that who
asks always learns the truth: a drill whose lock is free and whose results are missing has died.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from app.drill.result import Round

ROOT: Final = Path(__file__).resolve().parent.parent.parent
KEPT: Final = 10
# Who only looks whether a drill runs holds the lock for a moment.
_LOOK_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for, by whom and when."""

    fault: str
    messages: int
    rounds: int
    by: str
    at: datetime

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"at": self.at.isoformat()}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Wish":
        """The other way round. Raises KeyError, TypeError, ValueError."""
        at = datetime.fromisoformat(data["at"])
        return cls(data["fault"], int(data["messages"]), int(data["rounds"]), data["by"], at)


@dataclass(frozen=True, slots=True)
class Run:
    """One drill as it stands: its rounds so far, and what it said last."""

    wish: Wish
    rounds: Sequence[Round]
    said: Sequence[str]
    running: bool

    @property
    def state(self) -> str:
        """`running`, `kept`, `broken`, or `stopped` when it ended before all rounds were done."""
        if self.running:
            return "running"
        if any(not one.kept for one in self.rounds):
            return "broken"
        return "kept" if len(self.rounds) == self.wish.rounds else "stopped"


class Runs:
    """The drills of one Herald, in a folder of its own."""

    def __init__(self, var_dir: Path) -> None:
        self.folder = var_dir / "drills"

    def start(self, wish: Wish) -> bool:
        """Start a drill. False when one is running."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self._lock()
        if lock is None:
            return False
        with lock:
            place = self.folder / wish.at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%f")
            place.mkdir()
            (place / "wish.json").write_text(json.dumps(wish.as_data()), encoding="utf-8")
            pid = _spawn(place, wish, lock)
            (self.folder / "pid").write_text(str(pid), encoding="ascii")
        self._forget_old()
        return True

    def stop(self) -> Run | None:
        """Ask the running drill to end; it takes its Herald along. None when none is running."""
        latest = self.latest(1)
        if not latest or not latest[0].running:
            return None
        with suppress(OSError, ValueError):
            os.kill(int((self.folder / "pid").read_text(encoding="ascii")), signal.SIGTERM)
        return latest[0]

    def is_running(self) -> bool:
        """Whether a drill holds the lock."""
        if not self.folder.exists():
            return False
        with (self.folder / "lock").open("ab") as probe:
            try:
                fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def latest(self, count: int) -> list[Run]:
        """The last drills, newest first."""
        running = self.is_running()
        found = [_read(place) for place in self._places()[:count]]
        runs = [run for run in found if run is not None]
        if running and runs:
            newest = runs[0]
            runs[0] = Run(newest.wish, newest.rounds, newest.said, running=True)
        return runs

    def _lock(self) -> IO[bytes] | None:
        end = time.monotonic() + _LOOK_SECONDS
        file = (self.folder / "lock").open("ab")
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    file.close()
                    return None
                time.sleep(0.02)
            else:
                return file

    def _places(self) -> list[Path]:
        return sorted((path for path in self.folder.glob("2*") if path.is_dir()), reverse=True)

    def _forget_old(self) -> None:
        for place in self._places()[KEPT:]:
            shutil.rmtree(place, ignore_errors=True)


def _spawn(place: Path, wish: Wish, lock: IO[bytes]) -> int:
    """The drill inherits the lock and keeps it until it ends, however it ends."""
    words = ["--fault", wish.fault, "--messages", str(wish.messages), "--rounds", str(wish.rounds)]
    command = [sys.executable, "-m", "app.cli.main", "drill", "--json", *words]
    with (place / "rounds.jsonl").open("ab") as printed, (place / "said.txt").open("ab") as said:
        process = subprocess.Popen(
            [*command, "--keep", str(place / "broken")],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=said,
            cwd=ROOT,
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()  # no zombie is left in our name
    return process.pid


def _read(place: Path) -> Run | None:
    try:
        wish = Wish.from_data(json.loads((place / "wish.json").read_text(encoding="utf-8")))
    except (OSError, KeyError, TypeError, ValueError):
        return None
    rounds = []
    for line in _lines(place / "rounds.jsonl"):
        with suppress(ValueError, TypeError):  # a line that is being written
            rounds.append(Round(**json.loads(line)))
    return Run(wish, rounds, _lines(place / "said.txt"), running=False)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]
