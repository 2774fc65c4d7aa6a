"""The database: one Flask-SQLAlchemy object, one naming convention, one way to open a transaction.

Rows are written inside `with transaction() as session:`, and only by entry points (views, actors,
the command line, `sending.deliver`). Domain functions take the session and never commit. Work that
must wait for the commit (queue messages, cache invalidation) is registered with `after_commit`.
"""

import random
import re
import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar

import psycopg
import structlog
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, Identity, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, registry
from sqlalchemy.pool import ConnectionPoolEntry

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Model(DeclarativeBase):
    """Base of every table: str is text, datetime timestamptz, dict jsonb, a list an array."""

    registry = registry(
        metadata=MetaData(naming_convention=NAMING),
        type_annotation_map={
            str: Text(),
            datetime: DateTime(timezone=True),
            dict[str, Any]: JSONB(),
            list[str]: ARRAY(Text()),
            list[int]: ARRAY(BigInteger()),
        },
    )


Key = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
Ref = Annotated[int, mapped_column(BigInteger)]

db = SQLAlchemy(model_class=Model, session_options={"expire_on_commit": False})

log = structlog.get_logger(__name__)
# The database's trouble, not that of what was asked of it: it is away, busy, or had to choose.
TROUBLE: Final = (OperationalError, InterfaceError, PoolTimeout)
Answer = TypeVar("Answer")
_AFTER_COMMIT = "herald_after_commit"
_ASKED = "herald_asked"
_TRUSTED_SECONDS = 5.0


def must_live(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Pool event `checkout`: replace a connection whose server is gone.

    To ask the server each time is a round trip per transaction. One that has stopped has closed
    the connection, which can be seen without asking: there is something to read. It is asked then,
    and when it has not been for some seconds (a network that lost it says nothing).
    """
    now = time.monotonic()
    asked = record.info.setdefault(_ASKED, now)  # a new connection has just been answered
    if now - asked < _TRUSTED_SECONDS and not _has_something_to_say(connection):
        return
    try:
        connection.autocommit = True
        connection.execute("")
        connection.autocommit = False
    except psycopg.Error as error:
        raise InvalidatePoolError from error
    record.info[_ASKED] = now


def _has_something_to_say(connection: Any) -> bool:
    try:
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        return bool(waiting.poll(0))
    except psycopg.Error:  # closed on this side
        return True


@contextmanager
def transaction() -> Iterator[Session]:
    """A session whose work is committed at the end of the block, or rolled back on an error.

    A block inside another joins it: the outermost commits. Needs an application context.
    """
    session: Session = db.session()
    depth = session.info.get("herald_depth", 0)
    if depth:
        yield session
        return
    session.info["herald_depth"] = 1
    try:
        yield session
        session.commit()
        waiting = session.info.pop(_AFTER_COMMIT, [])
    except BaseException:
        session.info.pop(_AFTER_COMMIT, None)
        session.rollback()
        raise
    finally:
        session.info["herald_depth"] = 0
        session.close()
    for action in waiting:
        _do(action)


def patiently(work: Callable[[], Answer], seconds: float) -> Answer:
    """Do `work`, a transaction of its own, again while the database is in trouble, for so long.

    Also when two transactions wait for each other: PostgreSQL ends one of them.
    """
    ends, pause = time.monotonic() + seconds, 0.05
    while True:
        try:
            return work()
        except TROUBLE as error:
            if time.monotonic() + pause > ends:
                raise
            log.warning("database_trouble", error=type(error).__name__, again_in_s=pause)
        time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - not a secret
        pause = min(2 * pause, 2.0)


def _do(action: Callable[[], None]) -> None:
    """What follows a commit cannot undo it: a caller who got an error would do it all again."""
    try:
        action()
    except Exception:
        log.exception("after_commit_failed")


def each_by_itself(session: Session) -> None:
    """To be called first in a transaction that only reads, or writes with a single statement.

    Each statement is then a transaction of its own and costs one round trip instead of three. In a
    transaction that has begun they are part of it, as ever.
    """
    if not session.in_transaction():
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})


def in_transaction() -> bool:
    """Whether a `transaction()` block is open here, which another one would join."""
    return db.session.registry.has() and bool(db.session().info.get("herald_depth", 0))


def after_commit(session: Session, action: Callable[[], None]) -> None:
    """Run `action` once the transaction has committed; never if it was rolled back."""
    session.info.setdefault(_AFTER_COMMIT, []).append(action)


def tuples(
    session: Session, statement: str, parameters: Mapping[str, Any]
) -> Sequence[tuple[Any, ...]]:
    """All rows of a query in the driver's own style (`%(name)s`), as plain tuples.

    For the statements that are made for every few hundred messages: what SQLAlchemy adds to each
    row and statement costs as much as loading them.
    """
    result = session.connection().exec_driver_sql(statement, dict(parameters))
    try:
        found: Sequence[tuple[Any, ...]] = result.cursor.fetchall()
        return found
    finally:
        result.close()


@lru_cache(maxsize=256)
def driver_style(statement: str) -> str:
    """The same SQL with `%(name)s` for each `:name`."""
    return _NAMED.sub(r"%(\1)s", statement.replace("%", "%%"))


_NAMED: Final = re.compile(r"(?<![:\w]):(\w+)")
