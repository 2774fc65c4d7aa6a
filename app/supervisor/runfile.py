"""`var/run.json`: where the running Herald can be reached, for people and scripts outside."""

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any

from app.servers.private import write_private


class AlreadyRunning(Exception):
    """Another `herald up` uses this folder; the message says where it is."""


class RunFile:
    """Holds the folder for one supervisor and publishes its addresses."""

    def __init__(self, var_dir: Path) -> None:
        self.path = var_dir / "run.json"
        self._lock_path = var_dir / "run.lock"
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Take the folder. The kernel gives it back however this process ends."""
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        lock = self._lock_path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise AlreadyRunning(self._who()) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        self.path.unlink(missing_ok=True)

    def publish(self, facts: dict[str, Any]) -> None:
        """Write the addresses, for the owner's eyes only: they hold passwords."""
        partial = self.path.with_suffix(".partial")
        write_private(partial, json.dumps(facts, indent=2) + "\n")
        partial.replace(self.path)

    def release(self) -> None:
        """Withdraw the addresses and let go of the folder."""
        if self._lock:
            self.path.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _who(self) -> str:
        pid = self._lock_path.read_text(encoding="utf-8").strip()
        where = "it is still starting"
        try:
            where = str(json.loads(self.path.read_text(encoding="utf-8"))["web_url"])
        except (OSError, ValueError, KeyError):
            pass
        return (
            f"Herald already runs from {self.path.parent} (process {pid}): {where}\n"
            "Stop it with Ctrl-C where it was started, or start a second one in another folder "
            "with HERALD_VAR_DIR=/some/folder."
        )
