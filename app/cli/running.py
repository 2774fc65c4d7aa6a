"""What a command needs of the running system: settings with real addresses, and the application."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from flask import Flask

from app.embedded import Embedded, Urls
from app.settings import Settings, load

if TYPE_CHECKING:
    from app.accounts.audit import Actor


@contextmanager
def reached() -> Iterator[Settings]:
    """Settings whose database and Redis answer.

    Without DATABASE_URL or REDIS_URL: those of a `herald up` in the same folder, or, when nothing
    runs, servers that are started for this one command.
    """
    settings = load()
    servers = Embedded(settings.var_dir, settings.database_url, settings.redis_url)
    try:
        urls = servers.start()
        yield replace(settings, database_url=urls.database_url, redis_url=urls.redis_url)
    finally:
        servers.stop()


@contextmanager
def application() -> Iterator[Flask]:
    """The application in its context, on a database that is up to date."""
    from app import log, migrate
    from app.core import create_core
    from app.db import db

    _know_the_folder(load())
    with reached() as settings:
        log.configure("WARNING")
        if not migrate.at_head(settings.database_url):
            raise click.ClickException("The database is not up to date. Run: herald db migrate")
        app = create_core(settings)
        with app.app_context():
            try:
                yield app
            finally:
                db.session.remove()
                db.engine.dispose()


def _know_the_folder(settings: Settings) -> None:
    """Typed in another folder, a command must not make a second, empty Herald there."""
    if not settings.database_url and not (settings.var_dir / "postgres").exists():
        raise click.ClickException(
            f"There is no Herald in {settings.var_dir}. Type this in Herald's own folder, or set "
            "HERALD_VAR_DIR to its var folder, or DATABASE_URL."
        )


def actor() -> "Actor":
    """Who the audit trail names: the user of this machine."""
    from app.accounts.audit import Actor

    return Actor(f"{getpass.getuser()} at the command line", "system")


def attached() -> Urls:
    """Addresses that are given or belong to a running `herald up`; nothing is started."""
    settings = load()
    servers = Embedded(settings.var_dir, settings.database_url, settings.redis_url)
    urls = servers.attach()
    if urls is None:
        raise click.ClickException(
            "Nothing runs here. Start everything with `herald up`, or set DATABASE_URL and "
            "REDIS_URL to your servers."
        )
    return urls


def become(command: list[str], folder: Path, *, alone: bool = False) -> NoReturn:
    """Turn this process into another of Herald's, told the addresses of what runs here.

    One that does its work `alone` needs neither database nor queue.
    """
    environ = dict(os.environ)
    environ["HERALD_VAR_DIR"] = str(load().var_dir)
    if not alone:
        urls = attached()
        environ.update(DATABASE_URL=urls.database_url, REDIS_URL=urls.redis_url)
    os.chdir(folder)
    os.execvpe(command[0], command, environ)  # noqa: S606
