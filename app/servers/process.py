"""Child processes that cannot outlive their parent, ports, and waiting."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, TypeAlias

LOOPBACK: Final = "127.0.0.1"
LOG_BYTES: Final = 10_000_000
_PR_SET_PDEATHSIG: Final = 1

Output: TypeAlias = int | IO[bytes] | None


class ServerError(Exception):
    """A server cannot be found or started; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The unprivileged user and group a server is run as."""

    uid: int
    gid: int


def spawn(
    command: Sequence[str],
    *,
    output: Output = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    identity: Identity | None = None,
    on_parent_death: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own.

    On Linux the kernel sends it `on_parent_death` when this process goes, however it goes. Call
    from the main thread: the kernel watches the thread that forked.
    """
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        cwd=cwd,
        env=None if env is None else dict(env),
        start_new_session=True,
        user=identity.uid if identity else None,
        group=identity.gid if identity else None,
        extra_groups=[] if identity else None,
        # Runs after the change of user, which would clear the setting.
        preexec_fn=_die_with_parent(on_parent_death),  # noqa: PLW1509
    )


def _die_with_parent(number: int) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arrange() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before the line above
            os.kill(os.getpid(), signal.SIGKILL)

    return arrange


def stop(process: subprocess.Popen[bytes], number: int, patience: float) -> None:
    """Ask a process to stop with a signal; after `patience` seconds kill its whole group."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
            process.wait()
    kill_group(process.pid)


def kill_group(leader: int) -> None:
    """SIGKILL to what is left of a process group."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def is_alive(pid: int) -> bool:
    """Does a process with this id exist (a zombie counts as gone)?"""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _state(pid) != "Z"


def _state(pid: int) -> str:
    found = stat(pid)
    return found[0] if found else ""


def stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the third on (state, parent, …); empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def children_of(pid: int) -> list[int]:
    """Direct children, zombies too. Few kernels list them, so every process is asked (Linux)."""
    numbers = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [number for number in numbers if stat(number)[1:2] == [str(pid)]]


def command_name(pid: int) -> str:
    """The program a process runs, or nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        if Path("/proc/self").exists():
            return ""
    done = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout.strip()


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Can this port be listened on now?"""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(wanted: int = 0, host: str = LOOPBACK) -> int:
    """`wanted` when it is free, else a port the system picks."""
    if wanted and is_free(wanted, host):
        return wanted
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def ports_to_try(known: int, wanted: int) -> list[int]:
    """Where a server may be started: where it was `known` and others look for it, else anywhere."""
    return [known] if known else [free_port(wanted), free_port(), free_port()]


def wait_until(ready: Callable[[], bool], seconds: float, pause: float = 0.02) -> bool:
    """Ask `ready` until it says yes or the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def open_log(path: Path) -> IO[bytes]:
    """A log a server appends to; what earlier runs wrote is set aside once it is large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
