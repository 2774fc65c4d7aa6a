"""One process that is started, and started again whenever it ends."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.servers.process import kill_group, spawn
from app.supervisor.logs import Log

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
# A process that ran this long was healthy: its next failure is a first failure again.
STEADY_SECONDS: Final = 60.0
_CHUNK: Final = 65536


@dataclass(frozen=True, slots=True)
class Program:
    """What to run under which name; the environment is complete, nothing is inherited."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True, slots=True)
class Death:
    """A process ended on its own: how, and how long until the next start (seconds)."""

    name: str
    reason: str
    pause: float
    in_a_row: int


class Child:
    """A program, its running process if there is one, and when to start it next."""

    def __init__(self, program: Program, log: Log) -> None:
        self.program = program
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._next_start = 0.0
        self._failures = 0

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name

    def start(self) -> None:
        """Start the process in a session of its own, its output in our pipe."""
        self.process = spawn(
            self.program.command,
            output=subprocess.PIPE,
            cwd=self.program.cwd,
            env=self.program.environ,
        )
        self._started = time.monotonic()
        if self.process.stdout:
            os.set_blocking(self.process.stdout.fileno(), False)

    def output(self) -> int | None:
        """The descriptor its output is read from."""
        if self.process is None or self.process.stdout is None or self.process.stdout.closed:
            return None
        return self.process.stdout.fileno()

    def drain(self) -> bytes:
        """Move what it printed to the log; returns it too."""
        descriptor = self.output()
        printed = b""
        while descriptor is not None:
            try:
                chunk = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                break
            if not chunk:
                break
            self.log.write(chunk)
            printed += chunk
        return printed

    def check(self) -> Death | None:
        """Has it ended since the last look? Then plan the next start, later each time."""
        if self.process is None or self.process.poll() is None:
            return None
        self.drain()
        code = self._bury()
        now = time.monotonic()
        if now - self._started >= STEADY_SECONDS:
            self._failures = 0
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self._failures)
        self._failures += 1
        self._next_start = now + pause
        return Death(self.name, _reason(code), pause, self._failures)

    def is_due(self) -> bool:
        """Is it down, and its pause over?"""
        return self.process is None and time.monotonic() >= self._next_start

    def ask_to_stop(self) -> None:
        """SIGTERM to the process itself; it tells its own children."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def has_ended(self) -> bool:
        """No process, or one that is over."""
        return self.process is None or self.process.poll() is not None

    def end(self) -> None:
        """Kill what is left of it and of its children."""
        if self.process is None:
            return
        kill_group(self.process.pid)
        self.process.wait()
        self.drain()
        self._bury()

    def _bury(self) -> int:
        process = self.process
        self.process = None
        if process is None:
            return 0
        # Its own children may have survived it, and hold its port.
        kill_group(process.pid)
        if process.stdout:
            process.stdout.close()
        return process.returncode or 0


def _reason(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
