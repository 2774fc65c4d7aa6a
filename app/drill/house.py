"""A Herald in a temporary folder, as `herald up` runs it, seen from outside."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from app.drill import disk
from app.servers.process import (
    ServerError,
    children_of,
    free_port,
    is_alive,
    open_log,
    spawn,
    stop,
    tail,
    wait_until,
)

PATIENCE: Final = 180.0
_PREFIX: Final = "herald-drill-"
# Words of the command lines.
WEB: Final = "app.cli.serve"
SCHEDULER: Final = "workers.scheduler"
BULK: Final = "--lane bulk"
TRANSACTIONAL: Final = "--lane transactional"
# All that the drill's Herald is told of ours. Never a setting of the Herald beside it: a drill must
# reach neither its providers nor those who are called when something is wrong.
_INHERITED: Final = ("PATH", "HOME", "USER", "LANG", "LC_", "TZ", "TMPDIR", "PYTHON", "VIRTUAL_ENV")
# How providers answer when nothing is wrong: the share of the calls, and after how many seconds.
_LATENCY: Final = ((0.3, 0.3), (0.5, 0.15), (1.0, 0.05))


@dataclass(frozen=True, slots=True)
class House:
    """Addresses, processes and the journal of one running Herald."""

    folder: Path
    var_dir: Path
    pid: int
    facts: dict[str, Any]
    environ: dict[str, str]

    def pids(self, words: str) -> list[int]:
        """Its processes whose command line holds these words, parents first."""
        return [pid for pid in _family(self.pid) if words in _command(pid)]

    def wait_for(self, words: str) -> list[int]:
        """The same, as soon as there is one. Raises ServerError when it does not come back."""
        found: list[int] = []

        def is_there() -> bool:
            found[:] = self.pids(words)
            return bool(found)

        if not wait_until(is_there, PATIENCE, 0.1):
            raise ServerError(f"No process of the drill runs {words!r}.")
        return found

    def database(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection of its own, in autocommit."""
        return psycopg.connect(self.facts["database_url"], autocommit=True, connect_timeout=5)

    def key(self) -> str:
        """A new live API key (live here means: the sandbox as provider)."""
        return self.cli("key", "create", "drill", "--scopes", "send,campaigns").splitlines()[-1]

    def cli(self, *words: str) -> str:
        """What `herald …` prints."""
        done = subprocess.run(
            [sys.executable, "-m", "app.cli.main", *words],
            env=self.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def control(self, path: str, body: object, method: str = "POST") -> None:
        """Tell the sandbox."""
        request = urllib.request.Request(  # noqa: S310 - a loopback address of our own
            f"{self.facts['sandbox_url']}/_control/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass

    def calm(self) -> None:
        """Providers do what they should, as late as they usually are: then calls are in the air."""
        self.control("faults", {}, "DELETE")
        for share, seconds in _LATENCY:
            rule = {"provider": "*", "match": {"probability": share}, "fault": "delay"}
            self.control("faults", {**rule, "seconds": seconds})
        self.control("events", {"shuffle": False, "duplicate": 1, "batch": 1000, "delay_s": 1})

    def journal(self) -> Iterator[dict[str, Any]]:
        """Lines of accepted messages, oldest first."""
        path = self.var_dir / "sandbox" / "journal.jsonl"
        with suppress(FileNotFoundError), path.open(encoding="utf-8") as lines:
            for line in lines:
                with suppress(ValueError):
                    entry = json.loads(line)
                    if entry.get("accepted"):
                        yield entry

    def handed_over(self) -> Counter[str]:
        """How often each message was accepted."""
        return Counter(entry["notification"] for entry in self.journal())

    def keep(self, folder: Path) -> None:
        """Copy the logs and the journal to a folder that outlives the drill."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.var_dir / "log", folder / "log", dirs_exist_ok=True)
        for path in (self.var_dir / "sandbox" / "journal.jsonl", self.folder / "up.log"):
            with suppress(FileNotFoundError):
                shutil.copy2(path, folder)


@contextmanager
def running(disk_mb: int = 0) -> Iterator[House]:
    """Start a Herald without demo data; stop it and remove its folder afterwards.

    With `disk_mb` PostgreSQL's data lie on a disk of that size, which takes root.
    """
    forget_dead()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    folder.chmod(0o755)
    (folder / "pid").write_text(str(os.getpid()), encoding="ascii")
    var_dir = folder / "var"
    environ = environment()
    environ |= {"HERALD_VAR_DIR": str(var_dir), "HERALD_DEMO": "no", "PORT": str(free_port())}
    command = [sys.executable, "-m", "app.cli.main", "up"]
    if disk_mb:
        command = disk.with_small_disk(var_dir / "postgres", disk_mb, command)
    with open_log(folder / "up.log") as output:
        process = spawn(command, output=output, env=environ)
    try:
        run_file = var_dir / "run.json"
        wait_until(lambda: run_file.exists() or process.poll() is not None, PATIENCE, 0.1)
        if not run_file.exists():
            raise disk.CannotRunError(f"It does not start:\n{tail(folder / 'up.log', 30)}")
        facts = json.loads(run_file.read_text(encoding="utf-8"))
        yield House(folder, var_dir, process.pid, facts, environ)
        if process.poll() is not None:
            raise ServerError(f"The drill's Herald ended:\n{tail(folder / 'up.log', 30)}")
    finally:
        stop(process, signal.SIGTERM, 40.0)
        shutil.rmtree(folder, ignore_errors=True)


def forget_dead() -> None:
    """Remove the folders of drills that were killed and could not do it."""
    for note in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/pid"):
        with suppress(OSError, ValueError):
            if not is_alive(int(note.read_text(encoding="ascii"))):
                shutil.rmtree(note.parent, ignore_errors=True)


def environment() -> dict[str, str]:
    """What the drill's processes inherit."""
    return {name: v for name, v in os.environ.items() if name.startswith(_INHERITED)}


def _family(pid: int) -> list[int]:
    family = [pid]
    for member in family:
        family += children_of(member)
    return [member for member in family if is_alive(member)]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
