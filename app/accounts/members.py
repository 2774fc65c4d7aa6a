"""Members: who works in the console, under which role, and how they prove it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app import ids, zones
from app.accounts import passwords, sessions, throttle
from app.accounts.models import Member
from app.accounts.roles import OWNER, ROLES
from app.errors import Conflict, FieldError, Invalid, NotFound

NAME_LENGTH: Final = 120
_LOCK: Final = 0x6D_65_6D_62  # decisions about the last owner are made one at a time


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of trying to sign in: a member, or nothing, and until when to wait."""

    member: Member | None = None
    locked_until: datetime | None = None


def create_member(
    session: Session,
    email: str,
    name: str,
    role: str,
    password: str,
    now: datetime,
    temporary: bool = False,
) -> Member:
    """A new member. Raises Invalid (all wrong fields at once), also for an address that is taken.

    A `temporary` password must be replaced at the first sign-in.
    """
    wrong: list[FieldError] = []
    address = _address(email, wrong)
    label = _name(name, wrong)
    _check_role(role, wrong)
    if address and by_email(session, address):
        wrong.append(FieldError("/email", "taken", "A member with this e-mail address exists."))
    try:
        passwords.check(password, email, name)
    except Invalid as error:
        wrong.extend(error.fields)
    if wrong:
        raise Invalid(wrong)
    member = Member(
        email=address,
        name=label,
        role=role,
        password_hash=passwords.hashed(password),
        password_temporary=temporary,
        created_at=now,
    )
    session.add(member)
    session.flush()
    return member


def authenticate(session: Session, email: str, password: str, now: datetime) -> Verdict:
    """Who this is. Failures are counted, so commit whatever the answer.

    Unknown, disabled, wrong password and locked cost the same time and tell nothing apart.
    """
    until = throttle.locked_until(session, email, now)
    if until:
        return Verdict(locked_until=until)
    member = by_email(session, email)
    usable = member is not None and member.disabled_at is None
    known_hash = member.password_hash if member is not None and usable else None
    if member is None or not passwords.matches(known_hash, password):
        if member is None:
            passwords.matches(None, password)
        throttle.count_failure(session, email, now)
        return Verdict()
    throttle.clear(session, email)
    if passwords.is_outdated(member.password_hash):
        member.password_hash = passwords.hashed(password)
    return Verdict(member)


def change_password(
    session: Session, member_id: int, current: str, new: str, now: datetime, keep: str | None
) -> None:
    """Replace the own password and sign out every other browser than `keep`'s.

    Raises Invalid for a wrong current password or a weak new one, Conflict while locked. Wrong
    ones are counted: commit in either case.
    """
    member = get(session, member_id)
    until = throttle.locked_until(session, member.email, now)
    if until:
        raise Conflict("Too many wrong passwords. Wait a few minutes and try again.")
    if not passwords.matches(member.password_hash, current):
        throttle.count_failure(session, member.email, now)
        raise Invalid.one("/current", "wrong_password", "That is not your current password.")
    passwords.check(new, member.email, member.name, "/new")
    if new == current:
        raise Invalid.one("/new", "unchanged", "Choose a password that differs from the old one.")
    _set_password(session, member, new, temporary=False, keep=keep)


def reset_password(session: Session, member_id: int) -> str:
    """Give the member a one-time password, returned once, and end all of their sessions."""
    member = get(session, member_id)
    password = passwords.make()
    _set_password(session, member, password, temporary=True, keep=None)
    throttle.clear(session, member.email)
    return password


def change_profile(session: Session, member_id: int, name: str, timezone: str) -> Member:
    """The member's own name and zone; an empty zone means that of the workspace."""
    wrong: list[FieldError] = []
    label = _name(name, wrong)
    if timezone and timezone not in zones.names():
        wrong.append(FieldError("/timezone", "unknown_timezone", "Choose a time zone of the list."))
    if wrong:
        raise Invalid(wrong)
    member = get(session, member_id)
    member.name, member.timezone = label, timezone
    return member


def change_role(session: Session, member_id: int, role: str) -> Member:
    """Acts at the member's next request. Raises Conflict for the last owner."""
    wrong: list[FieldError] = []
    _check_role(role, wrong)
    if wrong:
        raise Invalid(wrong)
    member = get(session, member_id)
    if role != OWNER:
        _keep_an_owner(session, member)
    member.role = role
    return member


def disable(session: Session, member_id: int, now: datetime) -> Member:
    """The member is out at once and cannot come back. Raises Conflict for the last owner."""
    member = get(session, member_id)
    _keep_an_owner(session, member)
    member.disabled_at = member.disabled_at or now
    sessions.end_all(session, member.id)
    return member


def enable(session: Session, member_id: int) -> Member:
    """The member may sign in again."""
    member = get(session, member_id)
    member.disabled_at = None
    return member


def get(session: Session, member_id: int | None) -> Member:
    """Raises NotFound."""
    member = session.get(Member, member_id) if member_id is not None else None
    if member is None:
        raise NotFound("There is no such member.")
    return member


def by_public_id(session: Session, public_id: str) -> Member:
    """The member behind `mem_…`. Raises NotFound."""
    return get(session, ids.decode("mem", public_id))


def by_email(session: Session, email: str) -> Member | None:
    """The member with this address, in any letter case."""
    return session.scalars(
        select(Member).where(func.lower(Member.email) == email.strip().lower())
    ).one_or_none()


def listed(session: Session) -> Sequence[Member]:
    """All members by name, those who may sign in first. A workspace has some dozens."""
    return session.scalars(
        select(Member).order_by(Member.disabled_at.is_not(None), func.lower(Member.name)).limit(500)
    ).all()


def names(session: Session, member_ids: set[int]) -> dict[int, str]:
    """Names by key: for lists that show who did something."""
    rows = session.execute(select(Member.id, Member.name).where(Member.id.in_(member_ids)))
    return {row.id: row.name for row in rows}


def _set_password(
    session: Session, member: Member, password: str, *, temporary: bool, keep: str | None
) -> None:
    member.password_hash = passwords.hashed(password)
    member.password_temporary = temporary
    sessions.end_all(session, member.id, keep)


def _keep_an_owner(session: Session, member: Member) -> None:
    if member.role != OWNER or member.disabled_at is not None:
        return
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    others = session.scalar(
        select(func.count()).where(
            Member.role == OWNER, Member.disabled_at.is_(None), Member.id != member.id
        )
    )
    if not others:
        raise Conflict(f"{member.name} is the last owner. Make somebody else an owner first.")


def _address(email: str, wrong: list[FieldError]) -> str:
    try:
        return validate_email(
            email.strip(), check_deliverability=False, test_environment=True
        ).normalized
    except EmailNotValidError:
        wrong.append(FieldError("/email", "invalid_email", "Enter an e-mail address."))
        return ""


def _name(name: str, wrong: list[FieldError]) -> str:
    label = " ".join(name.split())
    if not label or len(label) > NAME_LENGTH or not label.isprintable():
        message = f"Enter a name of 1 to {NAME_LENGTH} characters."
        wrong.append(FieldError("/name", "invalid_name", message))
    return label


def _check_role(role: str, wrong: list[FieldError]) -> None:
    if role not in ROLES:
        wrong.append(FieldError("/role", "invalid_choice", f"Choose one of {', '.join(ROLES)}."))
