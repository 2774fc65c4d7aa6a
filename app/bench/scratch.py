"""A whole Herald in a temporary folder, for as long as a benchmark runs."""

import json
import os
import re
import shutil
import signal
import tempfile
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from subprocess import Popen
from typing import Any, Final

from flask import Flask
from sqlalchemy import text

from app import migrate
from app import settings as herald_settings
from app.bench import usage
from app.bench.figures import NotReal
from app.bench.journal import Journal
from app.db import transaction
from app.embedded import Embedded
from app.servers.process import (
    ServerError,
    command_name,
    free_port,
    open_log,
    spawn,
    stop,
    tail,
    wait_until,
)
from app.settings import ProviderSettings, Settings
from app.supervisor import programs
from app.supervisor.programs import Place, python

CreateApp = Callable[[Settings], Flask]
PATIENCE: Final = 60.0
_NUMBERED: Final = re.compile(r"-\d+$")
_WRONG: Final = '"level": "error"'
_TRACEBACK: Final = "Traceback (most recent call last)"
_ENOUGH: Final = 400  # characters of a line that is quoted
SENDERS: Final = ("worker-transactional", "worker-bulk")
# What a process says when it is ready; the web server is asked instead.
_READY: Final = {
    "worker-transactional": "worker_started",
    "worker-bulk": "worker_started",
    "scheduler": "scheduler_leads",
}
# Nothing of the installation beside it may come along, least of all a provider's credentials.
_OURS: Final = frozenset(
    [name.name.upper() for name in fields(ProviderSettings)]
    + ["DATABASE_URL", "REDIS_URL", "SANDBOX_URL", "PORT", "MAIL_FROM", "MAIL_FROM_NAME"]
    + ["ALERT_EMAIL", "ALERT_WEBHOOK", "METRICS_TOKEN", "RETRY_ATTEMPTS"]
)


