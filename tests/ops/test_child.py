"""One supervised process: its output is kept, its end is noticed, its children go with it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.supervisor.child import Child, Death, Program
from app.supervisor.logs import Log
from tests.support.processes import eventually, processes_of

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", sys.argv[1]])
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def make(folder: Path) -> Iterator[Callable[[str], Child]]:
    """A child that runs a program given as text."""
    made: list[Child] = []

    def child(program: str) -> Child:
        command = [sys.executable, "-c", program, str(folder)]
        environ = {"PATH": "/usr/bin:/bin"}
        made.append(Child(Program("it", command, environ, folder), Log(folder / "it.log")))
        return made[-1]

    yield child
    for child_made in made:
        child_made.end()
        child_made.log.close()


@pytest.fixture
def parent(make: Callable[[str], Child]) -> Child:
    child = make(PARENT)
    child.start()
    assert eventually(lambda: b"ready" in child.drain())
    return child


def _death(child: Child) -> Death:
    found: list[Death | None] = []
    assert eventually(lambda: found.append(child.check()) or found[-1])
    assert found[-1]
    return found[-1]


def test_what_it_prints_is_kept(folder: Path, parent: Child) -> None:
    assert (folder / "it.log").read_text() == "ready\n"


def test_its_children_end_with_it(folder: Path, parent: Child) -> None:
    assert len(processes_of(folder)) == 2
    parent.end()
    assert eventually(lambda: processes_of(folder) == {})


def test_orphans_of_a_killed_process_are_ended_before_it_is_started_again(
    folder: Path, parent: Child
) -> None:
    assert parent.process
    parent.process.kill()
    assert eventually(parent.check)
    assert eventually(lambda: processes_of(folder) == {})


def test_each_failure_in_a_row_waits_longer(make: Callable[[str], Child]) -> None:
    child = make("raise SystemExit(3)")
    pauses = []
    for _ in range(3):
        child.start()
        pauses.append(_death(child).pause)
    assert pauses == [0.5, 1.0, 2.0]


def test_a_death_says_how(make: Callable[[str], Child]) -> None:
    child = make("import os; os.kill(os.getpid(), 11)")
    child.start()
    assert _death(child).reason == "was killed by SIGSEGV"


def test_a_full_log_is_set_aside_and_few_are_kept(tmp_path: Path) -> None:
    log = Log(tmp_path / "web.log", limit=10, kept=2)
    for number in range(5):
        log.write(f"line number {number}\n".encode())
    log.close()
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {
        "web.log": "",
        "web.log.1": "line number 4\n",
        "web.log.2": "line number 3\n",
    }
