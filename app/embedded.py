"""No DATABASE_URL, no REDIS_URL? Start the bundled servers and return real addresses.

Only this module knows that servers may be bundled: the rest of Herald is given URLs. Everything
lives in one folder (`./var`). The process that started a server owns it and stops it; others who
ask for the same folder, such as `herald import` beside `make run`, are attached to what runs.
"""

import fcntl
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.servers.postgres import Postgres
from app.servers.process import command_name, is_alive, wait_until
from app.servers.valkey import Valkey

ORPHAN_SECONDS: Final = 20.0


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
        self._var = var
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
        self._var.mkdir(parents=True, exist_ok=True)
        with _locked(self._var / "servers.lock"):
            for seat in self._seats():
                seat.take()
        return self.urls()

    def urls(self) -> Urls:
        """The addresses, once started."""
        return Urls(
            self._given.database_url or self._postgres.server.url,
            self._given.redis_url or self._valkey.server.url,
        )

    def tend(self) -> list[str]:
        """Start again, on the same port, what has died; returns the names of those servers."""
        dead = [seat for seat in self._seats() if not seat.is_running()]
        if dead:
            with _locked(self._var / "servers.lock"):
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
    """One server of the folder and the note that says who runs it, under which process id."""

    def __init__(self, name: str, server: Postgres | Valkey, var: Path) -> None:
        self.name = name
        self.server = server
        self._note = var / f"{name}.json"
        self._pid = 0

    def is_running(self) -> bool:
        """Ours not exited, or the attached one still alive."""
        if self.server.process:
            return self.server.process.poll() is None
        return bool(self._pid) and is_alive(self._pid)

    def take(self) -> None:
        """Attach when the server of a living owner answers; else start one and own it."""
        if self.server.process:
            self.server.stop()
        note = self._read()
        self.server.port = note.port
        if is_alive(note.owner) and is_alive(note.pid) and self.server.answers():
            self._pid = note.pid
            return
        self._end_orphan(note.pid)
        self.server.start(note.port)
        process = self.server.process
        self._pid = process.pid if process else 0
        self._write(_Note(self._pid, self.server.port, os.getpid()))

    def leave(self) -> None:
        """Stop the server when it is ours."""
        if self.server.process:
            self.server.stop()
        self._pid = 0

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

    def _write(self, note: "_Note") -> None:
        text = json.dumps({"pid": note.pid, "port": note.port, "owner": note.owner})
        self._note.write_text(text, encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Note:
    pid: int = 0
    port: int = 0
    owner: int = 0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process at a time decides about the servers of a folder."""
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
