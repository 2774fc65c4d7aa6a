"""Is this the database that has been sending, or a copy of it?

A copy that is started (a restored backup, a cloned server) would send what waits in it a second
time. It is recognised by where it lives, which a dump, a restore and a template change, and by a
counter outside of it, which a snapshot restored in place has fallen behind of. Then it is held:
no batch is claimed, no campaign starts, nothing is released, until a person decides.
"""

import contextlib
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import clock
from app.alerts import incidents
from app.db import after_commit, transaction
from app.sending import beats, place
from app.settings import Settings

BEAT_SECONDS: Final = 10
LOOK_SECONDS: Final = 5.0
CAUSE: Final = "installation:held"
BY_ITSELF: Final = "Herald"
COPIED: Final = (
    "This database is a copy: it was made in another place. If the original still runs, whatever "
    "goes out here goes out twice."
)
OLDER: Final = (
    "This database is older than the one that ran here: it was restored from a backup. What was "
    "sent since then would be sent again."
)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing goes out since `since`. `discarding_at`: what waited then is being cancelled."""

    since: datetime
    by: str
    reason: str
    discarding_at: datetime | None


def hold(session: Session) -> Hold | None:
    """Why nothing goes out; None when Herald sends as usual."""
    row = session.execute(
        text(
            "select held_at, held_by, held_reason, discarding_at from installation "
            "where held_at is not null"
        )
    ).one_or_none()
    return Hold(row[0], row[1] or BY_ITSELF, row[2] or "", row[3]) if row else None


def examine(session: Session, var_dir: Path, now: datetime) -> None:
    """Make the installation known at its first start; hold it when it is a copy.

    To be committed before anything is claimed. Any number of processes may do it at once.
    """
    here = fingerprint(session)
    row = session.execute(
        text("select token, fingerprint, beats, held_at from installation")
    ).one_or_none()
    if row is None:
        session.execute(
            text(
                "insert into installation (id, token, fingerprint) "
                "values (1, :token, :fingerprint) on conflict do nothing"
            ),
            {"token": secrets.token_hex(8), "fingerprint": here},
        )
        return
    token, lives, count, held_at = row
    seen = beats.seen(var_dir, token)
    place.remember(token, max(seen, count))
    if held_at is None and lives != here:
        _hold(session, COPIED, now)
    elif held_at is None and seen > count + place.LOST_BEATS:
        _hold(session, OLDER, now)


def _hold(session: Session, reason: str, now: datetime) -> None:
    if set_hold(session, BY_ITSELF, reason, now):
        after_commit(session, lambda: log.warning("installation_held", reason=reason))


def fingerprint(session: Session) -> str:
    """Where the database lives: its cluster and its number there."""
    allowed = session.scalar(
        text("select has_function_privilege('pg_control_system()', 'execute')")
    )
    cluster = "unknown"
    if allowed:
        cluster = str(session.scalar(text("select system_identifier from pg_control_system()")))
    number = session.scalar(text("select oid from pg_database where datname = current_database()"))
    return f"{cluster}:{number}"


def set_hold(session: Session, by: str, reason: str, now: datetime) -> bool:
    """Let nothing go out from now on. False: it was held already."""
    changed = session.execute(
        text(
            "update installation set held_at = :now, held_by = :by, held_reason = :reason, "
            "discarding_at = null where held_at is null"
        ),
        {"now": now, "by": by, "reason": reason},
    )
    if not changed.rowcount:  # type: ignore[attr-defined]
        return False
    incidents.keep(
        session,
        CAUSE,
        "Nothing is sent: this installation is held",
        reason,
        {},
        now,
        severity="critical",
    )
    return True


def hold_by_hand(session: Session, var_dir: Path, by: str, reason: str, now: datetime) -> bool:
    """`set_hold` by a person, who may come before the first process that sends."""
    examine(session, var_dir, now)
    return set_hold(session, by, reason, now)


def release(session: Session, now: datetime) -> bool:
    """This is the real one, here and now: send again. False: it was not held."""
    changed = session.execute(
        text(
            """
            update installation set held_at = null, held_by = null, held_reason = null,
                   discarding_at = null, token = :token, fingerprint = :fingerprint, beats = 0
             where held_at is not null
            """
        ),
        # A new token: counters of the other one are not ours.
        {"token": secrets.token_hex(8), "fingerprint": fingerprint(session)},
    )
    incidents.resolve(session, CAUSE, now)
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def begin(settings: Settings) -> None:
    """For the start of a process: examine, in a transaction of its own."""
    with transaction() as session:
        examine(session, settings.var_dir, clock.now())


def keep(app: Flask, settings: Settings) -> None:
    """Go on examining, in a thread that ends with the process: for those that send."""
    threading.Thread(target=_keep, args=(app, settings), name="installation", daemon=True).start()


def _keep(app: Flask, settings: Settings) -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        # A database that is away is found by whoever works with it.
        with contextlib.suppress(SQLAlchemyError), app.app_context():
            begin(settings)


def beat(settings: Settings) -> None:
    """The scheduler's: examine again, and raise the counter in the database and outside of it."""
    now = clock.now()
    with transaction() as session:
        examine(session, settings.var_dir, now)
        row = session.execute(
            text(
                """
                update installation set beat_at = :now,
                       beats = beats + case when held_at is null then 1 else 0 end
                returning token, beats, held_at
                """
            ),
            {"now": now},
        ).one()
    if row[2] is None:
        beats.write(settings.var_dir, row[0], row[1])
