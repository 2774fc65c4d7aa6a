"""Copies as sent: what rendering was given, kept per batch, so that each message can be shown."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.sending.compose import copy_facts
from app.sending.facts import Row
from app.sending.models import Attempt, Copy

_REWRITTEN_AT_ONCE: Final = 50


def packed(rows: Sequence[Row]) -> bytes:
    """The variables of these messages, as `batches.dispatch` keeps them."""
    return zlib.compress(orjson.dumps(copy_facts(rows)), 1)


def of_batch(session: Session, batch_id: int) -> frozenset[int] | None:
    """The messages that a batch was to hand over; None when nothing says so."""
    copy = session.get(Copy, batch_id, populate_existing=True)
    if copy is None or not copy.facts:
        return None
    return frozenset(int(key) for key in orjson.loads(zlib.decompress(copy.facts)))


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


def of_batches(session: Session, batch_ids: Iterable[int]) -> dict[int, Mapping[str, Any]]:
    """notification -> its variables, for all messages of these batches."""
    found: dict[int, Mapping[str, Any]] = {}
    for copy in session.scalars(select(Copy).where(Copy.batch_id.in_(set(batch_ids)))):
        facts: dict[str, Any] = orjson.loads(zlib.decompress(copy.facts))
        found.update((int(key), {**value, "person": value}) for key, value in facts.items())
    return found


def forget_person(session: Session, contact_id: int) -> int:
    """Take everything that a person's messages were rendered with out of the copies.

    For erasing a person; answers how many copies were rewritten.
    """
    rows = session.execute(
        text(
            """
            select a.batch_id, array_agg(distinct a.notification_id::text)
              from notification n join attempt a on a.notification_id = n.id
             where n.contact_id = :contact group by a.batch_id order by a.batch_id
            """
        ),
        {"contact": contact_id},
    ).all()
    doomed = {batch_id: set(keys) for batch_id, keys in rows}
    for start in range(0, len(rows), _REWRITTEN_AT_ONCE):
        part = [row[0] for row in rows[start : start + _REWRITTEN_AT_ONCE]]
        kept = select(Copy).where(Copy.batch_id.in_(part)).with_for_update()
        for copy in session.scalars(kept):
            facts = orjson.loads(zlib.decompress(copy.facts))
            left = {key: value for key, value in facts.items() if key not in doomed[copy.batch_id]}
            copy.facts = zlib.compress(orjson.dumps(left), 1)
        session.flush()
    return len(rows)
