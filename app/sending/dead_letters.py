"""Dead letters: messages that were given up and wait for somebody's decision.

A message to an address that no longer exists has failed too, but there is nothing to decide: it is
no dead letter. Neither is one that staff discarded, nor one whose next channel has taken over
(strategy `first`): that one's follower may become one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.sending import control
from app.sending.models import Notification

REASONS: Final = ("gave_up", "rejected", "no_answer", "poison", "template_error")
# Grouping looks at this many of the newest; beyond it counts say "or more".
LOOKED_AT: Final = 10_000
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Cause:
    """What a group of dead letters has in common. `code` is empty when no provider was asked."""

    channel: str
    provider: str
    reason: str
    code: str

    @property
    def key(self) -> str:
        """The cause in an address: `sms:twilio:rejected:21211`."""
        return ":".join((self.channel, self.provider or "-", self.reason, self.code or "-"))


@dataclass(frozen=True, slots=True)
class Group:
    """A cause, how many messages it stopped, and what the provider said last."""

    cause: Cause
    messages: int
    first: datetime
    latest: datetime
    detail: str
    latest_id: int


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter with the last answer it got."""

    id: int
    accepted_at: datetime
    final_at: datetime | None
    tries: int
    code: str
    detail: str


def parse(key: str) -> Cause | None:
    """The cause behind an address, or None."""
    parts = key.split(":", 3)
    if len(parts) != 4 or parts[2] not in REASONS:
        return None
    channel, provider, reason, code = (part if part != "-" else "" for part in parts)
    return Cause(channel, provider, reason, code)


def is_one(message: Notification) -> bool:
    """Whether this message waits for a decision."""
    return may_be_retried(message) and message.discarded_at is None


def may_be_retried(message: Notification) -> bool:
    """It was given up, though its address may be good: also when that was discarded."""
    given_up = message.status == "failed" and message.reason in REASONS
    return given_up and message.dead_at is not None


_NEWEST: Final = """
    select n.id, n.accepted_at, n.channel, coalesce(n.provider, '') as provider, n.reason,
           coalesce(a.code, '') as code, coalesce(a.detail, '') as detail,
           coalesce(n.final_at, n.accepted_at) as at
      from (
        select id, accepted_at, channel, provider, reason, final_at from notification
         where dead_at is not null and discarded_at is null and reason = any(:reasons)
         order by id desc limit :limit
      ) n
      left join lateral (
        select code, detail from attempt where notification_id = n.id order by id desc limit 1
      ) a on true
"""


def groups(session: Session) -> list[Group]:
    """Dead letters by cause, the largest group first; of the newest 10,000."""
    rows = session.execute(
        text(
            f"""
            select channel, provider, reason, code, count(*), min(at), max(at),
                   (array_agg(detail order by id desc))[1], max(id)
              from ({_NEWEST}) dead group by 1, 2, 3, 4 order by 5 desc, 7 desc
            """
        ),
        {"reasons": list(REASONS), "limit": LOOKED_AT},
    )
    return [
        Group(Cause(row[0], row[1], row[2], row[3]), row[4], row[5], row[6], row[7], row[8])
        for row in rows
    ]


def count(session: Session, limit: int = LOOKED_AT) -> int:
    """How many there are; `limit` means that many or more."""
    found = session.execute(
        text(
            "select count(*) from (select 1 from notification where dead_at is not null "
            "and discarded_at is null and reason = any(:reasons) limit :limit) dead"
        ),
        {"reasons": list(REASONS), "limit": limit},
    )
    return int(found.scalar_one())


def of_cause(
    session: Session, cause: Cause, before: int | None = None, limit: int = 50
) -> list[Notification]:
    """Dead letters of one cause, newest first; `before` is the last key of the page before."""
    keys = _keys(session, cause, "desc", before, limit)
    found = session.query(Notification).filter(Notification.id.in_(keys))
    return sorted(found, key=lambda message: -message.id)


def retry(session: Session, ids: Sequence[int], now: datetime) -> int:
    """Put those among these that are dead letters back into work; answers how many."""
    return control.retry(session, _still_dead(session, ids), now)


def retry_some(session: Session, cause: Cause, after: int, up_to: int, now: datetime) -> int | None:
    """Retry the next chunk of a cause, oldest first; answers the last key, None when done.

    `up_to` is the newest key when somebody decided: what fails again is not retried again.
    """
    keys = [key for key in _keys(session, cause, "asc", after, CHUNK) if key <= up_to]
    if not keys:
        return None
    control.retry(session, keys, now)
    return keys[-1]


def discard(session: Session, ids: Sequence[int], now: datetime) -> int:
    """Leave these as they are and stop asking about them; answers how many."""
    changed = session.execute(
        text("update notification set discarded_at = :now where id = any(:ids)"),
        {"ids": _still_dead(session, ids), "now": now},
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]


def discard_some(
    session: Session, cause: Cause, after: int, up_to: int, now: datetime
) -> int | None:
    """Discard the next chunk of a cause; answers the last key, None when done."""
    keys = [key for key in _keys(session, cause, "asc", after, CHUNK) if key <= up_to]
    if not keys:
        return None
    discard(session, keys, now)
    return keys[-1]


def _keys(session: Session, cause: Cause, order: str, beyond: int | None, limit: int) -> list[int]:
    side = "" if beyond is None else f"and n.id {'<' if order == 'desc' else '>'} :beyond"
    rows = session.execute(
        text(
            f"""
            select n.id from notification n
              left join lateral (
                select code from attempt where notification_id = n.id order by id desc limit 1
              ) a on true
             where n.dead_at is not null and n.discarded_at is null and n.reason = :reason
               and n.channel = :channel and coalesce(n.provider, '') = :provider
               and coalesce(a.code, '') = :code {side}
             order by n.id {order} limit :limit
            """
        ),
        {
            "reason": cause.reason,
            "channel": cause.channel,
            "provider": cause.provider,
            "code": cause.code,
            "beyond": beyond,
            "limit": limit,
        },
    )
    return [row[0] for row in rows]


def _still_dead(session: Session, ids: Sequence[int]) -> list[int]:
    rows = session.execute(
        text(
            "select id from notification where id = any(:ids) and status = 'failed' "
            "and dead_at is not null and discarded_at is null and reason = any(:reasons)"
        ),
        {"ids": list(ids), "reasons": list(REASONS)},
    )
    return [row[0] for row in rows]
