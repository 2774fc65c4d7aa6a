"""No descendant is left behind, however distant."""

import subprocess
import sys

from app.servers.process import is_alive
from tests.support.processes import eventually

_SCRIPT = """
import subprocess, sys, time
from app.supervisor import family
family.adopt_orphans()
middle = "from subprocess import *; print(Popen(['sleep', '300'], stdout=DEVNULL).pid)"
orphan = int(subprocess.check_output([sys.executable, "-c", middle]))
print(orphan, flush=True)
sys.stdin.readline()
family.end_all()
"""


def test_a_grandchild_whose_parent_is_gone_is_ended_too() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as family:
        assert family.stdout
        assert family.stdin
        orphan = int(family.stdout.readline())
        assert is_alive(orphan)
        family.stdin.write("\n")
        family.stdin.close()
        assert eventually(lambda: not is_alive(orphan), 10)
