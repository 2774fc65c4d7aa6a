"""Reading what came back about messages: all of one, and the first openings of many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.content.models import Link
from app.tracking.models import Event

MOST: int = 200


@dataclass(frozen=True, slots=True)
class News:
    """One event with the link it was about; `detail` is what the provider said."""

    kind: str
    at: datetime
    source: str
    verdict: str | None
    verdict_reason: str | None
    url: str | None
    detail: Mapping[str, Any]


def of_message(session: Session, notification_id: int) -> Sequence[News]:
    """Every event of a message, oldest first, at most 200."""
    rows = session.execute(
        select(Event, Link.url)
        .outerjoin(Link, Link.id == Event.link_id)
        .where(Event.notification_id == notification_id)
        .order_by(Event.at, Event.id)
        .limit(MOST)
    )
    return [
        News(
            event.kind,
            event.at,
            event.source,
            event.verdict,
            event.verdict_reason,
            url,
            event.detail,
        )
        for event, url in rows
    ]


def firsts(session: Session, notification_ids: Sequence[int]) -> dict[int, dict[str, datetime]]:
    """notification -> {kind: when a person did it first}, for lists."""
    if not notification_ids:
        return {}
    rows = session.execute(
        select(Event.notification_id, Event.kind, func.min(Event.at))
        .where(
            Event.notification_id.in_(notification_ids),
            Event.kind.in_(("opened", "clicked")),
            Event.verdict == "human",
        )
        .group_by(Event.notification_id, Event.kind)
    )
    found: dict[int, dict[str, datetime]] = {}
    for key, kind, at in rows:
        found.setdefault(key, {})[kind] = at
    return found


def last_read(session: Session, contact_id: int) -> dict[str, datetime]:
    """channel -> when this person last opened or followed something there."""
    rows = session.execute(
        select(Event.channel, func.max(Event.at))
        .where(
            Event.contact_id == contact_id,
            Event.kind.in_(("opened", "clicked")),
            Event.verdict == "human",
        )
        .group_by(Event.channel)
    )
    return {row[0]: row[1] for row in rows}
