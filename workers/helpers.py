"""More processes of the same worker, forked when everything is imported and nothing has begun.

Python runs on one core at a time. A second process uses a second one, and as a fork it shares with
the first the pages of all that was imported: most of what a process weighs.
"""

import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Final, Self

_PR_SET_PDEATHSIG: Final = 1
_PAUSE_SECONDS: Final = 0.05


class Helpers:
    """The forked processes, in the one that forked them; empty in the others."""

    def __init__(self, pids: Sequence[int] = ()) -> None:
        self._left = list(pids)
        self._lost = False

    @classmethod
    def fork(cls, number: int) -> Self:
        """Fork so many; returns in each of them, too. Call before any thread is started.

        A helper is asked to stop when the process that forked it goes, however it goes.
        """
        if number > 0:
            gc.collect()
            gc.freeze()  # the collector's marks would unshare the pages
        parent = os.getpid()
        pids = []
        for _ in range(number):
            pid = os.fork()
            if pid == 0:
                _stop_with(parent)
                return cls()
            pids.append(pid)
        return cls(pids)

    def lost(self) -> bool:
        """Whether one of them has ended."""
        self._bury()
        return self._lost

    def ask_to_stop(self) -> None:
        """SIGTERM to those that are left."""
        self._tell(signal.SIGTERM)

    def stop(self, patience: float) -> None:
        """Ask them, wait so many seconds, and kill those that are still there."""
        self.ask_to_stop()
        end = time.monotonic() + patience
        while self._left and time.monotonic() < end:
            self._bury()
            time.sleep(_PAUSE_SECONDS)
        self._tell(signal.SIGKILL)

    def _tell(self, number: int) -> None:
        for pid in self._left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _bury(self) -> None:
        for pid in list(self._left):
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG) == (0, 0):
                    continue
            self._left.remove(pid)
            self._lost = True


def _stop_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it went before we could ask
        sys.exit(1)
