"""`herald up` from outside, as a newcomer and an operator meet it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.servers.process import spawn
from tests.support.processes import eventually, kill, processes_of

START_SECONDS = 300
KEYS = {"web_url", "sandbox_url", "database_url", "redis_url", "members", "keys"}


class Up:
    """One `herald up` in its own folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._output = folder.with_suffix(".out")
        self.started = time.monotonic()
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        unwanted = {"DATABASE_URL", "REDIS_URL", "HERALD_PUBLIC_URL", "SANDBOX_URL"}
        environ = {name: value for name, value in os.environ.items() if name not in unwanted}
        environ.update(HERALD_VAR_DIR=str(self.folder), PORT=str(self.port), HERALD_DEMO="no")
        with self._output.open("wb") as output:
            # As `make run` does, but ending with the tests, however they end.
            return spawn([sys.executable, "-m", "app.cli.main", "up"], output=output, env=environ)

    @property
    def said(self) -> str:
        return self._output.read_text()

    def facts(self) -> dict[str, Any]:
        """`run.json`, once it is there."""
        path = self.folder / "run.json"
        assert eventually(lambda: "Herald is running" in self.said or self._ended(), START_SECONDS)
        assert path.exists(), self.said
        facts: dict[str, Any] = json.loads(path.read_text())
        return facts

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.facts()["web_url"] + "/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def pid_of(self, words: str) -> int:
        """The oldest process whose command line holds these words."""
        found = [pid for pid, line in processes_of(self.folder).items() if words in line]
        return min(found, default=0)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Signal it, wait for its end; returns the seconds it took."""
        begin = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(40)
        return time.monotonic() - begin


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Started once, beside another program that holds the wanted port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        running = Up(tmp_path_factory.mktemp("up") / "var", taken.getsockname()[1])
        running.facts()
        yield running
        if running.process.poll() is None:
            running.stop()


def test_it_is_ready_when_it_says_so(up: Up) -> None:
    assert up.is_ready()
    assert up.facts()["web_url"] in up.said


def test_a_taken_port_is_replaced_and_mentioned(up: Up) -> None:
    assert not up.facts()["web_url"].endswith(f":{up.port}")
    assert f"Port {up.port} is taken" in up.said


def test_the_run_file_tells_all_addresses_to_its_owner_only(up: Up) -> None:
    assert set(up.facts()) == KEYS
    assert up.facts()["database_url"].startswith("postgresql://")
    assert (up.folder / "run.json").stat().st_mode & 0o077 == 0


def test_without_demo_members_it_says_how_to_let_the_first_one_in(up: Up) -> None:
    assert up.facts()["members"] == []
    assert f"HERALD_VAR_DIR={up.folder} " in up.said
    assert "herald member create" in up.said


def test_every_line_of_the_web_log_is_one_object(up: Up) -> None:
    assert up.is_ready()
    lines = (up.folder / "log" / "web.log").read_text().splitlines()
    assert lines
    assert all("event" in json.loads(line) for line in lines)


def test_a_second_one_in_the_same_folder_says_where_the_first_is(up: Up) -> None:
    environ = os.environ | {"HERALD_VAR_DIR": str(up.folder)}
    command = [sys.executable, "-m", "app.cli.main", "up"]
    second = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert up.facts()["web_url"] in second.stderr
    assert up.is_ready()


def test_another_shell_finds_its_servers(up: Up) -> None:
    environ = os.environ | {"HERALD_VAR_DIR": str(up.folder)}
    command = [sys.executable, "-m", "app.cli.main", "db", "url"]
    found = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30)
    assert found.stdout.strip() == up.facts()["database_url"]


@pytest.mark.parametrize("words", ["--lane bulk", "app.cli.serve", "bin/postgres", "valkey-server"])
def test_what_is_killed_is_started_again(up: Up, words: str) -> None:
    assert eventually(lambda: up.pid_of(words))
    victim = up.pid_of(words)
    kill(victim)
    assert eventually(lambda: up.pid_of(words) not in {0, victim}, 30), up.said
    assert eventually(up.is_ready, 30), up.said


def test_sigterm_stops_everything_within_half_a_minute(up: Up) -> None:
    assert up.stop() <= 30
    assert up.process.returncode == 0
    assert processes_of(up.folder) == {}
    assert not (up.folder / "run.json").exists()


def test_the_second_start_is_quick_and_sigkill_leaves_nothing_either(up: Up) -> None:
    again = Up(up.folder, up.port)
    assert again.facts()["web_url"]
    kill(again.process.pid)
    again.process.wait()
    assert eventually(lambda: processes_of(up.folder) == {}, 30), processes_of(up.folder)


def test_a_start_after_sigkill_works(up: Up) -> None:
    again = Up(up.folder, up.port)
    ready = again.is_ready()
    assert again.stop(signal.SIGINT) <= 30
    assert ready, again.said
    assert processes_of(up.folder) == {}
