"""The database's shape: bring it up to date, or ask whether it is.

Alembic without an ini file; the steps are in `migrations/versions`, one head. Alembic itself is
imported only when there is something to do: every process asks, hardly any has to act.
"""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER: Final = Path(__file__).resolve().parent.parent / "migrations"
_LOCK: Final = 0x68_65_72_61  # one migration at a time, whoever starts first
_REVISION: Final = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)
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
            from alembic import command

            command.upgrade(_config(connection), revision)
            connection.commit()
            return current(connection)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
            connection.commit()


def downgrade(url: str, revision: str) -> None:
    """Undo the steps after `revision` (`base` undoes all, with all data)."""
    from alembic import command

    with _engine(url).connect() as connection:
        command.downgrade(_config(connection), revision)
        connection.commit()


@cache
def head() -> str:
    """The newest revision this code knows: that of the last file."""
    return _revision(max((FOLDER / "versions").glob("*.py")))


@cache
def known() -> frozenset[str]:
    """Every revision this code knows."""
    return frozenset(_revision(file) for file in (FOLDER / "versions").glob("*.py"))


def standing(revision: str | None) -> str:
    """How a database at this revision stands to this code: `ok`, `behind` or `ahead`.

    One that is ahead was migrated by a newer version, whose steps leave the older one working.
    """
    if revision == head():
        return "ok"
    return "behind" if revision is None or revision in known() else "ahead"


def _revision(file: Path) -> str:
    found = _REVISION.search(file.read_text(encoding="utf-8"))
    if found is None:
        raise LookupError(f"{file} names no revision.")
    return found.group(1)


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


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
