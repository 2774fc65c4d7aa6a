"""Receipts: a provider's webhook is kept as it came, and applied afterwards, in bulk.

Applying is idempotent and knows no order: events are stored once by their key, statuses only move
forward. News of a message that is not known yet may have overtaken our own commit, so it waits for
five minutes before it is called unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson
import structlog
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app import db
from app.arrays import literal
from app.tracking import delivery, events, inbound, sendgrid, twilio
from app.tracking.models import Receipt
from app.tracking.news import News

PROVIDERS: Final = ("sendgrid", "twilio_status", "twilio_inbound")
CHUNK: Final = 1_000
CHUNK_BYTES: Final = 500_000  # about 2,000 events
PARKED_FOR: Final = timedelta(minutes=5)
MAX_TRIES: Final = 8
# So many transactions apply at the same time: they must leave the worker's other threads to mail.
SEATS: Final = 2
_SEAT: Final = 7_203  # the first half of an advisory lock's key, which is the seat's number
# Long enough to look into what a provider said; its events are kept apart from this.
KEPT_FOR: Final = timedelta(days=7)
_PAUSES: Final = (2, 5, 15, 30, 60)  # seconds between looks for a message that is not known yet

log = structlog.get_logger(__name__)


class Post(NamedTuple):
    """A webhook as it came; `context` is what its URL and headers said."""

    provider: str
    body: bytes
    context: Mapping[str, Any]


# In the order of the list, which is then the order of the keys.
_STORE: Final = """
    insert into receipt (provider, received_at, due_at, body, context)
    select provider, %(now)s, %(now)s, decode(body, 'hex'), cast(context as jsonb)
      from unnest(
        cast(%(providers)s as text[]), cast(%(bodies)s as text[]), cast(%(contexts)s as text[])
      ) with ordinality v(provider, body, context, place)
     order by place
    returning id
"""


_LOCK: Final = text(
    """
    select id, provider, received_at, context, body, tries from receipt
     where id = any(cast(:ids as bigint[])) and applied_at is null and due_at <= :now
     order by id for update skip locked
    """
)
_DONE: Final = text(
    """
    update receipt r set applied_at = :now, error = coalesce(v.error, r.error)
      from unnest(cast(:ids as bigint[]), cast(:errors as text[])) v(id, error)
     where r.id = v.id
    """
)


@dataclass(slots=True)
class Outcome:
    """What one call of `apply` did: receipts finished, events new, parked and given up on."""

    receipts: int = 0
    events: int = 0
    parked: int = 0
    unknown: int = 0
    failed: int = 0
    strange: int = 0
    # Not all that was due had room: ask again.
    more: bool = False

    def add(self, other: "Outcome") -> None:
        """Take over the figures of another call."""
        for name in ("receipts", "events", "parked", "unknown", "failed", "strange"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class _Kept:
    """A row of `receipt`, without the ORM: there may be a thousand in a chunk."""

    id: int
    provider: str
    received_at: datetime
    context: Mapping[str, Any]
    body: bytes
    tries: int
    error: str | None = None


@dataclass(slots=True)
class _Parsed:
    receipt: _Kept
    news: list[News] = field(default_factory=list)


def store(
    session: Session, provider: str, body: bytes, context: Mapping[str, Any], now: datetime
) -> int:
    """Keep one verified webhook; answers its key."""
    return store_all(session, [Post(provider, body, context)], now)[0]


def store_all(session: Session, posts: Sequence[Post], now: datetime) -> list[int]:
    """Keep verified webhooks, in one statement; answers their keys, in the same order."""
    if not posts:
        return []
    rows = db.tuples(
        session,
        _STORE,
        {
            "now": now,
            "providers": literal([post.provider for post in posts]),
            "bodies": literal([post.body.hex() for post in posts]),
            "contexts": literal([orjson.dumps(dict(post.context)).decode() for post in posts]),
        },
    )
    return sorted(row[0] for row in rows)


def apply(session: Session, now: datetime, limit: int = CHUNK, only: int | None = None) -> Outcome:
    """Apply up to `limit` receipts that are due, oldest first; none left: `receipts` is 0.

    Receipts that another process is applying are passed over; there are never more than SEATS that
    do. One that cannot be applied is tried again later and does not hold up the others. `only` is
    the key of a single receipt, for which nobody has to be let through.
    """
    if only is None and not _has_seat(session):
        return Outcome()
    receipts, more = _take(session, now, limit, only)
    outcome = Outcome()
    try:
        if receipts:
            with session.begin_nested():
                outcome = _apply_all(session, receipts, now)
    except OperationalError:
        raise
    except Exception as error:
        log.warning("receipts_one_by_one", receipts=len(receipts), error=type(error).__name__)
        for receipt in receipts:
            outcome.add(_apply_alone(session, receipt, now))
    outcome.more = more
    return outcome


def _has_seat(session: Session) -> bool:
    """Whether this transaction may be one of those that apply."""
    return any(
        session.scalar(select(func.pg_try_advisory_xact_lock(_SEAT, number)))
        for number in range(SEATS)
    )


def _take(
    session: Session, now: datetime, limit: int, only: int | None
) -> tuple[list[_Kept], bool]:
    """Lock the oldest that are due and in nobody's hands; answers also whether more are due."""
    after = 0
    while True:
        chosen, more = _chosen(session, now, limit, only, after)
        if not chosen:
            return [], False
        rows = session.execute(_LOCK, {"ids": literal(chosen), "now": now}).all()
        if rows:
            return [_Kept(*row) for row in rows], more
        after = chosen[-1]


