"""A whole Herald as `make run` starts it, in a folder of its own, for the long journeys."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import settings as herald_settings
from app.db import db
from app.factory import create_app
from tests.support.processes import eventually, processes_of

START_SECONDS = 150
_UNWANTED = {"DATABASE_URL", "REDIS_URL", "HERALD_PUBLIC_URL", "SANDBOX_URL"}


@dataclass
class Herald:
    """Everything running, seen from outside: its addresses, its command line, its journal."""

    var_dir: Path
    facts: dict[str, Any]

    @property
    def url(self) -> str:
        """The console and the API."""
        return str(self.facts["web_url"])

    def cli(self, *words: str) -> str:
        """What `herald …` prints; an error fails the test."""
        done = subprocess.run(
            [sys.executable, "-m", "app.cli.main", *words],
            env=_environ(self.var_dir, 0),
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def key(self, *extra: str) -> str:
        """A new API key's secret."""
        words = ("key", "create", "journey", "--scopes", "send,contacts,read,campaigns", *extra)
        return self.cli(*words).strip().splitlines()[-1]

    @contextmanager
    def attached(self) -> Iterator[None]:
        """The application's context in this process, on the same database and queue."""
        app = create_app(
            herald_settings.load(
                {
                    "DATABASE_URL": self.facts["database_url"],
                    "REDIS_URL": self.facts["redis_url"],
                    "HERALD_VAR_DIR": str(self.var_dir),
                    "HERALD_PUBLIC_URL": self.url,
                }
            )
        )
        with app.app_context():
            yield
            db.session.remove()
            db.engine.dispose()

    def call(
        self,
        method: str,
        path: str,
        key: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Call the API: status, JSON, headers."""
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            None if body is None else json.dumps(body).encode(),
            {
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                **(headers or {}),
            },
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null"), answer.headers
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read() or b"null"), refused.headers

    def control(self, path: str, body: object) -> Any:
        """Talk to the sandbox's control API."""
        request = urllib.request.Request(
            f"{self.facts['sandbox_url']}/_control/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def journal(self) -> list[dict[str, Any]]:
        """What the sandbox wrote down, line by line; one that is just being written is left out."""
        path = self.var_dir / "sandbox" / "journal.jsonl"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    def handed_over(self) -> Counter[str]:
        """Accepted messages by public id."""
        taken = {"200", "201", "202", "250"}
        return Counter(
            line["notification"] for line in self.journal() if line["answer"].split()[0] in taken
        )

    def letter(self, line: Mapping[str, Any]) -> str:
        """The HTML of a mail as its reader has it before them, by its line in the journal."""
        place = "/".join(map(str, line["stored"]))
        address = f"{self.facts['sandbox_url']}/outbox/{place}/mail"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return str(answer.read().decode())

    def pids(self, words: str) -> list[int]:
        """Processes whose command line holds these words."""
        return [pid for pid, line in processes_of(self.var_dir).items() if words in line]


@contextmanager
def running_herald(var_dir: Path, **extra: str) -> Iterator[Herald]:
    """Start everything without demo data, and stop it afterwards."""
    with (var_dir.with_suffix(".out")).open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli.main", "up"],
            env=_environ(var_dir, _free_port()) | extra,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    run_file = var_dir / "run.json"
    try:
        assert eventually(lambda: run_file.exists() or process.poll() is not None, START_SECONDS)
        assert run_file.exists(), var_dir.with_suffix(".out").read_text()
        yield Herald(var_dir, json.loads(run_file.read_text()))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environ(var_dir: Path, port: int) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    environ.update(HERALD_VAR_DIR=str(var_dir), HERALD_DEMO="no")
    if port:
        environ["PORT"] = str(port)
    return environ


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
