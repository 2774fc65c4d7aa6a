"""Forked helpers: noticed when they end, and never left behind."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.processes import eventually

SCRIPT = textwrap.dedent(
    """
    import os, sys, time
    from workers.helpers import Helpers

    helpers = Helpers.fork(1)
    os.write(1, b"%d\\n" % os.getpid())  # at once: both write to one pipe
    if os.getppid() == int(sys.argv[1]):
        while not helpers.lost():
            time.sleep(0.05)
        helpers.stop(5)
        sys.exit(3)
    time.sleep(60)
    """
)


@pytest.fixture
def family():
    command = [sys.executable, "-c", SCRIPT, str(os.getpid())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            pids = {int(parent.stdout.readline()), int(parent.stdout.readline())}
            yield parent, (pids - {parent.pid}).pop()
        finally:
            parent.kill()


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_a_helper_that_dies_ends_the_one_that_forked_it(family):
    parent, helper = family
    os.kill(helper, signal.SIGKILL)
    assert parent.wait(10) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal is Linux's")
def test_a_helper_does_not_outlive_the_one_that_forked_it(family):
    parent, helper = family
    parent.kill()
    assert eventually(lambda: gone(helper), 10)
