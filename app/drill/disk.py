"""A disk that is small enough to be filled: memory, seen by the processes of one Herald alone.

It is mounted in a mount namespace of their own, so that it is gone with the last of them, however
they end, and nobody else can see it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.servers.process import ServerError

NEEDS_ROOT: Final = (
    "The fault disk-full needs root on Linux, with the right to mount: PostgreSQL's data lie on a "
    "small disk of their own then."
)
_MOUNT: Final = """
mkdir -p "$1" && mount -t tmpfs -o "size=$2m,mode=755" herald-drill "$1" && shift 2 && exec "$@"
"""
_CHUNK: Final = 1 << 20


class CannotRunError(ServerError):
    """The drill cannot begin; that says nothing about promises."""


class CannotMountError(CannotRunError):
    """This process may not mount anything."""


def check() -> None:
    """Raises CannotMountError where `with_small_disk` would not work."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None:
        raise CannotMountError(NEEDS_ROOT)
    mount = ["mount", "-t", "tmpfs", "herald-drill", tempfile.gettempdir()]
    tried = subprocess.run(["unshare", "--mount", *mount], capture_output=True)
    if tried.returncode:
        raise CannotMountError(NEEDS_ROOT)


def with_small_disk(folder: Path, size_mb: int, command: Sequence[str]) -> list[str]:
    """A command line that runs `command` with so small a disk at `folder`."""
    shell = ["sh", "-c", _MOUNT, "herald-drill", str(folder), str(size_mb)]
    return ["unshare", "--mount", *shell, *command]


def fill(pid: int, folder: Path, seconds: float, meanwhile: Callable[[], None]) -> None:
    """Leave no byte on the disk that process `pid` sees at `folder`, for so long.

    `meanwhile` is called again and again while the disk is full.
    """
    filler = Path(f"/proc/{pid}/root{folder}/filler")
    end = time.monotonic() + seconds
    with filler.open("wb", buffering=0) as file:
        while time.monotonic() < end:
            _write_all(file.fileno())
            meanwhile()
            time.sleep(0.05)  # what is freed meanwhile is taken again
    filler.unlink()


def _write_all(descriptor: int) -> None:
    for size in (_CHUNK, 4096):
        with suppress(OSError):
            while True:
                os.write(descriptor, bytes(size))
