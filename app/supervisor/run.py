"""The whole of `herald up`, from the first line it prints to the last process it stops."""

import shutil
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

from app import migrate
from app.embedded import Embedded, Urls
from app.servers.process import ServerError, is_free, tail
from app.settings import Settings
from app.supervisor import family, programs
from app.supervisor.announce import announcement
from app.supervisor.demo_data import demo_data
from app.supervisor.keeper import Keeper
from app.supervisor.programs import Place
from app.supervisor.runfile import RunFile

# A busy machine is slow, not broken: what really fails is restarted and reported meanwhile.
READY_SECONDS: Final = 300.0
SANDBOX_SECONDS: Final = 120.0


class _Stop(BaseException):
    """A signal asked us to end; no `except Exception` may keep it."""


def up(
    settings: Settings,
    environ: Mapping[str, str],
    say: Callable[[str], None],
    follow: bool = False,
) -> None:
    """Run everything until SIGTERM or Ctrl-C, then stop everything.

    Raises AlreadyRunning when the folder is in use, ServerError when a part cannot be started.
    """
    run_file = RunFile(settings.var_dir)
    run_file.acquire()
    family.adopt_orphans()
    servers = Embedded(settings.var_dir, settings.database_url, settings.redis_url)
    keeper = Keeper(servers, settings.var_dir / "log", say, follow)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        facts = _start(settings, environ, servers, keeper, say)
        run_file.publish(facts)
        say(announcement(facts, settings.var_dir))
        keeper.keep()
    except _Stop:
        say("Stopping …")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        keeper.stop()
        servers.stop()
        family.end_all()
        run_file.release()
    say("Stopped.")


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stop


def _start(
    settings: Settings,
    environ: Mapping[str, str],
    servers: Embedded,
    keeper: Keeper,
    say: Callable[[str], None],
) -> dict[str, Any]:
    say("Starting …")
    place = programs.find_place(settings)
    for note in place.notes:
        say(note)
    _empty(programs.metrics_folder(settings))
    own_sandbox = not settings.sandbox_url
    if own_sandbox:
        keeper.start(programs.sandbox(environ, settings, place))
    urls = servers.start()
    migrate.upgrade(urls.database_url)
    if own_sandbox:
        _await_sandbox(settings.var_dir, place, keeper)
    # The console first: a newcomer waits for it, and all at once would slow it down.
    shared = programs.environment(environ, settings, urls, place)
    keeper.start(programs.web(shared, place))
    _await_web(settings.var_dir, place, keeper)
    # Before the workers, who would send the demo's past campaigns once more.
    demo = demo_data(settings, shared, keeper, say)
    for program in programs.workers(shared):
        keeper.start(program)
    return _facts(urls, shared, place, demo)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _await_sandbox(var_dir: Path, place: Place, keeper: Keeper) -> None:
    """The other processes read its credentials when they start."""
    credentials = var_dir / "sandbox" / "credentials.json"

    def listens() -> bool:
        return credentials.exists() and not is_free(place.sandbox_port)

    if not keeper.wait_for(listens, SANDBOX_SECONDS):
        log = var_dir / "log" / "sandbox.log"
        raise ServerError(f"The sandbox does not start. The end of {log}:\n{tail(log)}")


def _await_web(var_dir: Path, place: Place, keeper: Keeper) -> None:
    if not keeper.wait_for(lambda: _is_ready(place.web_url), READY_SECONDS):
        log = var_dir / "log" / "web.log"
        raise ServerError(f"The console does not start. The end of {log}:\n{tail(log)}")


def _is_ready(web_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{web_url}/readyz", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _facts(
    urls: Urls, shared: Mapping[str, str], place: Place, demo: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "web_url": place.web_url,
        "sandbox_url": shared["SANDBOX_URL"],
        "database_url": urls.database_url.replace("+psycopg", "", 1),
        "redis_url": urls.redis_url,
        "members": demo.get("members", []),
        "keys": demo.get("keys", {"live": None, "test": None}),
    }
