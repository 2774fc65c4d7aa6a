"""Counters of states that always add up.

Every transaction that creates or moves notifications also writes what it did to the counters
(`LedgerDelta`, insert only, so that no two workers wait for one row). The clock folds deltas into
`LedgerCount`. Screens read the sum of both and never count rows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from app.sending.models import LedgerDelta


@dataclass(frozen=True, slots=True)
class Moved:
    """One notification that entered `new` (and left `old`, unless it was just accepted)."""

    campaign_id: int | None
    channel: str
    old: str | None
    old_reason: str | None
    new: str
    new_reason: str | None


@dataclass(frozen=True, slots=True)
class Flow:
    """How many notifications entered a state within one hour."""

    hour: datetime
    channel: str
    status: str
    reason: str
    entered: int


def record(session: Session, moves: Iterable[Moved], now: datetime) -> None:
    """Add these moves to the counters, in the caller's transaction."""
    entered: Counter[tuple[int, str, str, str]] = Counter()
    left: Counter[tuple[int, str, str, str]] = Counter()
    for move in moves:
        campaign = move.campaign_id or 0
        if move.old == move.new and move.old_reason == move.new_reason:
            continue
        entered[campaign, move.channel, move.new, move.new_reason or ""] += 1
        if move.old is not None:
            left[campaign, move.channel, move.old, move.old_reason or ""] += 1
    hour = now.replace(minute=0, second=0, microsecond=0)
    rows = [
        {
            "campaign_id": campaign,
            "channel": channel,
            "status": status,
            "reason": reason,
            "hour": hour,
            "entered": entered[campaign, channel, status, reason],
            "left": left[campaign, channel, status, reason],
        }
        for campaign, channel, status, reason in entered.keys() | left.keys()
    ]
    if rows:
        session.execute(insert(LedgerDelta), rows)


def totals(session: Session, campaign_id: int) -> Mapping[tuple[str, str, str], int]:
    """(channel, status, reason) -> how many are in that state now."""
    rows = session.execute(
        text(
            """
            select channel, status, reason, sum(n)::bigint from (
              select channel, status, reason, entered - "left" as n
                from ledger_count where campaign_id = :campaign
              union all
              select channel, status, reason, entered - "left"
                from ledger_delta where campaign_id = :campaign
            ) counted group by 1, 2, 3 having sum(n) <> 0
            """
        ),
        {"campaign": campaign_id},
    )
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def totals_of_many(session: Session, campaign_ids: list[int]) -> Mapping[int, Mapping[str, int]]:
    """campaign -> status -> how many are in that state now: for lists."""
    rows = session.execute(
        text(
            """
            select campaign_id, status, sum(n)::bigint from (
              select campaign_id, status, entered - "left" as n
                from ledger_count where campaign_id = any(:campaigns)
              union all
              select campaign_id, status, entered - "left"
                from ledger_delta where campaign_id = any(:campaigns)
            ) counted group by 1, 2 having sum(n) <> 0
            """
        ),
        {"campaigns": campaign_ids},
    )
    found: dict[int, dict[str, int]] = {key: {} for key in campaign_ids}
    for campaign, status, count in rows:
        found[campaign][status] = count
    return found


def flow(
    session: Session, since: datetime, until: datetime, campaign_id: int | None = None
) -> list[Flow]:
    """What entered each state per hour; of one campaign, or (None) of everything."""
    condition = "" if campaign_id is None else "and campaign_id = :campaign"
    rows = session.execute(
        text(
            f"""
            select hour, channel, status, reason, sum(entered)::bigint from (
              select hour, channel, status, reason, entered from ledger_count
                where hour >= :since and hour < :until {condition}
              union all
              select hour, channel, status, reason, entered from ledger_delta
                where hour >= :since and hour < :until {condition}
            ) counted group by 1, 2, 3, 4 order by 1
            """
        ),
        {"since": since, "until": until, "campaign": campaign_id},
    )
    return [Flow(*row) for row in rows]


def fold(session: Session, limit: int = 20_000) -> int:
    """Move the oldest deltas into the counts; answers how many were folded."""
    folded = session.execute(
        text(
            """
            with taken as (
              delete from ledger_delta where id in (
                select id from ledger_delta order by id limit :limit for update skip locked
              ) returning campaign_id, channel, hour, status, reason, entered, "left"
            ), added as (
              insert into ledger_count
                (campaign_id, channel, hour, status, reason, entered, "left")
              select campaign_id, channel, hour, status, reason, sum(entered), sum("left")
                from taken group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
              on conflict (campaign_id, channel, hour, status, reason) do update
                set entered = ledger_count.entered + excluded.entered,
                    "left" = ledger_count."left" + excluded."left"
            )
            select count(*) from taken
            """
        ),
        {"limit": limit},
    )
    return int(folded.scalar_one())
