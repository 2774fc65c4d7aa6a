"""Monthly partitions of the notification table."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

# Room in each page for the second version of its rows: a message is inserted once and updated once,
# and an update that stays in its page touches no index (HOT).
FILL: Final = 45
_CAN_CLEAR: Final = 180_000  # the first version of PostgreSQL with pg_clear_relation_stats


def ensure(session: Session, first: datetime, last: datetime) -> list[str]:
    """Create the partitions of every month from `first` to `last`; answers the names made now."""
    made = []
    for year, month in _months(first, last):
        name = f"notification_{year}_{month:02d}"
        if session.scalar(text("select to_regclass(:name)"), {"name": name}):
            continue
        following = (year + month // 12, month % 12 + 1)
        session.execute(
            text(
                f"create table {name} partition of notification for values "
                f"from ('{year}-{month:02d}-01+00') to ('{following[0]}-{following[1]:02d}-01+00') "
                f"with (fillfactor = {FILL})"
            )
        )
        made.append(name)
    return made


def forget_emptiness(session: Session) -> None:
    """Let nobody plan for months to come as if they stayed empty.

    An ANALYZE of all tables (an upgrade of PostgreSQL ends with one) notes that they hold no rows.
    A plan that a connection keeps from then on reads such a month from end to end, and still does
    when the month has come and its rows with it. Without figures PostgreSQL assumes some rows.
    """
    if int(session.scalar(text("show server_version_num")) or 0) < _CAN_CLEAR:
        return
    session.execute(
        text(
            """
            select pg_clear_relation_stats(cast(relnamespace::regnamespace as text), relname)
              from pg_class join pg_inherits on inhrelid = pg_class.oid
             where inhparent = 'notification'::regclass and reltuples = 0 and relpages = 0
            """
        )
    )


def _months(first: datetime, last: datetime) -> Iterator[tuple[int, int]]:
    year, month = first.year, first.month
    while (year, month) <= (last.year, last.month):
        yield year, month
        year, month = (year + month // 12, month % 12 + 1)
