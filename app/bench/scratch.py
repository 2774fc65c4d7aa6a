"""A whole Herald in a temporary folder, for as long as a benchmark runs."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Final

from flask import Flask

from app import migrate
from app import settings as herald_settings
from app.embedded import Embedded
from app.servers.process import children_of, free_port, open_log, spawn, stat, stop
from app.settings import Settings
from app.supervisor import programs
from app.supervisor.programs import Place, python

CreateApp = Callable[[Settings], Flask]
PATIENCE: Final = 30.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Scratch:
    """The running processes by name, and the application in this process."""

    var_dir: Path
    app: Flask
    processes: dict[str, Popen[bytes]] = field(default_factory=dict)
    servers: set[int] = field(default_factory=set)

    @property
    def journal(self) -> Path:
        """What the sandbox wrote down."""
        return self.var_dir / "sandbox" / "journal.jsonl"

    def cpu_seconds(self) -> dict[str, float]:
        """Processor time used so far, per process and of the database servers together."""
        used = {name: _cpu(process.pid) for name, process in self.processes.items()}
        used["servers"] = sum(_cpu(pid) for pid in self.servers)
        return used

    def rss_mb(self) -> dict[str, float]:
        """Resident memory per process."""
        return {name: round(_rss(process.pid), 1) for name, process in self.processes.items()}


@contextmanager
def scratch(create_app: CreateApp) -> Iterator[Scratch]:
    """Start servers, sandbox, web, workers and scheduler; remove everything afterwards."""
    var_dir = Path(tempfile.mkdtemp(prefix="herald-bench-"))
    var_dir.chmod(0o755)
    servers = Embedded(var_dir, "", "")
    running: dict[str, Popen[bytes]] = {}
    try:
        urls = servers.start()
        migrate.upgrade(urls.database_url)
        place = Place("127.0.0.1", free_port(0), free_port(0), free_port(0))
        inherited = {
            name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_KEY"))
        }
        base = herald_settings.load({"HERALD_VAR_DIR": str(var_dir)})
        environ = programs.environment(inherited, base, urls, place)
        _start(running, "sandbox", programs.sandbox(environ, base, place).command, environ, var_dir)
        _await((var_dir / "sandbox" / "credentials.json").exists)
        web = programs.web_command(place.host, place.web_port, 2)
        _start(running, "web", web, environ, var_dir)
        for lane in ("transactional", "bulk"):
            command = python("workers.main", "--lane", lane)
            _start(running, f"worker-{lane}", command, environ, var_dir)
        _start(running, "scheduler", python("workers.scheduler"), environ, var_dir)
        app = create_app(herald_settings.load(environ))
        time.sleep(5)  # let every process finish its imports, so that they are not measured
        with app.app_context():
            yield Scratch(var_dir, app, running, servers.pids())
    finally:
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        for process in running.values():
            stop(process, signal.SIGTERM, PATIENCE)
        servers.stop()
        shutil.rmtree(var_dir, ignore_errors=True)


def _start(
    running: dict[str, Popen[bytes]],
    name: str,
    command: Sequence[str],
    environ: dict[str, str],
    var_dir: Path,
) -> None:
    (var_dir / "log").mkdir(exist_ok=True)
    with open_log(var_dir / "log" / f"{name}.log") as output:
        running[name] = spawn(command, output=output, cwd=programs.ROOT, env=environ)


def _await(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError("The sandbox does not start.")
        time.sleep(0.1)


def _cpu(pid: int) -> float:
    """Seconds of a process and its living descendants, with those that they outlived."""
    return sum(sum(map(int, stat(one)[11:15])) for one in _family(pid)) / _TICKS


def _rss(pid: int) -> float:
    """Megabytes of a process and its living descendants."""
    return sum(sum(map(int, stat(one)[21:22])) for one in _family(pid)) * _PAGE / 1e6


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    family = [pid]
    for member in family:
        family += children_of(member)
    return family
