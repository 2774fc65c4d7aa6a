"""The audit trail: what members, keys and the system did. Append-only; there is no other writer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from app import paging
from app.accounts.models import AuditEntry
from app.paging import Page

Kind = Literal["member", "key", "system"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it. The name is kept as it was then."""

    name: str
    kind: Kind = "member"
    member_id: int | None = None
    ip: str | None = None


SYSTEM: Final = Actor("Herald", "system")

# First part of an action -> what it is about, as people read it.
AREAS: Final[Mapping[str, str]] = {
    "campaign": "Campaigns",
    "template": "Templates",
    "segment": "Segments",
    "contact": "People",
    "import": "Imports",
    "suppression": "Suppressions",
    "topic": "Topics",
    "message": "Messages",
    "queue": "Queues",
    "incident": "Alerts",
    "provider": "Providers",
    "key": "API keys",
    "member": "Members",
    "workspace": "Settings",
    "installation": "Holds",
    "session": "Sign-ins",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What to show of the trail; None or empty does not narrow."""

    text: str = ""
    area: str = ""
    member_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def record(
    session: Session,
    actor: Actor,
    action: str,
    subject: str,
    detail: Mapping[str, Any] | None,
    now: datetime,
) -> None:
    """Add a line, in the transaction of the deed itself.

    `action` is `noun.verb` (`campaign.launch`), `subject` a public id or a name. `detail` is JSON;
    `{"field": {"from": …, "to": …}}` is shown as a difference. No secrets, no content of messages.
    """
    session.add(
        AuditEntry(
            at=now,
            member_id=actor.member_id,
            actor=actor.name,
            actor_kind=actor.kind,
            action=action,
            subject=subject,
            detail=dict(detail or {}),
            ip=actor.ip,
        )
    )


def search(
    session: Session, filters: Filters, limit: int = 50, cursor: str | None = None
) -> Page[AuditEntry]:
    """A keyset page, newest first. Raises Invalid for a cursor that is not one."""
    statement = _narrow(select(AuditEntry), filters).order_by(AuditEntry.id.desc())
    before = paging.decode_cursor(cursor)
    if before is not None:
        statement = statement.where(AuditEntry.id < before)
    rows: Sequence[AuditEntry] = session.scalars(statement.limit(limit + 1)).all()
    return paging.cut(rows, limit, lambda row: row.id)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """`{"field": {"from", "to"}}` of what differs: a detail for `record`."""
    names = [*before, *(name for name in after if name not in before)]
    return {
        name: {"from": before.get(name), "to": after.get(name)}
        for name in names
        if before.get(name) != after.get(name)
    }


def _narrow(statement: Select[AuditEntry], filters: Filters) -> Select[AuditEntry]:
    if filters.text:
        statement = statement.where(
            or_(
                AuditEntry.actor.icontains(filters.text, autoescape=True),
                AuditEntry.subject.icontains(filters.text, autoescape=True),
                AuditEntry.action.icontains(filters.text, autoescape=True),
            )
        )
    if filters.area:
        statement = statement.where(
            AuditEntry.action.startswith(filters.area + ".", autoescape=True)
        )
    if filters.member_id is not None:
        statement = statement.where(AuditEntry.member_id == filters.member_id)
    if filters.since:
        statement = statement.where(AuditEntry.at >= filters.since)
    if filters.until:
        statement = statement.where(AuditEntry.at < filters.until)
    return statement
