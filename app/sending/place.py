"""Which installation this process sends for: asked in the statement that lets a batch go.

A copy may take the place of the database while workers run (a backup restored beneath them). The
examination of `installation` comes seconds later; until then a batch goes only from the database
that lives where its own row says, and whose counter is not behind what this process has seen.
"""

import threading
from dataclasses import dataclass
from typing import Any, Final

# A failover to a replica may lose the last moments; this much is taken for that: one minute.
LOST_BEATS: Final = 6

#: SQL with `values`. False: this is a copy.
IS_OURS: Final = """
    not exists (
      select from installation i
       where (i.token = %(token)s and i.beats < %(beats)s)
          or split_part(i.fingerprint, ':', 2) <> (
            select oid::text from pg_database where datname = current_database()))
"""


@dataclass(frozen=True, slots=True)
class _Known:
    """The installation by its token, and the highest count of it."""

    token: str = ""
    beats: int = 0


_known = _Known()
_lock = threading.Lock()


def remember(token: str, beats: int) -> None:
    """What was read of the counter, in the database or outside of it."""
    global _known  # noqa: PLW0603 - one process, one installation
    with _lock:
        before = _known.beats if _known.token == token else 0
        _known = _Known(token, max(before, beats))


def values() -> dict[str, Any]:
    """The names in IS_OURS."""
    return {"token": _known.token, "beats": _known.beats - LOST_BEATS}
