"""The web server process behind `herald web` and `herald up`: `python -m app.cli.serve`.

Granian starts its workers by fork where it can. Everything is imported before that, once, so that a
start takes half the time, workers share their memory, and a worker that died is back at once.
"""

import argparse
import importlib
from typing import Final

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from app import log

THREADS: Final = 8
# Below the time the supervisor gives everyone to stop.
STOP_SECONDS: Final = 8
# What the server itself says goes where everything else goes, in the same form.
_LOGGERS: Final = {"loggers": {"_granian": {"handlers": [], "propagate": True}}}


def main() -> None:
    """Serve `wsgi:app` until SIGTERM or SIGINT."""
    arguments = argparse.ArgumentParser(description="Serve the console, the API and the hooks.")
    arguments.add_argument("--host", required=True)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--workers", type=int, required=True)
    chosen = arguments.parse_args()
    log.configure()
    importlib.import_module("app.factory")
    Granian(
        "wsgi:app",
        address=chosen.host,
        port=chosen.port,
        interface=Interfaces.WSGI,
        workers=chosen.workers,
        blocking_threads=THREADS,
        websockets=False,
        log_level=LogLevels.info,
        log_dictconfig=_LOGGERS,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
    ).serve()


if __name__ == "__main__":
    main()
