"""Moving notifications between states: in bulk, only forward, with the counters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.arrays import literal
from app.sending import ledger
from app.sending.status import FORWARD, OPEN

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """Wanted: this notification in this state. It is left alone when that would be backwards."""

    notification_id: int
    status: str
    reason: str | None
    at: datetime
    attempts: int | None = None
    send_after: datetime | None = None
    hold_reason: str | None = None
    provider: str | None = None
    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """A notification that did move."""

    notification_id: int
    campaign_id: int | None
    contact_id: int | None
    channel: str
    old: str
    new: str


# `old>new`: the UPDATE itself enforces the order.
_STEPS: Final = [f"{old}>{new}" for old, following in FORWARD.items() for new in following]

# Each row is looked up by its key, in key order. A plain join would be left to the planner, which
# does not know how many rows a list of keys means: for two thousand it compared all with all, or
# read the month from one end to the other.
#
# Months are narrowed by the parameters alone, never by `v.accepted_at` as well. With both, a kept
# plan of PostgreSQL 18 that meets a row somebody else has just changed leaves out that row and all
# that follow: checking it again (EvalPlanQual) numbers the remaining months a second time, in a
# table that it shares with the statement, and they seem to have no place. A key is a key in every
# month, so nothing is lost by leaving it out.
_MOVE: Final = """
    with old as (
      select n.id, n.status as old_status, n.reason as old_reason,
             v.status, v.reason, v.at, v.attempts, v.send_after, v.hold_reason, v.provider,
             v.provider_id, n.status || '>' || v.status = any(:steps) as ok
        from (
          select * from unnest(
            cast(:ids as bigint[]), cast(:statuses as text[]), cast(:reasons as text[]),
            cast(:ats as timestamptz[]), cast(:attempts as int[]), cast(:afters as timestamptz[]),
            cast(:holds as text[]), cast(:providers as text[]), cast(:provider_ids as text[])
          ) w(id, status, reason, at, attempts, send_after, hold_reason, provider, provider_id)
          order by id
        ) v
        cross join lateral (
          select n.id, n.status, n.reason from notification n
           where n.id = v.id {between} limit 1 for update
        ) n
    )
    update notification n set
      status = case when v.ok then v.status else n.status end,
      reason = case when v.ok then v.reason else n.reason end,
      send_after = case when v.ok then v.send_after else n.send_after end,
      hold_reason = case when v.ok then v.hold_reason else n.hold_reason end,
      final_at = case when v.ok and v.status <> all(:open) then v.at else n.final_at end,
      dead_at = case when not v.ok then n.dead_at when v.status = 'failed' then v.at end,
      attempts = greatest(n.attempts, coalesce(v.attempts, 0)),
      provider = coalesce(v.provider, n.provider),
      provider_id = coalesce(v.provider_id, n.provider_id),
      handed_at = case when v.status in ('accepted', 'delivered', 'bounced')
                       then coalesce(n.handed_at, v.at) else n.handed_at end
      from old v
     where n.id = v.id {between}
    returning n.id, n.campaign_id, n.contact_id, n.channel, v.old_status, v.old_reason, n.status,
              n.reason
"""


def move(
    session: Session,
    changes: Sequence[Change],
    now: datetime,
    between: tuple[datetime, datetime] | None = None,
) -> list[Applied]:
    """Apply the changes that are steps forward; answers those that moved.

    At most one change per notification. `between` (when they were accepted) narrows the months that
    are searched, which is most of the cost. Rows are locked in id order, so that concurrent callers
    cannot deadlock.
    """
    if not changes:
        return []
    rows = _write(session, changes, between)
    if len(rows) < len(changes):
        rows += _write_rest(session, changes, {row[0] for row in rows})
    moved = [row for row in rows if (row[4], row[5]) != (row[6], row[7])]
    ledger.record(
        session,
        [ledger.Moved(row[1], row[3], row[4], row[5], row[6], row[7]) for row in moved],
        now,
    )
    return [Applied(row[0], row[1], row[2], row[3], row[4], row[6]) for row in moved]


def _write(
    session: Session, changes: Sequence[Change], between: tuple[datetime, datetime] | None
) -> list[Any]:
    parameters: dict[str, Any] = {
        "ids": literal([change.notification_id for change in changes]),
        "statuses": literal([change.status for change in changes]),
        "reasons": literal([change.reason for change in changes]),
        "ats": literal([change.at for change in changes]),
        "attempts": literal([change.attempts for change in changes]),
        "afters": literal([change.send_after for change in changes]),
        "holds": literal([change.hold_reason for change in changes]),
        "providers": literal([change.provider for change in changes]),
        "provider_ids": literal([change.provider_id for change in changes]),
        "open": list(OPEN),
        "steps": _STEPS,
    }
    condition = ""
    if between is not None:
        condition = "and n.accepted_at between :first and :last"
        parameters |= {"first": between[0], "last": between[1]}
    return list(session.execute(text(_MOVE.format(between=condition)), parameters).all())


def _write_rest(session: Session, changes: Sequence[Change], written: set[int]) -> list[Any]:
    """Every message is there, so each comes back, moved or not. What did not is looked for again,
    in every month: a change must never be lost without a word.
    """
    rest = [change for change in changes if change.notification_id not in written]
    rows = _write(session, rest, None)
    log.warning("messages_not_found_at_once", messages=len(rest), found=len(rows))
    return rows
