"""A Herald in a temporary folder, as `herald up` runs it, seen from outside."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from app.servers.process import ServerError, children_of, free_port, open_log, spawn, stop

PATIENCE: Final = 120.0
# Words of the command lines.
WEB: Final = "app.cli.serve"
SCHEDULER: Final = "workers.scheduler"
BULK: Final = "--lane bulk"
TRANSACTIONAL: Final = "--lane transactional"


@dataclass(frozen=True, slots=True)
class House:
    """Addresses, processes and the journal of one running Herald."""

    var_dir: Path
    pid: int
    facts: dict[str, Any]
    environ: dict[str, str]

    def pids(self, words: str) -> list[int]:
        """Its processes whose command line holds these words, parents first."""
        return [pid for pid in _family(self.pid) if words in _command(pid)]

    def main_pid(self, words: str) -> int:
        """The first of them. Raises ServerError when there is none (it is being restarted)."""
        found = self.pids(words)
        if not found:
            raise ServerError(f"No process of the drill runs {words!r}.")
        return found[0]

    def database(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection of its own, in autocommit."""
        return psycopg.connect(self.facts["database_url"], autocommit=True, connect_timeout=5)

    def key(self) -> str:
        """A new live API key (live here means: the sandbox as provider)."""
        return self.cli("key", "create", "drill", "--scopes", "send,read").splitlines()[-1]

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

    def control(self, path: str, body: object) -> None:
        """Tell the sandbox."""
        request = urllib.request.Request(  # noqa: S310 - a loopback address of our own
            f"{self.facts['sandbox_url']}/_control/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            pass

    def journal(self) -> Counter[str]:
        """How often each message was accepted."""
        counted: Counter[str] = Counter()
        path = self.var_dir / "sandbox" / "journal.jsonl"
        with suppress(FileNotFoundError), path.open(encoding="utf-8") as lines:
            for line in lines:
                with suppress(ValueError):
                    entry = json.loads(line)
                    if entry.get("accepted"):
                        counted[entry["notification"]] += 1
        return counted


@contextmanager
def running() -> Iterator[House]:
    """Start a Herald without demo data; stop it and remove its folder afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="herald-drill-"))
    folder.chmod(0o755)
    var_dir = folder / "var"
    inherited = {n: v for n, v in os.environ.items() if not n.endswith(("_URL", "_KEY", "_FILE"))}
    environ = inherited | {
        "HERALD_VAR_DIR": str(var_dir),
        "HERALD_DEMO": "no",
        "PORT": str(free_port()),
    }
    with open_log(folder / "up.log") as output:
        command = [sys.executable, "-m", "app.cli.main", "up"]
        process = spawn(command, output=output, env=environ)
    try:
        run_file = var_dir / "run.json"
        _await(lambda: run_file.exists() or process.poll() is not None)
        if not run_file.exists():
            raise ServerError((folder / "up.log").read_text(encoding="utf-8"))
        yield House(var_dir, process.pid, json.loads(run_file.read_text()), environ)
    finally:
        stop(process, signal.SIGTERM, 40.0)
        shutil.rmtree(folder, ignore_errors=True)


def _await(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise ServerError("The drill's Herald does not start.")
        time.sleep(0.1)


def _family(pid: int) -> list[int]:
    family = [pid]
    for member in family:
        family += children_of(member)
    return family


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
