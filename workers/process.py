"""What one worker process has: the application, the engine, the leases. Built once, at start."""

import os
import socket
from dataclasses import dataclass

from flask import Flask

from app import log, settings
from app.factory import create_app
from app.sending import engine
from app.sending.deliver import deliver
from app.sending.engine import Engine
from app.sending.leases import LeaseKeeper
from app.settings import Settings


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


def build() -> Process:
    """From the environment."""
    found = settings.load()
    log.configure()
    app = create_app(found)
    owner = f"{socket.gethostname()}:{os.getpid()}"
    built = engine.build(found, owner)
    return Process(app, found, built, LeaseKeeper(app, built))
