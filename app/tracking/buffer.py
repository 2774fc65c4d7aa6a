"""Opens and clicks wait here for a moment, so that many become one transaction.

One buffer per process. A thread writes every second, or as soon as a chunk is full; a clean stop
writes what is left. When the database cannot be written to, hits are kept and tried again; beyond
a limit the oldest are given up, because a web process must not die of statistics.
"""

import atexit
import threading
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing import util
from typing import Final

import structlog

from app.tracking.engagement import Hit

CHUNK: Final = 500
PAUSE_SECONDS: Final = 1.0
KEPT: Final = 200_000

log = structlog.get_logger(__name__)


class Buffer:
    """Collects hits; `write` stores a chunk in a transaction of its own, or raises."""

    def __init__(
        self,
        write: Callable[[Sequence[Hit]], None],
        pause: float = PAUSE_SECONDS,
        chunk: int = CHUNK,
    ) -> None:
        self._write = write
        self._pause = pause
        self._chunk = chunk
        self._waiting: deque[Hit] = deque(maxlen=KEPT)
        self._start_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._full = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, hit: Hit) -> None:
        """Take a hit; returns at once."""
        self._waiting.append(hit)
        if self._thread is None:
            self._start()
        if len(self._waiting) >= self._chunk:
            self._full.set()

    def flush(self) -> None:
        """Write everything that waits, in chunks. Raises what `write` raises; nothing is lost."""
        with self._write_lock:
            while self._waiting:
                chunk = [self._waiting.popleft() for _ in range(self._size())]
                try:
                    self._write(chunk)
                except BaseException:
                    self._waiting.extendleft(reversed(chunk))
                    raise

    def close(self) -> None:
        """Stop the thread and write what is left. May be called twice."""
        self._stopped.set()
        self._full.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)
        self._flush_quietly()

    def _size(self) -> int:
        return min(self._chunk, len(self._waiting))

    def _start(self) -> None:
        # In the process that serves, not in the one that forked it.
        with self._start_lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
            self._thread.start()
            atexit.register(self.close)
            # A server's child process ends without running atexit on Python before 3.13.
            util.Finalize(None, self.close, exitpriority=100)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._full.wait(self._pause)
            self._full.clear()
            if not self._flush_quietly():
                self._stopped.wait(self._pause)

    def _flush_quietly(self) -> bool:
        try:
            self.flush()
        except Exception as error:
            log.warning(
                "tracking_not_written", waiting=len(self._waiting), error=type(error).__name__
            )
            return False
        return True
