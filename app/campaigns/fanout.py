"""Fan-out: from an audience to notification rows and batches, in SQL, chunk by chunk.

Each chunk of people is one transaction that also moves the checkpoint (`fanned_out_to`), so a
fan-out that dies goes on where it stopped and cannot make a row twice. Every person of the
audience gets at least one row: the one without an address gets a row that says so, and of two
people with the same address the second gets one that says that.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import jobs
from app.audience.models import Topic
from app.campaigns import audience
from app.campaigns.candidates import CANDIDATES, parameters
from app.campaigns.models import Campaign
from app.sending import batches, fallback, statistics

CHUNK: Final = 10_000

_EVERY: Final = """
  chosen as (
    select contact_id, channel, address, device_id, null::text[] as fallback
      from candidates where address is not null
  )
"""

_FIRST: Final = """
  ranked as (
    select contact_id, min(position) filter (where blocked is null) as best,
           min(position) filter (where address is not null) as any_way
      from candidates group by contact_id
  ),
  chains as (
    select contact_id, position, array_agg(channel) over (
             partition by contact_id order by position
             rows between 1 following and unbounded following) as fallback
      from (select distinct contact_id, channel, position from candidates
             where address is not null) reach
  ),
  chosen as (
    select c.contact_id, c.channel, c.address, c.device_id, h.fallback
      from candidates c join ranked r on r.contact_id = c.contact_id
      join chains h on h.contact_id = c.contact_id and h.position = c.position
     where c.address is not null and c.position = coalesce(r.best, r.any_way)
  )
"""

# A second message to one address is refused by the unique index, be it in this chunk or in an
# earlier one, and becomes a row that says so. To look for it beforehand costs a search per row.
_INSERT: Final = """
  rows as (
    select contact_id, channel, device_id, fallback, address, 'queued' as status,
           null as reason
      from chosen
    union all
    select p.contact_id, (cast(:channels as text[]))[1], null, null, null, 'skipped', 'no_address'
      from people p where not exists (select from chosen ch where ch.contact_id = p.contact_id)
  ),
  first as (
    insert into notification
      (accepted_at, origin, lane, channel, status, reason, campaign_id, contact_id, device_id,
       topic_id, version_id, address, fallback, expires_at, final_at)
    select :launched_at, 'campaign', 'bulk', channel, status, reason, :campaign, contact_id,
           device_id, :topic, :version, address, fallback, :expires_at,
           case when status = 'skipped' then cast(:now as timestamptz) end
      from rows order by contact_id, device_id
        on conflict (campaign_id, channel, address, accepted_at)
           where campaign_id is not null and previous_id is null
        do nothing
    returning id, channel, status, reason, contact_id, coalesce(device_id, 0) as device
  ),
  again as (
    insert into notification
      (accepted_at, origin, lane, channel, status, reason, campaign_id, contact_id, device_id,
       topic_id, version_id, fallback, expires_at, final_at)
    select :launched_at, 'campaign', 'bulk', ch.channel, 'skipped', 'duplicate_address', :campaign,
           ch.contact_id, ch.device_id, :topic, :version, ch.fallback, :expires_at, :now
      from chosen ch where not exists (
             select from first f where f.contact_id = ch.contact_id and f.channel = ch.channel
                and f.device = coalesce(ch.device_id, 0))
    returning id, channel, status, reason, fallback
  ),
  inserted as (
    select id, channel, status, reason from first union all
    select id, channel, status, reason from again
  ),
  counted as (
    insert into ledger_delta (campaign_id, channel, hour, status, reason, entered, "left")
    select :campaign, channel, date_trunc('hour', cast(:now as timestamptz)), status,
           coalesce(reason, ''), count(*), 0
      from inserted group by channel, status, reason
  ),
  made as (
    insert into batch (channel, lane, campaign_id, ids, accepted_from, accepted_to, created_at,
                       nudged_at)
    select channel, 'bulk', :campaign, array_agg(id order by id), :launched_at, :launched_at,
           :now, :now
      from (
        select id, channel,
               (row_number() over (partition by channel order by id) - 1) / :size as part
          from inserted where status = 'queued'
      ) numbered
     group by channel, part order by part, channel
    returning id, channel, lane
  )
  select id, channel, lane from made union all
  select id, channel, null from again where cardinality(fallback) > 0
"""


def next_chunk(session: Session, campaign_id: int, now: datetime, most: int = CHUNK) -> bool:
    """Make the rows of the next people, `most` of them. False: there is nothing (more) to do."""
    campaign = session.scalars(
        select(Campaign)
        .where(Campaign.id == campaign_id, Campaign.status == "launching")
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if campaign is None:
        return False
    last = audience.gather(session, campaign, after=campaign.fanned_out_to, limit=most)
    if last is None:
        _done(session, campaign, now)
        return False
    way = _FIRST if campaign.strategy == "first" else _EVERY
    made = session.execute(
        text(f"with {CANDIDATES}, {way}, {_INSERT}"), _parameters(session, campaign, now)
    ).all()
    jobs.enqueue_after_commit(session, [jobs.deliver(*row) for row in made if row.lane])
    # Their address was taken by somebody of an earlier chunk: they have others.
    fallback.next_channels(session, [row.id for row in made if not row.lane], now)
    statistics.refresh(session)
    campaign.fanned_out_to = last
    campaign.updated_at = now
    return True


def _parameters(session: Session, campaign: Campaign, now: datetime) -> dict[str, Any]:
    topic = session.get_one(Topic, campaign.topic_id)
    launched_at = campaign.launched_at or now
    hours = campaign.expires_hours
    return parameters(topic.id, topic.klass, topic.opted_in_by_default, campaign.channels) | {
        "campaign": campaign.id,
        "version": campaign.version_id,
        "launched_at": launched_at,
        "expires_at": launched_at + timedelta(hours=hours) if hours else None,
        "now": now,
        "size": batches.SIZE,
    }


def _done(session: Session, campaign: Campaign, now: datetime) -> None:
    campaign.people = (
        session.scalar(
            text(
                "select count(distinct contact_id) from notification "
                "where campaign_id = :id and accepted_at = :launched_at and previous_id is null"
            ),
            {"id": campaign.id, "launched_at": campaign.launched_at},
        )
        or 0
    )
    campaign.fanned_out_at = now
    campaign.status = "sending"
