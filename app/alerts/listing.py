"""Incidents for people: open ones, those of the past, and who is told."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import ids
from app.alerts.models import Incident
from app.errors import NotFound
from app.paging import Page, cut, decode_cursor

MOST_OPEN = 200


def still_open(session: Session, limit: int = MOST_OPEN) -> Sequence[Incident]:
    """Open incidents: unseen before acknowledged, critical first, then the newest."""
    return session.scalars(
        select(Incident)
        .where(Incident.resolved_at.is_(None))
        .order_by(
            Incident.acknowledged_at.is_not(None),
            (Incident.severity == "critical").desc(),
            Incident.first_at.desc(),
        )
        .limit(limit)
    ).all()


def resolved(session: Session, cursor: str | None = None, limit: int = 50) -> Page[Incident]:
    """Incidents whose cause is gone, newest first."""
    statement = select(Incident).where(Incident.resolved_at.is_not(None))
    before = decode_cursor(cursor)
    if before is not None:
        statement = statement.where(Incident.id < before)
    rows = session.scalars(statement.order_by(Incident.id.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: row.id)


def count_open(session: Session) -> int:
    """How many are open, seen or not."""
    counted = select(func.count()).select_from(Incident).where(Incident.resolved_at.is_(None))
    return session.scalar(counted) or 0


def by_public_id(session: Session, public_id: str) -> Incident:
    """The incident behind `inc_…`. Raises NotFound."""
    key = ids.decode("inc", public_id)
    found = session.get(Incident, key) if key is not None else None
    if found is None:
        raise NotFound("There is no such alert.")
    return found