@dataclass
class Scratch:
    """The running processes by name, and the application in this process."""

    var_dir: Path
    app: Flask
    place: Place
    environ: dict[str, str]
    servers: set[int]
    machine: str
    processes: dict[str, Popen[bytes]] = field(default_factory=dict)

    @property
    def journal(self) -> Journal:
        """What the sandbox wrote down."""
        return Journal(self.var_dir / "sandbox" / "journal.jsonl")

    @property
    def settings(self) -> Settings:
        """Of this installation."""
        found: Settings = self.app.config["HERALD"]
        return found

    def start(self, name: str, command: Sequence[str]) -> None:
        """Run one more process of this installation."""
        with open_log(self.var_dir / "log" / f"{name}.log") as output:
            self.processes[name] = spawn(
                command, output=output, cwd=programs.ROOT, env=self.environ
            )

    def end(self, *names: str) -> None:
        """Stop some of its processes."""
        ending = [self.processes.pop(name) for name in names if name in self.processes]
        for process in ending:
            process.send_signal(signal.SIGTERM)
        for process in ending:
            stop(process, signal.SIGTERM, PATIENCE)

    def must_be_well(self) -> None:
        """Raises NotReal with the first error that a process of Herald's has logged."""
        for path in sorted((self.var_dir / "log").glob("*.log")):
            with path.open(encoding="utf-8", errors="replace") as said:
                wrong = _first_error(said)
            if wrong is not None:
                raise NotReal(f"{path.stem} had an error: {wrong[:_ENOUGH]}")

    def await_log(self, name: str, words: str) -> None:
        """Until a process has said so. Raises ServerError with the end of its log."""
        path = self.var_dir / "log" / f"{name}.log"

        def said() -> bool:
            return words in path.read_text(encoding="utf-8", errors="replace")

        self._await(name, said)

    def await_url(self, name: str, url: str) -> None:
        """Until a process answers there. Raises ServerError with the end of its log."""
        self._await(name, lambda: _answers(url))

    def cpu_seconds(self) -> dict[str, float]:
        """Processor time used so far, per process; `bench` is this one."""
        stats = usage.look()
        used = self._added_up(lambda pid: usage.cpu_seconds(stats, pid))
        for pid in self.servers:
            name = "postgres" if "postgres" in command_name(pid) else "valkey"
            used[name] = usage.cpu_seconds(stats, pid)
        return used | {"bench": usage.own_cpu_seconds()}

    def memory(self) -> dict[str, Any]:
        """Megabytes per process with its children.

        `rss_mb`: resident, shared pages count for each; `pss_mb`: shared pages divided among those
        who share them; `peak_mb`: the most that a single one of them ever had.
        """
        stats = usage.look()
        return {
            "rss_mb": self._added_up(lambda pid: usage.rss_mb(stats, pid)),
            "pss_mb": self._added_up(lambda pid: usage.pss_mb(stats, pid)),
            "peak_mb": self._added_up(lambda pid: usage.peak_mb(stats, pid)),
        }

    def control(self, path: str, body: Mapping[str, Any]) -> None:
        """Tell the sandbox."""
        request = urllib.request.Request(  # noqa: S310 - a loopback address of our own
            f"{self.place.sandbox_url}/_control/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass

    def _added_up(self, of: Callable[[int], float]) -> dict[str, float]:
        """Something about each process; those of one kind (`name-0`, `name-1`) together."""
        found: dict[str, float] = {}
        for name, process in self.processes.items():
            kind = _NUMBERED.sub("", name)
            found[kind] = found.get(kind, 0.0) + of(process.pid)
        return {name: round(amount, 2) for name, amount in found.items()}

    def _await(self, name: str, ready: Callable[[], bool]) -> None:
        process = self.processes[name]
        wait_until(lambda: process.poll() is not None or ready(), PATIENCE, pause=0.05)
        if process.poll() is not None or not ready():
            said = tail(self.var_dir / "log" / f"{name}.log")
            raise ServerError(f"{name} does not start. It said:\n{said}")


@contextmanager
def scratch(
    create_app: CreateApp,
    without: Collection[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Iterator[Scratch]:
    """Start servers, sandbox, web, workers and scheduler; remove everything afterwards.

    `without` names programs that are not to run, `settings` are environment variables beside the
    usual ones. Yields inside an application context.
    """
    load = usage.load()
    var_dir = Path(tempfile.mkdtemp(prefix="herald-bench-"))
    var_dir.chmod(0o755)
    for folder in ("log", "metrics"):
        (var_dir / folder).mkdir()
    servers = Embedded(var_dir, "", "")
    house = None
    try:
        urls = servers.start()
        migrate.upgrade(urls.database_url)
        place = Place("127.0.0.1", free_port(0), free_port(0), free_port(0))
        base = herald_settings.load({"HERALD_VAR_DIR": str(var_dir)})
        environ = programs.environment(outside(os.environ), base, urls, place)
        # One caller makes all the calls here: the limit per key is not what is measured.
        environ |= {"HERALD_API_RATE": "100000000", **(settings or {})}
        house = Scratch(var_dir, Flask(__name__), place, environ, servers.pids(), "")
        house.start("sandbox", programs.sandbox(environ, base, place).command)
        house.await_url("sandbox", f"{place.sandbox_url}/_control/health")
        house.app = create_app(herald_settings.load(environ))
        _start_herald(house, without)
        with house.app.app_context():
            house.machine = usage.machine(_postgres_version(), load)
            yield house
    finally:
        if house is not None:
            house.end(*house.processes)
        servers.stop()
        shutil.rmtree(var_dir, ignore_errors=True)


def outside(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without any setting of Herald's."""
    return {
        name: value
        for name, value in environ.items()
        if name.removesuffix("_FILE") not in _OURS and not name.startswith("HERALD_")
    }


def _start_herald(house: Scratch, without: Collection[str]) -> None:
    commands = {"web": programs.web_command(house.place.host, house.place.web_port, 2)}
    for lane in ("transactional", "bulk"):
        commands[f"worker-{lane}"] = programs.worker_command(lane)
    commands["scheduler"] = python("workers.scheduler")
    wanted = {name: command for name, command in commands.items() if name not in without}
    for name, command in wanted.items():
        house.start(name, command)
    for name in wanted:
        if name in _READY:
            house.await_log(name, _READY[name])
        else:
            house.await_url(name, f"{house.place.web_url}/healthz")


def _postgres_version() -> str:
    with transaction() as session:
        return str(session.scalar(text("show server_version"))).split()[0]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - a loopback address of our own
            return True
    except OSError:
        return False


def _first_error(said: Iterable[str]) -> str | None:
    """The first logged error; of a traceback what was raised, as its first line says nothing."""
    lines = iter(said)
    for line in lines:
        if _WRONG in line or (_TRACEBACK in line and line.startswith("{")):
            return line
        if _TRACEBACK in line:
            return next((each for each in lines if not each.startswith(" ")), line).strip()
    return None
