"""Slows down guessing: after five failures with one e-mail address it waits, longer each time.

Counted by address, known or not, so that the answer never tells whether a member exists.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.accounts.models import SignInThrottle

FREE_TRIES: Final = 5
FIRST_WAIT: Final = timedelta(seconds=30)
LONGEST_WAIT: Final = timedelta(minutes=15)
FORGOTTEN_AFTER: Final = timedelta(hours=6)


def locked_until(session: Session, email: str, now: datetime) -> datetime | None:
    """When the next try with this address is allowed; None when it is allowed now.

    Takes the address's row lock until the end of the transaction: guesses queue up.
    """
    statement = insert(SignInThrottle).values(email_hash=_hash(email), failures=0, last_at=now)
    session.execute(statement.on_conflict_do_nothing())
    row = session.scalars(
        select(SignInThrottle).where(SignInThrottle.email_hash == _hash(email)).with_for_update()
    ).one()
    if row.last_at < now - FORGOTTEN_AFTER:
        row.failures = 0
    return row.locked_until if row.locked_until and row.locked_until > now else None


def count_failure(session: Session, email: str, now: datetime) -> None:
    """One more wrong password; sets the wait that follows from it."""
    row = session.get_one(SignInThrottle, _hash(email))
    row.failures += 1
    row.last_at = now
    over = row.failures - FREE_TRIES
    if over >= 0:
        row.locked_until = now + min(FIRST_WAIT * 2 ** min(over, 10), LONGEST_WAIT)
    session.execute(
        delete(SignInThrottle).where(SignInThrottle.last_at < now - 2 * FORGOTTEN_AFTER)
    )


def clear(session: Session, email: str) -> None:
    """Signed in: the slate is clean."""
    session.execute(delete(SignInThrottle).where(SignInThrottle.email_hash == _hash(email)))


def _hash(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()
