"""What can wait gives way: the process of a campaign's worker, and PostgreSQL's for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.database import Database

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sessions have no priority here")

_WORKER = """
import os, sys
from pathlib import Path
import psycopg
from app import priority

def said(pid):
    session = Path(f"/proc/{pid}/autogroup")
    last = session.read_text().split()[-1] if session.exists() else "10"
    return f"{os.getpriority(os.PRIO_PROCESS, pid)} {last}"

ordinary = psycopg.connect(sys.argv[1])
priority.like_ours(ordinary, None)
priority.give_way(10)
own = psycopg.connect(sys.argv[1])
priority.like_ours(own, None)
print(said(os.getpid()), said(own.info.backend_pid), said(ordinary.info.backend_pid), sep="|")
"""


def _run(database: Database, *, leads: bool) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _WORKER, database.url.replace("+psycopg", "")],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=leads,
        cwd=Path(__file__).parent.parent,
    )
    return done.stdout.strip().split("|")


def test_a_worker_that_gives_way_takes_its_backend_along(own_database: Database) -> None:
    worker, backend, others = _run(own_database, leads=True)
    assert worker == backend == "10 10"
    assert others.split()[0] == "0"


def test_a_worker_in_a_session_of_others_does_not_slow_them_down(own_database: Database) -> None:
    ours = Path("/proc/self/autogroup")
    before = ours.read_text() if ours.exists() else ""
    worker, backend, _ = _run(own_database, leads=False)
    assert worker.split()[0] == "10"
    assert backend == "10 10"
    assert (ours.read_text() if ours.exists() else "") == before
    assert os.getpriority(os.PRIO_PROCESS, 0) == 0
