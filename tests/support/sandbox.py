"""The sandbox as a running process: `with running_sandbox(tmp_path) as sandbox: ...`."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class SandboxHandle:
    """Where a running sandbox is, and how to talk to its control API."""

    url: str
    smtp_port: int
    var_dir: Path
    pid: int
    control_url: str

    @property
    def journal_path(self) -> Path:
        """One JSON line per recipient."""
        return self.var_dir / "sandbox" / "journal.jsonl"

    @property
    def gate_url(self) -> str:
        """The second door, for faults below HTTP."""
        return str(self.credentials()["gate_url"])

    def at_gate(self) -> "SandboxHandle":
        """The same sandbox, with the second door as its `url`."""
        return replace(self, url=self.gate_url)

    def credentials(self) -> dict[str, Any]:
        """What `credentials.json` says: the settings' names in lower case."""
        path = self.var_dir / "sandbox" / "credentials.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def journal(self, **wanted: str) -> list[dict[str, Any]]:
        """The lines whose fields have these values, in order."""
        lines = [json.loads(line) for line in self.journal_path.read_text().splitlines()]
        return [line for line in lines if all(line.get(name) == wanted[name] for name in wanted)]

    def control(self, path: str, body: object = None, method: str = "") -> Any:
        """Call `/_control/<path>`: GET without a body, POST with one; raises HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(
            f"{self.control_url}/_control/{path}",
            data,
            {"Content-Type": "application/json"},
            method=method or ("GET" if body is None else "POST"),
        )
        with urlopen(request, timeout=10) as response:
            return json.load(response)

    def fault(self, provider: str, **rule: Any) -> dict[str, Any]:
        """Script a fault; `span` and `match` as in the rules, `for` being a Python word."""
        if "span" in rule:
            rule["for"] = rule.pop("span")
        made: dict[str, Any] = self.control("faults", {"provider": provider, **rule})
        return made

    def reset(self) -> None:
        """A new journal, no faults, default events."""
        self.control("reset", {})

    def wait_for(self, ready: Callable[[], bool], seconds: float = 10) -> None:
        """Wait until something is so; AssertionError when it does not come to be."""
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.05)


@contextlib.contextmanager
def running_sandbox(
    var_dir: Path, callback_url: str = "http://127.0.0.1:9"
) -> Iterator[SandboxHandle]:
    """Start the sandbox on free ports and stop it afterwards; nobody listens on port 9."""
    port, smtp_port = _free_ports()
    command = [sys.executable, "-m", "app.sandbox.serve", "--port", str(port)]
    command += ["--smtp-port", str(smtp_port), "--var-dir", str(var_dir)]
    command += ["--callback-url", callback_url]
    process = subprocess.Popen(command, cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    handle = SandboxHandle(url, smtp_port, var_dir, process.pid, url)
    try:
        handle.wait_for(lambda: process.poll() is not None or _answers(handle), 60)
        assert process.poll() is None, "the sandbox did not start"
        yield handle
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    """One sandbox for all tests of a process; use `sandbox` to get it clean."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as handle:
        yield handle


@pytest.fixture
def sandbox(shared_sandbox: SandboxHandle) -> SandboxHandle:
    """The shared sandbox with an empty journal and no faults."""
    shared_sandbox.reset()
    return shared_sandbox


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _answers(handle: SandboxHandle) -> bool:
    try:
        return bool(handle.control("health"))
    except (HTTPError, URLError, OSError):
        return False
