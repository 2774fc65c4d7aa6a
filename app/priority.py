"""Who goes first where processes share the processors: what somebody waits for.

A campaign's worker has time, and so has what PostgreSQL does for it. `nice` says so to the kernel,
but Linux hears it only within a session: between sessions the processors are divided evenly,
whatever their processes asked for (sched(7), "The autogroup feature"), unless the session itself is
told. A worker that Herald starts is a session, and so is each backend of PostgreSQL. In a container
or a unit of systemd, where processors are divided by control group, `nice` alone does it.
"""

import contextlib
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

_ORDINARY: Final = 0  # the niceness of a process that nobody asked to give way
_PROC: Final = Path("/proc")
# The kernel takes one such wish in a tenth of a second, in the whole machine, unless root has it.
_TURNS: Final = 20
_TURN_SECONDS: Final = 0.11


def give_way(niceness: int) -> None:
    """Let ordinary processes go first, from now on and for whatever this one starts.

    `niceness`: 0 to 19; 0, or less than this process has been started with, changes nothing. A
    session is spoken for only by the process that leads it.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = max(niceness, before)
    if wanted <= _ORDINARY:
        return
    os.setpriority(os.PRIO_PROCESS, 0, wanted)
    if os.getsid(0) == os.getpid():
        _tell_session(os.getpid(), wanted)


def like_ours(connection: Any, _record: object) -> None:
    """Pool event `connect`: the backend of this connection is in no more hurry than we are.

    Where PostgreSQL runs elsewhere, is reached by a Unix socket, or belongs to a user whose
    processes are not ours to slow down, it stays as it is.
    """
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    backend = connection.info.backend_pid
    if niceness <= _ORDINARY or sys.platform != "linux" or not _serves(backend, connection):
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, backend, niceness)
        _tell_session(backend, niceness)


def _serves(pid: int, connection: Any) -> bool:
    """Whether the process of this number here is the one at the connection's other end.

    PostgreSQL writes the client's port into the name of its process: `… 127.0.0.1(43906) idle`.
    A process of the same number in another machine, or container, does not have it.
    """
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as ours:
            address = ours.getsockname()
        title = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
    return isinstance(address, tuple) and f"({address[1]})".encode() in title


def _tell_session(pid: int, niceness: int) -> None:
    """The same for the session that `pid` leads; kernels without autogroups need not be told."""
    for _ in range(_TURNS):
        try:
            (_PROC / str(pid) / "autogroup").write_text(str(niceness))
        except BlockingIOError:
            time.sleep(_TURN_SECONDS)
        except OSError:
            return
        else:
            return
