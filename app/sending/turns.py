"""Whose turn it is: campaigns share a bulk queue fairly, whatever their size.

A queue message asks for work on one batch, but in the bulk lane it is taken as "there is work": the
next batch is that of the campaign which has the fewest batches with workers just now. A small
campaign launched behind a very large one so gets the next free worker. What services send in bulk
(no campaign) counts as one campaign.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import jobs
from app.sending import backlog, breaker, pace
from app.sending.engine import Engine

# Batches of one campaign that may be in hand at once, over all processes.
MOST_AT_ONCE: Final = 64

# The distinct campaigns of a partial index are read by jumping from one to the next.
_NEXT: Final = f"""
  with recursive owner as (
    select (select min(coalesce(campaign_id, 0)) from batch
             where state = 'pending' and lane = 'bulk' and channel = :channel) as id
    union all
    select (select min(coalesce(campaign_id, 0)) from batch
             where state = 'pending' and lane = 'bulk' and channel = :channel
               and coalesce(campaign_id, 0) > owner.id)
      from owner where owner.id is not null
  ), turn as (
    select first.id, running.batches + first.place as place
      from owner
      cross join lateral (
        select count(*) as batches from batch r
         where r.state in ('claimed', 'dispatching') and r.lane = 'bulk'
           and r.channel = :channel and coalesce(r.campaign_id, 0) = owner.id
      ) running
      cross join lateral (
        select p.id, row_number() over (order by p.id) as place from (
          select id from batch
           where state = 'pending' and lane = 'bulk' and channel = :channel
             and coalesce(campaign_id, 0) = owner.id and test = :test
           order by id limit :most
        ) p
      ) first
     where owner.id is not null
       and not exists (select from campaign c where c.id = owner.id and c.status = 'paused')
       and not exists (
         select from pace where key = 'campaign:' || owner.id and not ({pace.IN_TIME}))
  )
  select b.id from batch b join turn on turn.id = b.id
   where b.state = 'pending' order by turn.place, b.id limit 1 for update of b skip locked
"""


def next_batch(session: Session, channel: str, test: bool, now: datetime) -> int | None:
    """The pending batch of this channel's bulk queue whose turn it is, locked; None: none.

    Campaigns that have sent as much as they may are left out for now.
    """
    found: int | None = session.scalar(
        text(_NEXT), {"channel": channel, "test": test, "most": MOST_AT_ONCE, "now": now}
    )
    return found


def nudge_paced(session: Session, engine: Engine, now: datetime) -> None:
    """Ask for as many batches as every limit lets through again, codes before campaigns.

    Not for those of paused queues and campaigns, and not while their providers are down.
    """
    due = pace.due(session, now)
    if not due:
        return
    parked = list(breaker.parked(session, engine))
    short = backlog.short(session, backlog.lengths())
    for key, room in due.items():
        kind, name = key.split(":", 1)
        rows = session.execute(
            text(_WAITING),
            {
                "campaigns": [int(name)] if kind == "campaign" else [],
                "channels": engine.providers.channels(name) if kind == "provider" else [],
                "parked": parked,
                "short": short,
                "room": room,
            },
        )
        jobs.enqueue_after_commit(session, [jobs.deliver(*row) for row in rows])


_WAITING: Final = """
  select id, channel, lane from (
    select id, channel, lane, size,
           sum(size) over (order by lane desc, nudged_at, id) - size as before
      from (
        select id, channel, lane, nudged_at, cardinality(ids) as size from batch b
         where state = 'pending' and (campaign_id = any(:campaigns) or channel = any(:channels))
           and channel <> all(:parked) and channel || '.' || lane = any(:short)
           and not exists (select from lane_state l where l.channel = b.channel
                            and l.lane = b.lane and l.paused_at is not null)
           and not exists (select from campaign c
                            where c.id = b.campaign_id and c.status = 'paused')
         order by lane desc, nudged_at, id limit 100
      ) first
  ) counted where before < :room
"""
