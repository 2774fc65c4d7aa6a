"""Descendants: on Linux no process of ours, however distant, is left behind."""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Collection
from typing import Final

from app.servers.process import children_of

_PR_SET_CHILD_SUBREAPER: Final = 36


def adopt_orphans() -> None:
    """Grandchildren whose parent dies become our children, so that we can end them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(known: Collection[int]) -> None:
    """Bury adopted children that have ended; `known` are looked after by others."""
    for pid in children_of(os.getpid()):
        if pid not in known:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def end_all(patience: float = 2.0) -> None:
    """Kill every child that is left, and those that turn up when their parent goes."""
    deadline = time.monotonic() + patience
    while (left := children_of(os.getpid())) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
