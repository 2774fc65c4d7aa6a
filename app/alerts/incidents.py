"""Incidents: opened once per cause, counted while they last, resolved when the cause is gone."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from app.alerts.models import Incident


def open_or_count(
    session: Session,
    cause: str,
    title: str,
    detail: str,
    facts: Mapping[str, Any],
    now: datetime,
    *,
    severity: str = "warning",
    count: int = 1,
) -> int:
    """Open an incident, or count `count` more of one that is open. Answers its key.

    `cause` is a stable fingerprint such as `email:config_error:401`. Operators are told once per
    incident, by `alerts.tell`.
    """
    found = session.execute(
        text(
            """
            insert into incident (cause, severity, title, detail, facts, count, first_at, last_at)
            values (:cause, :severity, :title, :detail, cast(:facts as jsonb), :count, :now, :now)
            on conflict (cause) where resolved_at is null do update
              set count = incident.count + excluded.count, last_at = excluded.last_at,
                  detail = excluded.detail, facts = excluded.facts
            returning id
            """
        ),
        {
            "cause": cause,
            "severity": severity,
            "title": title,
            "detail": detail,
            "facts": json.dumps(dict(facts), default=str),
            "count": count,
            "now": now,
        },
    )
    return int(found.scalar_one())


def resolve(session: Session, cause: str, now: datetime) -> bool:
    """Close the open incident of this cause, if there is one."""
    changed = session.execute(
        update(Incident)
        .where(Incident.cause == cause, Incident.resolved_at.is_(None))
        .values(resolved_at=now)
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def acknowledge(session: Session, incident_id: int, member_id: int, now: datetime) -> None:
    """A member has seen it; it stays open until its cause is gone."""
    session.execute(
        update(Incident)
        .where(Incident.id == incident_id, Incident.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=member_id)
    )
