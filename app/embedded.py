"""No DATABASE_URL, no REDIS_URL? Start the bundled servers and return real addresses.

Only this module knows that servers may be bundled: the rest of Herald is given URLs. Everything
lives in one folder (`./var`). The process that started a server owns it and stops it; others who
ask for the same folder, such as `herald import` beside `make run`, are attached to what runs.
"""

import fcntl
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from app.servers.postgres import Postgres
from app.servers.process import ServerError, command_name, is_alive, wait_until
from app.servers.valkey import Valkey

ORPHAN_SECONDS: Final = 20.0
ATTACH_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the database (`postgresql+psycopg://…`) and Redis (`redis://…`) are."""

    database_url: str
    redis_url: str


class Embedded:
    """The servers of one folder; those whose address is given are left alone.

    Start and stop it from the main thread of the process that is to own the servers.
    """

    def __init__(
        self,
        var_dir: Path,
        database_url: str = "",
        redis_url: str = "",
        postgres_options: Mapping[str, str] | None = None,
    ) -> None:
        var = Path(var_dir).absolute()
        self._given = Urls(database_url, redis_url)
        logs = var / "log"
        self._postgres = _Seat(
            "postgres",
            Postgres(var / "postgres", logs / "postgres.log", postgres_options),
            var,
        )
        self._valkey = _Seat("valkey", Valkey(var / "valkey", logs / "valkey.log"), var)

    def start(self) -> Urls:
        """Attach to what already runs in this folder, start what does not.

        Raises ServerError when a server can be neither found nor started.
        """
        for seat in self._seats():
            seat.take()
        return self.urls()

    def attach(self) -> Urls | None:
        """The addresses when all is given or runs already; None when something would have to be
        started."""
        if all(seat.attach() for seat in self._seats()):
            return self.urls()
        return None

    def urls(self) -> Urls:
        """The addresses, once started."""
        return Urls(
            self._given.database_url or self._postgres.server.url,
            self._given.redis_url or self._valkey.server.url,
        )

    def tend(self) -> list[str]:
        """Start again, on the same port, what has died; returns the names of those servers."""
        dead = [seat for seat in self._seats() if not seat.is_running()]
        for seat in dead:
            seat.take()
        return [seat.name for seat in dead]

    def pids(self) -> set[int]:
        """Process ids of the servers this process runs."""
        processes = [seat.server.process for seat in self._seats()]
        return {process.pid for process in processes if process}

    def stop(self) -> None:
        """Stop the servers this process started; those of others go on."""
        for seat in self._seats():
            seat.leave()

    def _seats(self) -> "list[_Seat]":
        seats = []
        if not self._given.database_url:
            seats.append(self._postgres)
        if not self._given.redis_url:
            seats.append(self._valkey)
        return seats


class _Seat:
    """One server of the folder, a note with its process id and port, and a lock for its owner."""

    def __init__(self, name: str, server: Postgres | Valkey, var: Path) -> None:
        self.name = name
        self.server = server
        self._note = var / f"{name}.json"
        self._lock_path = var / f"{name}.lock"
        self._lock: IO[bytes] | None = None
        self._pid = 0

    def is_running(self) -> bool:
        """Ours not exited, or the attached one still alive."""
        if self.server.process:
            return self.server.process.poll() is None
        return bool(self._pid) and is_alive(self._pid)

    def take(self) -> None:
        """Attach to the server of a living owner; without one, become the owner and start it."""
        if not self._own():
            if wait_until(self.attach, ATTACH_SECONDS, pause=0.1):
                return
            raise ServerError(f"{self.name} is run by another process here and does not answer.")
        self.server.stop()
        note = self._read()
        self._end_orphan(note.pid)
        self._note.unlink(missing_ok=True)
        self.server.start(note.port)
        self._pid = self.server.process.pid if self.server.process else 0
        note_text = json.dumps({"pid": self._pid, "port": self.server.port})
        try:
            self._note.write_text(note_text, encoding="utf-8")
        except OSError:  # a full disk: without the note nobody else would find it
            self.server.stop()
            raise

    def attach(self) -> bool:
        """Use the server of a living owner, if there is one that answers."""
        note = self._read()
        if not is_alive(note.pid) or not self._is_owned():
            return False
        self.server.port = note.port
        if not self.server.answers():
            self.server.port = 0  # nobody was told of it
            return False
        self._pid = note.pid
        return True

    def leave(self) -> None:
        """Stop the server when it is ours."""
        self.server.stop()
        self._pid = 0
        if self._lock:
            self._lock.close()
            self._lock = None

    def _own(self) -> bool:
        """Take the lock; the kernel gives it back however its holder ends."""
        if self._lock is None:
            self._lock = _lock(self._lock_path)
        return self._lock is not None

    def _is_owned(self) -> bool:
        """Does another process that is alive own the server?"""
        probe = _lock(self._lock_path)
        if probe:
            probe.close()
        return probe is None

    def _end_orphan(self, pid: int) -> None:
        """A server whose owner was killed: it is shutting down already, or is told to."""
        if not is_alive(pid) or self.name not in command_name(pid):
            return
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            if wait_until(lambda: not is_alive(pid), ORPHAN_SECONDS):
                return

    def _read(self) -> "_Note":
        try:
            return _Note(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return _Note()


@dataclass(frozen=True, slots=True)
class _Note:
    pid: int = 0
    port: int = 0


def _lock(path: Path) -> IO[bytes] | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
