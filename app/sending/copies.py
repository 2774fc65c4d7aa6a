"""Copies as sent: what rendering was given, kept per batch, so that each message can be shown."""

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.sending.compose import copy_facts
from app.sending.facts import Row
from app.sending.models import Attempt, Copy


def keep(session: Session, batch_id: int, rows: Sequence[Row], now: datetime) -> None:
    """Keep the variables of these messages; a later try of the same batch overwrites them."""
    packed = zlib.compress(orjson.dumps(copy_facts(rows)), 1)
    statement = insert(Copy).values(batch_id=batch_id, at=now, facts=packed)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Copy.batch_id], set_={"at": now, "facts": packed}
        )
    )


def of(session: Session, notification_id: int) -> Mapping[str, Any] | None:
    """The variables of the last try of a message; None when it never went out."""
    batch_id = session.scalar(
        select(Attempt.batch_id)
        .where(Attempt.notification_id == notification_id)
        .order_by(Attempt.id.desc())
        .limit(1)
    )
    copy = session.get(Copy, batch_id) if batch_id is not None else None
    if copy is None:
        return None
    facts: dict[str, Any] = orjson.loads(zlib.decompress(copy.facts))
    found = facts.get(str(notification_id))
    return {**found, "person": found} if found is not None else None
