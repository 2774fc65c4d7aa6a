"""Sign-ins on the server's side, so that signing out, disabling and a new password act at once.

The cookie holds a random token; the table holds its hash. Every request asks the table.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.accounts.models import Member, MemberSession

ABSOLUTE: Final = timedelta(hours=12)
# Who can hand out access is asked again sooner.
IDLE: Final = {"owner": timedelta(minutes=30), "developer": timedelta(minutes=30)}
IDLE_OTHERS: Final = timedelta(hours=2)
_SEEN_STEP: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is behind a request."""

    token: str
    member_id: int
    name: str
    email: str
    role: str
    timezone: str
    password_temporary: bool
    seen_at: datetime


def begin(session: Session, member: Member, now: datetime) -> str:
    """Start a session and return its token; old ones of the member are cleared away."""
    session.execute(
        delete(MemberSession).where(
            MemberSession.member_id == member.id, MemberSession.created_at < now - ABSOLUTE
        )
    )
    token = secrets.token_urlsafe(32)
    session.add(
        MemberSession(token_hash=_hash(token), member_id=member.id, created_at=now, seen_at=now)
    )
    member.last_seen_at = now
    session.flush()
    return token


def find(session: Session, token: str, now: datetime) -> SignedIn | None:
    """Who holds the token; None when it ended, idled too long, or the member was disabled."""
    row = session.execute(
        select(MemberSession.seen_at, Member)
        .join(Member, Member.id == MemberSession.member_id)
        .where(
            MemberSession.token_hash == _hash(token),
            MemberSession.created_at > now - ABSOLUTE,
            Member.disabled_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    seen_at, member = row
    if seen_at < now - IDLE.get(member.role, IDLE_OTHERS):
        return None
    return SignedIn(
        token=token,
        member_id=member.id,
        name=member.name,
        email=member.email,
        role=member.role,
        timezone=member.timezone,
        password_temporary=member.password_temporary,
        seen_at=seen_at,
    )


def is_due(signed_in: SignedIn, now: datetime) -> bool:
    """Whether `touch` would write anything."""
    return signed_in.seen_at < now - _SEEN_STEP


def touch(session: Session, signed_in: SignedIn, now: datetime) -> None:
    """The person did something: the idle limit starts anew. Written at most once a minute."""
    if not is_due(signed_in, now):
        return
    session.execute(
        update(MemberSession)
        .where(MemberSession.token_hash == _hash(signed_in.token))
        .values(seen_at=now)
    )
    session.execute(update(Member).where(Member.id == signed_in.member_id).values(last_seen_at=now))


def end(session: Session, token: str) -> None:
    """Sign out this browser."""
    session.execute(delete(MemberSession).where(MemberSession.token_hash == _hash(token)))


def end_all(session: Session, member_id: int, keep: str | None = None) -> None:
    """Sign the member out everywhere, but for the browser that holds `keep`."""
    statement = delete(MemberSession).where(MemberSession.member_id == member_id)
    if keep is not None:
        statement = statement.where(MemberSession.token_hash != _hash(keep))
    session.execute(statement)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
