"""How providers have been answering: from the newest attempts and the counters."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

LOOKED_AT: Final = 20_000
SINCE: Final = timedelta(hours=24)
REMEMBERED: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Health:
    """A provider's answers of the last day, at most the newest 20,000 of all providers.

    `typical_ms` is the median time of an answer; `last_failure` is code and words of the last one.
    """

    answers: int
    accepted: int
    throttled: int
    failed: int
    typical_ms: int
    slow_ms: int
    last_success: datetime | None
    last_failure: datetime | None
    failure: str


def health(session: Session, now: datetime) -> dict[str, Health]:
    """provider -> how it has been; those that were not asked are missing."""
    rows = session.execute(
        text(
            """
            with newest as (
              select id, provider, outcome, code, detail, at, duration_ms
                from attempt order by id desc limit :limit
            ), recent as (select * from newest where at > :since)
            select provider, count(*),
                   count(*) filter (where outcome = 'accepted'),
                   count(*) filter (where outcome = 'throttled'),
                   count(*) filter (where outcome not in ('accepted', 'throttled')),
                   percentile_cont(0.5) within group (order by duration_ms),
                   percentile_cont(0.95) within group (order by duration_ms),
                   max(at) filter (where outcome = 'accepted'),
                   max(at) filter (where outcome <> 'accepted'),
                   (array_agg(concat_ws(' ', code, detail) order by id desc)
                      filter (where outcome <> 'accepted'))[1]
              from recent group by provider
            """
        ),
        {"limit": LOOKED_AT, "since": now - SINCE},
    )
    return {
        row[0]: Health(
            answers=row[1],
            accepted=row[2],
            throttled=row[3],
            failed=row[4],
            typical_ms=int(row[5]),
            slow_ms=int(row[6]),
            last_success=row[7],
            last_failure=row[8],
            failure=row[9] or "",
        )
        for row in rows
    }


def last_hours(session: Session, now: datetime) -> dict[str, datetime]:
    """channel -> the last hour in which a message was handed over, within 30 days."""
    rows = session.execute(
        text(
            """
            select channel, max(hour) from (
              select channel, hour from ledger_count
               where hour > :since and status in ('accepted', 'delivered') and entered > 0
              union all
              select channel, hour from ledger_delta
               where hour > :since and status in ('accepted', 'delivered') and entered > 0
            ) handed group by channel
            """
        ),
        {"since": now - REMEMBERED},
    )
    return {row[0]: row[1] for row in rows}
