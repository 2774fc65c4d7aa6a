"""Settings of the workspace that people change in the console. A limit that is off is None.

Read on the way to every send, so each process remembers them for three seconds.
"""

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal, get_args

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import zones
from app.accounts.models import WorkspaceSetting
from app.db import after_commit
from app.errors import FieldError, Invalid

REMEMBERED_SECONDS: Final = 3.0
NAME_LENGTH: Final = 80
MAX_ALERT_EMAILS: Final = 20
MOST_LATE: Final = 10_080  # minutes: a week
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


# What becomes of a message to somebody who has had as many as the cap allows: it is not sent, it
# waits until there is room again, or the more important campaign goes.
WhenFull = Literal["drop", "defer", "priority"]


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `messages` marketing messages to one person in any `days` days."""

    messages: int
    days: int
    when_full: WhenFull = "drop"


@dataclass(frozen=True, slots=True)
class Workspace:
    """What holds for the whole workspace."""

    name: str = "Herald"
    timezone: str = "UTC"
    cap: Cap | None = None
    # Wall time where the person lives, start and end: ("22:00", "08:00").
    quiet_hours: tuple[str, str] | None = None
    # A campaign found later than so many minutes after its time asks a person; None: never.
    late_minutes: int | None = 60
    tracking: bool = True
    alert_emails: tuple[str, ...] = ()


_memory: tuple[float, Workspace] | None = None
_lock = threading.Lock()


def get(session: Session) -> Workspace:
    """The settings; what was never set has its default. At most three seconds old."""
    remembered = _memory
    if remembered is not None and time.monotonic() < remembered[0]:
        return remembered[1]
    found = load(session)
    _remember(found)
    return found


def load(session: Session) -> Workspace:
    """The settings as they are now: for the page that changes them."""
    rows = session.execute(select(WorkspaceSetting.key, WorkspaceSetting.value))
    stored = {key: value.get("value") for key, value in rows}
    known = {field.name for field in fields(Workspace)}
    return Workspace(**{key: _read(key, stored[key]) for key in stored.keys() & known})


def save(session: Session, new: Workspace, member_id: int | None, now: datetime) -> Workspace:
    """Write what differs. Raises Invalid (all wrong fields at once). Returns what was before."""
    _check(new)
    before = load(session)
    old, values = asdict(before), asdict(new)
    rows = [
        {"key": key, "value": {"value": value}, "changed_at": now, "changed_by": member_id}
        for key, value in values.items()
        if old[key] != value
    ]
    if rows:
        statement = insert(WorkspaceSetting).values(rows)
        changed = {name: statement.excluded[name] for name in ("value", "changed_at", "changed_by")}
        session.execute(statement.on_conflict_do_update(index_elements=["key"], set_=changed))
        after_commit(session, forget)
    return before


def forget() -> None:
    """Ask the database at the next `get`."""
    _remember(None)


def _remember(workspace: Workspace | None) -> None:
    global _memory  # noqa: PLW0603 - one small value per process, replaced as a whole
    with _lock:
        _memory = (time.monotonic() + REMEMBERED_SECONDS, workspace) if workspace else None


def _read(key: str, value: Any) -> Any:
    if key == "cap" and isinstance(value, Mapping):
        return Cap(**value)
    return tuple(value) if isinstance(value, list) else value


def _check(new: Workspace) -> None:
    wrong = [*_check_general(new), *_check_limits(new), *_check_alerts(new)]
    if wrong:
        raise Invalid(wrong)


def _check_general(new: Workspace) -> list[FieldError]:
    wrong = []
    if not new.name.strip() or len(new.name) > NAME_LENGTH or not new.name.isprintable():
        message = f"Enter a name of 1 to {NAME_LENGTH} characters."
        wrong.append(FieldError("/name", "invalid_name", message))
    if new.timezone not in zones.names():
        wrong.append(FieldError("/timezone", "unknown_timezone", "Choose a time zone of the list."))
    return wrong


def _check_limits(new: Workspace) -> list[FieldError]:
    wrong = []
    if new.cap and not 1 <= new.cap.messages <= 1000:
        wrong.append(FieldError("/cap_messages", "out_of_range", "Enter a number from 1 to 1,000."))
    if new.cap and not 1 <= new.cap.days <= 90:
        wrong.append(FieldError("/cap_days", "out_of_range", "Enter 1 to 90 days."))
    if new.cap and new.cap.when_full not in get_args(WhenFull):
        message = "Choose one of the three ways."
        wrong.append(FieldError("/cap_when_full", "invalid_choice", message))
    if new.late_minutes is not None and not 1 <= new.late_minutes <= MOST_LATE:
        message = f"Enter 1 to {MOST_LATE:,} minutes."
        wrong.append(FieldError("/late_minutes", "out_of_range", message))
    for pointer, value in zip(("/quiet_start", "/quiet_end"), new.quiet_hours or (), strict=False):
        if not _CLOCK.fullmatch(value):
            wrong.append(FieldError(pointer, "invalid_time", "Enter a time such as 22:00."))
    if new.quiet_hours and new.quiet_hours[0] == new.quiet_hours[1]:
        message = "Quiet hours must end at another time than they begin."
        wrong.append(FieldError("/quiet_end", "invalid_time", message))
    return wrong


def _check_alerts(new: Workspace) -> list[FieldError]:
    if len(new.alert_emails) > MAX_ALERT_EMAILS:
        message = f"Enter at most {MAX_ALERT_EMAILS} addresses."
        return [FieldError("/alert_emails", "too_many", message)]
    for email in new.alert_emails:
        try:
            validate_email(email, check_deliverability=False, test_environment=True)
        except EmailNotValidError:
            message = f"{email} is not an e-mail address."
            return [FieldError("/alert_emails", "invalid_email", message)]
    return []
