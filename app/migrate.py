"""The database's shape: bring it up to date, or ask whether it is.

Alembic without an ini file; the steps are in `migrations/versions`, one head.
"""

import re
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

FOLDER: Final = Path(__file__).resolve().parent.parent / "migrations"
_LOCK: Final = 0x68_65_72_61  # one migration at a time, whoever starts first
_PARTITION: Final = re.compile(r"_\d{4}_\d{2}$")


def upgrade(url: str, revision: str = "head") -> str | None:
    """Take every missing step up to `revision`; returns the revision the database is at.

    Safe to call from several machines at once: the second waits and finds nothing to do.
    """
    with _engine(url).connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        try:
            if revision == "head" and current(connection) == head():
                return head()  # without the tables' modules: a start is quick when nothing is due
            command.upgrade(_config(connection), revision)
            connection.commit()
            return current(connection)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()


def downgrade(url: str, revision: str) -> None:
    """Undo the steps after `revision` (`base` undoes all, with all data)."""
    with _engine(url).connect() as connection:
        command.downgrade(_config(connection), revision)
        connection.commit()


@cache
def head() -> str | None:
    """The newest revision this code knows."""
    return ScriptDirectory(str(FOLDER)).get_current_head()


def current(connection: Connection) -> str | None:
    """The revision a database is at; None for an empty one."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def at_head(url: str) -> bool:
    """Is the database exactly as this code wants it?"""
    with _engine(url).connect() as connection:
        return current(connection) == head()


def is_described(name: str | None, kind: str, _parents: object) -> bool:
    """Does the metadata speak of this? Of partitions only the parents: code makes the months."""
    return kind != "table" or name is None or _PARTITION.search(name) is None


def _engine(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
