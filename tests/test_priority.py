"""What can wait gives way: the process of a campaign's worker, and PostgreSQL's for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.database import Database

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sessions have no priority here")

_OURS = os.getpriority(os.PRIO_PROCESS, 0)
_LOWEST = 19
_WORKER = """
import os, sys
from pathlib import Path
import psycopg
from app import priority

def said(pid):
    session = Path(f"/proc/{pid}/autogroup")
    own = os.getpriority(os.PRIO_PROCESS, pid)
    # What the machine started outside any session has a file that says nothing.
    words = session.read_text().split() if session.exists() else []
    return f"{own} {words[-1] if words else own}"

wanted = int(sys.argv[2])
ordinary = psycopg.connect(sys.argv[1])
priority.give_way(wanted)
own = psycopg.connect(sys.argv[1])
priority.like_ours(own, None)
print(said(os.getpid()), said(own.info.backend_pid), said(ordinary.info.backend_pid), sep="|")
"""


def _run(database: Database, niceness: int, *before: str, leads: bool = True) -> list[str]:
    """What a worker of this niceness, its connection's backend and another one have: their own
    niceness and their session's.
    """
    url = database.url.replace("+psycopg", "")
    done = subprocess.run(
        [*before, sys.executable, "-c", _WORKER, url, str(niceness)],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=leads,
        cwd=Path(__file__).parent.parent,
    )
    return done.stdout.strip().split("|")


def test_a_worker_that_gives_way_takes_its_backend_along(own_database: Database) -> None:
    worker, backend, others = _run(own_database, _LOWEST)
    assert worker == backend == "19 19"
    assert others.split()[0] != "19"


def test_without_roots_rights_the_session_is_told_in_its_turn(own_database: Database) -> None:
    without = ("setpriv", "--bounding-set=-sys_admin,-sys_nice") if os.geteuid() == 0 else ()
    worker, backend, _ = _run(own_database, _LOWEST, *without)
    assert worker == "19 19"
    assert backend.split()[1] in ("19", "0"), "whether it is ours to slow down depends on its user"


def test_a_worker_keeps_the_niceness_it_was_started_with(own_database: Database) -> None:
    started = ("nice", "-n", str(_LOWEST - _OURS))
    for wanted in (0, 10):
        worker, _, _ = _run(own_database, wanted, *started)
        assert worker.split()[0] == "19"


def test_a_worker_in_a_session_of_others_does_not_slow_them_down(own_database: Database) -> None:
    ours = Path("/proc/self/autogroup")
    before = ours.read_text() if ours.exists() else ""
    worker, backend, _ = _run(own_database, _LOWEST, leads=False)
    assert worker.split()[0] == "19"
    assert backend == "19 19"
    assert (ours.read_text() if ours.exists() else "") == before
    assert os.getpriority(os.PRIO_PROCESS, 0) == _OURS
