"""What PostgreSQL's planner knows of the size of the log's tables."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

_TABLES: Final = ("attempt", "batch", "copy", "event", "receipt")
# A table that has fewer pages than this, or less than four times those the planner knows of, is as
# it thinks.
_FEW_PAGES: Final = 16
_OUTGROWN: Final = """
  select c.oid::regclass::text from pg_class c
   where c.relkind = 'r'
     and (c.oid in (select inhrelid from pg_inherits where inhparent = 'notification'::regclass)
          or c.oid = any(cast(:tables as regclass[])))
     and pg_relation_size(c.oid) / cast(current_setting('block_size') as int)
         > greatest(4 * c.relpages, :few)
"""


def refresh(session: Session) -> list[str]:
    """Count anew the tables that have outgrown what is known of them; answers their names.

    A connection keeps its plans. One that was made while a month held a page of messages reads the
    month from end to end for each message, and still does when a campaign has put a million there:
    until the table is analyzed, which PostgreSQL by itself does a minute later.
    """
    names = list(session.scalars(text(_OUTGROWN), {"tables": list(_TABLES), "few": _FEW_PAGES}))
    for name in names:
        session.execute(text(f"analyze (skip_locked) {name}"))
    return names
