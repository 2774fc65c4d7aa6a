"""An index for every custom attribute that saved segments ask about.

Made in the background, without blocking writers (CREATE INDEX CONCURRENTLY), on the very expression
that rules use: `attributes -> 'plan'` serves equality, lists and ranges.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Engine, select, text

from app.audience import rules
from app.audience.fields import ATTRIBUTE_NAME
from app.audience.models import Segment
from app.db import db, transaction

MOST: Final = 12  # every index makes every import slower
_LOCK: Final = 0x48_45_52_49  # indexes are made by one process at a time
_PREFIX: Final = "ix_contact_attribute_"
_LONGEST_NAME: Final = 63 - len(_PREFIX)  # what PostgreSQL keeps of a name


def ensure_used() -> list[str]:
    """Index what segments ask about, as far as `MOST` allows; returns the names of new ones.

    Needs an application context and no transaction around it. Two at once would wait for each
    other, so one makes them all: it looks again until nothing is missing.
    """
    made: list[str] = []
    with _alone(db.engine) as is_alone:
        while is_alone and (wanted := _wanted(db.engine)):
            _create(db.engine, wanted[0])
            made.append(wanted[0])
    return made


def _wanted(engine: Engine) -> list[str]:
    with transaction() as session:
        trees = session.scalars(select(Segment.rule).where(Segment.archived_at.is_(None))).all()
    used = (name for tree in trees for name in rules.attributes_used(tree))
    asked = {name for name in used if len(name) <= _LONGEST_NAME}
    known = _existing(engine)
    return sorted(asked - known)[: max(0, MOST - len(known))]


@contextmanager
def _alone(engine: Engine) -> Iterator[bool]:
    """False when another process is at it; never waits, which would hold up the index itself."""
    with engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        is_free = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}))
        try:
            yield is_free
        finally:
            if is_free:
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})


def _existing(engine: Engine) -> set[str]:
    """Attributes with a finished index; what is left of an interrupted one is removed."""
    with engine.connect() as connection:
        rows = connection.execute(_INDEXES, {"like": _PREFIX + "%"}).all()
    for row in rows:
        if not row.indisvalid:
            _run(engine, f'DROP INDEX CONCURRENTLY IF EXISTS "{row.relname}"')
    return {row.relname.removeprefix(_PREFIX) for row in rows if row.indisvalid}


def _create(engine: Engine, name: str) -> None:
    if not ATTRIBUTE_NAME.fullmatch(name):
        raise ValueError(name)
    _run(
        engine,
        f'CREATE INDEX CONCURRENTLY IF NOT EXISTS "{_PREFIX}{name}" '
        f"ON contact ((attributes -> '{name}'))",
    )
    _run(engine, "ANALYZE contact")


def _run(engine: Engine, statement: str) -> None:
    """Outside any transaction, and for as long as it takes."""
    with engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("SET statement_timeout = 0"))
        try:
            connection.exec_driver_sql(statement)
        finally:
            connection.execute(text("RESET statement_timeout"))


_INDEXES: Final = text(
    """
    SELECT c.relname, i.indisvalid
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = 'contact'::regclass AND c.relname LIKE :like
    """
)
