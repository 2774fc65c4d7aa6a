"""Who goes first where processes share the processors: what somebody waits for.

A campaign's worker has time, and so has what PostgreSQL does for it. `nice` says so to the kernel;
on Linux it is heard only within a session. Between sessions the processors are divided evenly,
whatever their processes asked for (sched(7), "The autogroup feature"), unless the session itself is
told. Each process that Herald starts is a session, and so is each backend of PostgreSQL.
"""

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

# From which on others go first (`nice` of an ordinary process is 0).
_ORDINARY: Final = 0
_PROC: Final = Path("/proc")


def give_way(niceness: int) -> None:
    """Let ordinary processes go first, from now on and for whatever this one starts.

    `niceness`: 0 to 19. A session is spoken for only by the process that leads it.
    """
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    if os.getsid(0) == os.getpid():
        _tell_session(os.getpid(), niceness)


def like_ours(connection: Any, _record: object) -> None:
    """Pool event `connect`: the backend of this connection is in no more hurry than we are.

    Where PostgreSQL runs elsewhere, or as a user whose processes are not ours to slow down, it
    stays as it is.
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
    with contextlib.suppress(OSError):
        (_PROC / str(pid) / "autogroup").write_text(str(niceness))
