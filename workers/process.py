"""What one worker process has: the application, the engine, the leases. Built once, at start."""

import os
import socket
import threading
from dataclasses import dataclass

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from app import log, settings, timekeeper
from app.core import create_core
from app.sending import engine, installation
from app.sending.deliver import deliver
from app.sending.engine import Engine
from app.sending.leases import LeaseKeeper
from app.settings import Settings

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Process:
    """The parts an actor needs."""

    app: Flask
    settings: Settings
    engine: Engine
    leases: LeaseKeeper

    def deliver(self, batch_id: int) -> None:
        """Send one batch, in an application context of its own."""
        with self.app.app_context():
            deliver(self.engine, self.leases, batch_id)


def ready(running: Process, stop: threading.Event) -> bool:
    """Wait until the database was reached and examined; False when told to stop before.

    Nothing may be claimed before: this could be a copy that must not send. From then on this
    process has the database's time.
    """
    while not stop.is_set():
        try:
            with running.app.app_context():
                timekeeper.look()
                installation.begin(running.settings)
        except SQLAlchemyError as error:
            logger.warning("database_not_ready", error=type(error).__name__)
            stop.wait(1.0)
        else:
            timekeeper.keep(running.app)
            installation.keep(running.app, running.settings)
            return True
    return False


def prepare() -> Flask:
    """The application, from the environment: all that processes of one kind can share."""
    found = settings.load()
    log.configure()
    return create_core(found)


def build(app: Flask | None = None) -> Process:
    """This process, with an application that was prepared or one of its own."""
    app = app or prepare()
    found: Settings = app.config["HERALD"]
    owner = f"{socket.gethostname()}:{os.getpid()}"
    built = engine.build(found, owner)
    return Process(app, found, built, LeaseKeeper(app, built))
