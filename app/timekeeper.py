"""Keeps the clock of this process with that of the database, which all processes share."""

import threading
import time
from typing import Final

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.db import db

EVERY_SECONDS: Final = 10.0
# An answer that took longer says too little about when it was given.
SLOWEST_SECONDS: Final = 1.0


def look() -> None:
    """Set the clock by the database's. Raises SQLAlchemyError when it does not answer."""
    with db.engine.connect() as connection:
        before = time.monotonic()
        moment = connection.scalar(select(func.clock_timestamp()))
        after = time.monotonic()
    if moment is not None and after - before < SLOWEST_SECONDS:
        clock.follow(moment, (before + after) / 2)


def keep(app: Flask) -> None:
    """Go on looking, in a thread that ends with the process."""
    threading.Thread(target=_run, args=(app,), name="clock", daemon=True).start()


def _run(app: Flask) -> None:
    while True:
        time.sleep(EVERY_SECONDS)
        try:
            with app.app_context():
                look()
        except SQLAlchemyError:  # the steady clock goes on meanwhile
            continue
