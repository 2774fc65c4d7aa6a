"""What periodic checks found the last time: one row per check, for the next check and for pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.sending.safety import Checkup


@dataclass(frozen=True, slots=True)
class Found:
    """When a check ended, how long it took, and what it found."""

    at: datetime
    seconds: float
    facts: Mapping[str, Any]


def last(session: Session, name: str) -> Found | None:
    """The last result of a check; None when it has never run."""
    row = session.execute(
        select(Checkup.at, Checkup.took_ms, Checkup.facts).where(Checkup.name == name)
    ).one_or_none()
    return Found(row[0], row[1] / 1000, row[2]) if row else None


def keep(
    session: Session, name: str, seconds: float, facts: Mapping[str, Any], now: datetime
) -> None:
    """Write down the result of a check that has just ended."""
    values = {"at": now, "took_ms": round(seconds * 1000), "facts": dict(facts)}
    statement = insert(Checkup).values(name=name, **values)
    session.execute(statement.on_conflict_do_update(index_elements=[Checkup.name], set_=values))
