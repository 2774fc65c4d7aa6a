"""Looking at this machine's processes from outside, for tests that start and kill them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def processes_of(folder: Path) -> dict[int, str]:
    """Living processes that were told of this folder, or stand in it: id -> command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and _knows(entry, folder):
            command = _command(entry)
            if command:  # a zombie has none
                found[int(entry.name)] = command
    return found


def _command(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:  # it ended a moment ago
        return ""


def _knows(entry: Path, folder: Path) -> bool:
    wanted = str(folder).encode()
    try:
        told = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        return wanted in told or (entry / "cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> bool:
    """Wait until it holds; False when the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


def kill(pid: int) -> None:
    """SIGKILL, as the kernel does when memory runs out."""
    os.kill(pid, signal.SIGKILL)