def _chosen(
    session: Session, now: datetime, limit: int, only: int | None, after: int
) -> tuple[list[int], bool]:
    """The oldest that are due, beyond a key, and whether there are more.

    They have CHUNK_BYTES in all: a transaction stays short.
    """
    due = (Receipt.applied_at.is_(None), Receipt.due_at <= now, Receipt.id > after)
    sizes = select(Receipt.id, func.octet_length(Receipt.body)).where(*due)
    if only is not None:
        sizes = sizes.where(Receipt.id == only)
    chosen: list[int] = []
    room = CHUNK_BYTES
    for key, size in session.execute(sizes.order_by(Receipt.id).limit(limit + 1)):
        if len(chosen) == limit or (chosen and size > room):
            return chosen, True
        chosen.append(key)
        room -= size
    return chosen, False


def _apply_alone(session: Session, receipt: _Kept, now: datetime) -> Outcome:
    try:
        with session.begin_nested():
            return _apply_all(session, [receipt], now)
    except OperationalError:
        raise
    except Exception as error:
        log.error("receipt_not_applied", receipt=receipt.id, error=type(error).__name__)
        _try_later(session, receipt, f"{type(error).__name__}", now)
        return Outcome(receipts=1, failed=1)


def _apply_all(session: Session, receipts: Sequence[_Kept], now: datetime) -> Outcome:
    outcome = Outcome(receipts=len(receipts))
    parsed = [_parse(session, receipt, outcome, now) for receipt in receipts]
    keys = (one.notification_id for item in parsed for one in item.news)
    known = events.messages(session, (key for key in keys if key is not None), now)
    ready: list[tuple[News, events.Message]] = []
    for item in parsed:
        ready += _ready(item, known)
        _park(session, item, known, outcome, now)
    outcome.events = delivery.apply(session, ready, now)
    done = {
        "ids": literal([receipt.id for receipt in receipts]),
        "errors": literal([receipt.error for receipt in receipts]),
    }
    session.execute(_DONE, done | {"now": now})
    return outcome


def _parse(session: Session, receipt: _Kept, outcome: Outcome, now: datetime) -> _Parsed:
    parsed = _Parsed(receipt)
    try:
        if receipt.provider == "sendgrid":
            parsed.news, strange = sendgrid.parse(receipt.body, receipt.received_at)
            outcome.strange += strange
        elif receipt.provider == "twilio_status":
            nid = str(receipt.context.get("nid", ""))
            one = twilio.parse_status(receipt.body, nid, receipt.received_at)
            parsed.news = [one] if one else []
            outcome.strange += one is None
        else:
            inbound.apply(session, receipt.body, receipt.id, receipt.received_at, now)
    except ValueError:
        # What cannot be read today cannot be read tomorrow.
        receipt.error = "The body could not be read."
        outcome.strange += 1
    return parsed


def _ready(item: _Parsed, known: Mapping[int, events.Message]) -> list[tuple[News, events.Message]]:
    """News with its message. What the sandbox signed concerns test messages only, unless the
    sandbox is the provider."""
    only_test = item.receipt.context.get("sandbox") is True
    found = [(one, known.get(one.notification_id or 0)) for one in item.news]
    return [(one, message) for one, message in found if message and (message.test or not only_test)]


def _park(
    session: Session,
    item: _Parsed,
    known: Mapping[int, events.Message],
    outcome: Outcome,
    now: datetime,
) -> None:
    """News of messages that are not known waits in a receipt of its own, or is given up."""
    lost = [one for one in item.news if (one.notification_id or 0) not in known]
    if not lost:
        return
    receipt = item.receipt
    waits = [one for one in lost if one.notification_id is not None]
    if not waits or now - receipt.received_at >= PARKED_FOR:
        outcome.unknown += len(lost)
        receipt.error = f"{len(lost)} events of messages that are not known."
        log.warning("events_of_unknown_messages", receipt=receipt.id, events=len(lost))
        return
    outcome.unknown += len(lost) - len(waits)
    outcome.parked += len(waits)
    pause = _PAUSES[min(receipt.tries, len(_PAUSES) - 1)]
    session.execute(
        insert(Receipt),
        [
            {
                "provider": receipt.provider,
                "received_at": receipt.received_at,
                "due_at": now + timedelta(seconds=pause),
                "tries": receipt.tries + 1,
                "context": receipt.context,
                "body": _body_of(receipt, waits),
            }
        ],
    )


def _body_of(receipt: _Kept, waits: Sequence[News]) -> bytes:
    if receipt.provider != "sendgrid":
        return receipt.body
    return orjson.dumps([dict(one.raw) for one in waits])


def _try_later(session: Session, receipt: _Kept, error: str, now: datetime) -> None:
    tries = receipt.tries + 1
    values: dict[str, Any] = {"tries": tries, "error": error}
    if tries >= MAX_TRIES:
        values["applied_at"] = now
    else:
        values["due_at"] = now + timedelta(seconds=min(2**tries, 300))
    session.execute(update(Receipt).where(Receipt.id == receipt.id).values(**values))


def forget(session: Session, now: datetime, limit: int = 5_000) -> int:
    """Delete old receipts that were applied; answers how many.

    Keys grow with time: only the `limit` oldest rows are looked at, however many there are.
    """
    oldest = select(Receipt).order_by(Receipt.id).limit(limit).subquery()
    old = select(oldest.c.id).where(
        oldest.c.applied_at.is_not(None), oldest.c.received_at < now - KEPT_FOR
    )
    doomed = session.execute(delete(Receipt).where(Receipt.id.in_(old)).returning(Receipt.id))
    return len(doomed.all())


def waiting(session: Session) -> dict[str, int]:
    """How many receipts wait, by provider: for metrics."""
    rows = session.execute(
        select(Receipt.provider, func.count())
        .where(Receipt.applied_at.is_(None))
        .group_by(Receipt.provider)
    )
    return {row[0]: row[1] for row in rows}
