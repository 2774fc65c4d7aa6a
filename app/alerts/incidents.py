"""Incidents: opened once per cause, counted while they last, resolved when the cause is gone."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
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
    counted = "count = incident.count + excluded.count"
    return _put(session, counted, cause, title, detail, facts, now, severity, count)


def keep(
    session: Session,
    cause: str,
    title: str,
    detail: str,
    facts: Mapping[str, Any],
    now: datetime,
    *,
    severity: str = "warning",
    count: int = 1,
) -> None:
    """Open an incident, or bring the open one up to date: for causes that are measured again.

    `count` is how many there are now; `facts["unit"]` names what is counted (`message`).
    """
    measured = "count = excluded.count, title = excluded.title, severity = excluded.severity"
    _put(session, measured, cause, title, detail, facts, now, severity, count)


def _put(  # noqa: PLR0913, PLR0917 - the columns of one row
    session: Session,
    changed: str,
    cause: str,
    title: str,
    detail: str,
    facts: Mapping[str, Any],
    now: datetime,
    severity: str,
    count: int,
) -> int:
    """Insert an incident, or write `changed` (SQL), detail and facts to the open one; its key."""
    found = session.execute(
        text(
            f"""
            insert into incident (cause, severity, title, detail, facts, count, first_at, last_at)
            values (:cause, :severity, :title, :detail, cast(:facts as jsonb), :count, :now, :now)
            on conflict (cause) where resolved_at is null do update
              set {changed}, last_at = excluded.last_at, detail = excluded.detail,
                  facts = excluded.facts
            returning id
            """  # noqa: S608 - only clauses of this module are put in
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


def resolve_others(
    session: Session,
    prefix: str,
    causes: Collection[str],
    now: datetime,
    *,
    quiet: timedelta = timedelta(0),
) -> int:
    """Close what is open under `prefix`, is not among `causes` and was `quiet`. How many."""
    changed = session.execute(
        update(Incident)
        .where(
            Incident.resolved_at.is_(None),
            Incident.cause.startswith(prefix, autoescape=True),
            Incident.cause.not_in(causes),
            Incident.last_at <= now - quiet,
        )
        .values(resolved_at=now)
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]


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
