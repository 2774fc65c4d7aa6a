"""Events as they are stored: the row, the messages they belong to, and the bulk insert."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.arrays import literal

# All writers of engagement take it, so that "the first" is decided by one of them at a time.
ENGAGEMENT_LOCK: Final = 7_203_001
# Nearly all news is about recent messages: their months are searched first. Months that are yet to
# come have tables already; each that is not ruled out costs more than the look-up itself.
RECENT: Final = timedelta(days=35)
SOON: Final = timedelta(days=1)


class Message(NamedTuple):
    """What tracking must know of a notification."""

    id: int
    accepted_at: datetime
    contact_id: int | None
    campaign_id: int | None
    channel: str
    address: str | None
    status: str
    test: bool
    topic_id: int
    version_id: int
    handed_at: datetime | None


_NOTHING: Final[Mapping[str, Any]] = {}


class NewEvent(NamedTuple):
    """An event to be stored. `dedup` makes a repeat harmless; None: it cannot be repeated."""

    message: Message
    kind: str
    at: datetime
    source: str
    dedup: str | None = None
    verdict: str | None = None
    verdict_reason: str | None = None
    first: bool = False
    link_id: int | None = None
    detail: Mapping[str, Any] = _NOTHING


_COLUMNS: Final = (
    "id, accepted_at, contact_id, campaign_id, channel, address, status, test, topic_id, "
    "version_id, handed_at"
)


#: What is asked for is looked for among what was accepted of late, and only then in older months.
MONTHS: Final = (
    "and accepted_at >= :recent and accepted_at < :soon",
    "and (accepted_at < :recent or accepted_at >= :soon)",
)


def months(now: datetime) -> dict[str, datetime]:
    """The parameters of `MONTHS`."""
    return {"recent": now - RECENT, "soon": now + SOON}


def messages(session: Session, ids: Iterable[int], now: datetime) -> dict[int, Message]:
    """The notifications with these keys; unknown keys are left out."""
    wanted = [key for key in set(ids) if 0 < key < 1 << 63]
    found: dict[int, Message] = {}
    for condition in MONTHS:
        missing = [key for key in wanted if key not in found]
        if missing:
            query = (
                f"select {_COLUMNS} from notification "  # noqa: S608
                f"where id = any(cast(:ids as bigint[])) {condition}"
            )
            rows = session.execute(text(query), {"ids": literal(missing), **months(now)})
            found.update((row[0], Message._make(row)) for row in rows.all())
    return found


_INSERT: Final = text(
    """
    insert into event (notification_id, contact_id, campaign_id, channel, kind, at, received_at,
                       source, dedup, verdict, verdict_reason, first, link_id, detail)
    select notification_id, contact_id, campaign_id, channel, kind, at, :now,
           source, dedup, verdict, verdict_reason, first, link_id,
           coalesce(cast(detail as jsonb), '{}')
      from unnest(
        cast(:notification_ids as bigint[]), cast(:contact_ids as bigint[]),
        cast(:campaign_ids as bigint[]), cast(:channels as text[]), cast(:kinds as text[]),
        cast(:ats as timestamptz[]), cast(:sources as text[]), cast(:dedups as text[]),
        cast(:verdicts as text[]), cast(:reasons as text[]), cast(:firsts as boolean[]),
        cast(:link_ids as bigint[]), cast(:details as text[])
      ) v(notification_id, contact_id, campaign_id, channel, kind, at, source, dedup, verdict,
          verdict_reason, first, link_id, detail)
    on conflict (dedup) do nothing
    returning dedup
    """
)


def insert(session: Session, events: Sequence[NewEvent], now: datetime) -> set[str]:
    """Store the events; answers the dedup keys that were new. `events` holds each key once.

    Rows go in by order of their key, so that two writers of the same news cannot deadlock.
    """
    if not events:
        return set()
    ordered = sorted(events, key=lambda event: event.dedup or "")
    rows = session.execute(
        _INSERT,
        {
            "now": now,
            "notification_ids": literal([event.message.id for event in ordered]),
            "contact_ids": literal([event.message.contact_id for event in ordered]),
            "campaign_ids": literal([event.message.campaign_id for event in ordered]),
            "channels": literal([event.message.channel for event in ordered]),
            "kinds": literal([event.kind for event in ordered]),
            "ats": literal([event.at for event in ordered]),
            "sources": literal([event.source for event in ordered]),
            "dedups": literal([event.dedup for event in ordered]),
            "verdicts": literal([event.verdict for event in ordered]),
            "reasons": literal([event.verdict_reason for event in ordered]),
            "firsts": literal([event.first for event in ordered]),
            "link_ids": literal([event.link_id for event in ordered]),
            "details": literal(
                [_json(event.detail) if event.detail else None for event in ordered]
            ),
        },
    )
    return {row[0] for row in rows if row[0] is not None}


def _json(detail: Mapping[str, Any]) -> str:
    # PostgreSQL's jsonb holds no NUL.
    return orjson.dumps(dict(detail)).decode().replace("\\u0000", "")
