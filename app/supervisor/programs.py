"""What runs on one machine, in the order it is started, and on which ports."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.embedded import Urls
from app.servers.process import free_port
from app.settings import Settings
from app.supervisor.child import Program

ROOT: Final = Path(__file__).resolve().parent.parent.parent
WEB_WORKERS: Final = 2
BULK_PROCESSES: Final = 2
DEFAULT_PORT: Final = 8000
SANDBOX_PORT: Final = 8025
SMTP_PORT: Final = 8026


@dataclass(frozen=True, slots=True)
class Place:
    """Where this Herald listens; `notes` are sentences about ports that were taken."""

    host: str
    web_port: int
    sandbox_port: int
    smtp_port: int
    notes: tuple[str, ...] = ()

    @property
    def web_url(self) -> str:
        """The console as seen from this machine."""
        return f"http://{_reachable(self.host)}:{self.web_port}"

    @property
    def sandbox_url(self) -> str:
        """The sandbox's HTTP address."""
        return f"http://127.0.0.1:{self.sandbox_port}"


def find_place(settings: Settings) -> Place:
    """The wanted ports where they are free, others where not."""
    web = free_port(settings.port, settings.host)
    # Beside another Herald (PORT= was given) the usual ports may be taken between look and use, and
    # two sandboxes that share a port would share each other's messages.
    usual = settings.port == DEFAULT_PORT
    sandbox = free_port(SANDBOX_PORT if usual else 0)
    smtp = free_port(SMTP_PORT if usual else 0)
    notes = []
    if web != settings.port:
        notes.append(
            f"Port {settings.port} is taken by another program; the console is on port {web}. "
            "Choose one yourself with PORT=."
        )
    if usual and sandbox != SANDBOX_PORT:
        notes.append(f"Port {SANDBOX_PORT} is taken; the sandbox is on port {sandbox}.")
    return Place(settings.host, web, sandbox, smtp, tuple(notes))


def environment(
    inherited: Mapping[str, str], settings: Settings, urls: Urls, place: Place
) -> dict[str, str]:
    """What every process is told: the inherited environment, with real addresses in it."""
    environ = dict(inherited)
    for name in ("DATABASE_URL_FILE", "REDIS_URL_FILE"):
        environ.pop(name, None)
    environ.update(
        DATABASE_URL=urls.database_url,
        REDIS_URL=urls.redis_url,
        HERALD_VAR_DIR=str(settings.var_dir),
        HERALD_HOST=place.host,
        PORT=str(place.web_port),
        PROMETHEUS_MULTIPROC_DIR=str(metrics_folder(settings)),
        PYTHONUNBUFFERED="1",
    )
    environ.setdefault("HERALD_PUBLIC_URL", place.web_url)
    environ.setdefault("SANDBOX_URL", place.sandbox_url)
    return environ


def metrics_folder(settings: Settings) -> Path:
    """Where the processes of one machine add up their counters, until the next start."""
    return settings.var_dir / "metrics"


def sandbox(environ: Mapping[str, str], settings: Settings, place: Place) -> Program:
    """The stand-in for the providers; everyone else reads the credentials it writes."""
    command = sandbox_command(
        settings.var_dir, "127.0.0.1", place.sandbox_port, place.smtp_port, place.web_url
    )
    return Program("sandbox", command, environ, ROOT)


def sandbox_command(
    var_dir: Path, host: str, port: int, smtp_port: int, callback_url: str
) -> list[str]:
    """Command line of the sandbox; it reports deliveries to `callback_url`."""
    command = python("app.sandbox.serve", "--host", host)
    command += ["--port", str(port), "--smtp-port", str(smtp_port)]
    return [*command, "--var-dir", str(var_dir), "--callback-url", callback_url]


def workers(environ: Mapping[str, str]) -> list[Program]:
    """One program per lane, so that a campaign never stands before a sign-in code."""
    programs = [
        Program(f"worker-{lane}", worker_command(lane), environ, ROOT)
        for lane in ("transactional", "bulk")
    ]
    return [*programs, Program("scheduler", python("workers.scheduler"), environ, ROOT)]


def worker_command(lane: str) -> list[str]:
    """Command line of a lane's worker: campaigns may use two cores."""
    command = python("workers.main", "--lane", lane)
    if lane == "bulk":
        command += ["--processes", str(min(BULK_PROCESSES, os.cpu_count() or 1))]
    return command


def web(environ: Mapping[str, str], place: Place) -> Program:
    """The console, the API and the hooks."""
    return Program("web", web_command(place.host, place.web_port, WEB_WORKERS), environ, ROOT)


def web_command(host: str, port: int, workers: int) -> list[str]:
    """Command line of the web server with so many processes that answer."""
    command = python("app.cli.serve", "--host", host, "--port", str(port))
    return [*command, "--workers", str(workers)]


def python(module: str, *arguments: str) -> list[str]:
    """Command line of a module of ours, run by this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def _reachable(host: str) -> str:
    """A wildcard is listened on, not visited."""
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host  # noqa: S104
