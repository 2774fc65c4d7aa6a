"""Folding what flushes added to the counters of engagement; run by the clock."""

from sqlalchemy import text
from sqlalchemy.orm import Session

_FOLD = text(
    """
    with taken as (
      delete from engagement_delta where id in (
        select id from engagement_delta order by id limit :limit for update skip locked
      ) returning campaign_id, channel, slot, kind, verdict, link_id, events, firsts
    ), added as (
      insert into engagement_count
        (campaign_id, channel, slot, kind, verdict, link_id, events, firsts)
      select campaign_id, channel, slot, kind, verdict, link_id, sum(events), sum(firsts)
        from taken group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
      on conflict (campaign_id, channel, slot, kind, verdict, link_id) do update
        set events = engagement_count.events + excluded.events,
            firsts = engagement_count.firsts + excluded.firsts
    )
    select count(*) from taken
    """
)


def fold(session: Session, limit: int = 20_000) -> int:
    """Move the oldest deltas into the counts; answers how many were folded."""
    return int(session.execute(_FOLD, {"limit": limit}).scalar_one())
