"""One reading of "who can be reached how", shared by the waterfall and the fan-out.

`people` is a temporary table of contacts (`audience.gather`). A candidate is one way to reach
one person: a channel, an address, and what stands against it (null: nothing). The same rules are
asked again, in Python, before each send; a test holds the two readings together.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from app.audience.models import Topic
from app.campaigns.models import Campaign
from app.sending import caps, rules

# Ways a person can be kept from a message, nearest to success first.
REASONS: Final = ("over_cap", "duplicate_address", "suppressed", "opted_out", "no_address")

# Every address of every person `c` on the wanted channels, with what stands for and against it.
ADDRESSES: Final = """
  cross join unnest(cast(:channels as text[])) with ordinality ch(channel, position)
  left join device d on d.contact_id = c.id and d.platform = ch.channel
       and d.disabled_at is null
  cross join lateral (
    select case ch.channel when 'email' then c.email when 'sms' then c.phone
                else d.token end as address
  ) a
  left join preference pr on pr.contact_id = c.id and pr.topic_id = :topic
       and pr.channel = ch.channel
  left join suppression su on su.address = lower(a.address)
       and su.kind = case ch.channel when 'email' then 'email' when 'sms' then 'phone'
                          else 'token' end
"""

CANDIDATES: Final = f"""
  candidates as (
    select c.id as contact_id, ch.channel, ch.position, a.address, d.id as device_id,
           case
             when a.address is null then 'no_address'
             when :klass <> 'security' and not coalesce(pr.opted_in, :opted_in_by_default)
               then 'opted_out'
             when su.id is not null and (su.scope = 'all' or :klass = 'marketing')
               then 'suppressed'
             when row_number() over (partition by ch.channel, a.address order by c.id, d.id) > 1
               then 'duplicate_address'
           end as blocked
      from (select contact_id as id, email, phone from people) c
      {ADDRESSES}
  )
"""


def parameters(
    topic_id: int, klass: str, opted_in_by_default: bool, channels: list[str]
) -> dict[str, Any]:
    """Values of the names in CANDIDATES."""
    return {
        "topic": topic_id,
        "klass": klass,
        "opted_in_by_default": opted_in_by_default,
        "channels": channels,
    }


_JUDGED: Final = """
  , judged as (
    select c.contact_id, c.channel, c.position, c.address, case
             when c.blocked is null and cap.sent >= :cap then 'over_cap'
             else c.blocked end as blocked
      from candidates c
      {cap}
  )
"""
_CAP: Final = f"""
  left join lateral (
    select count(*) as sent from ({caps.HAD.format(contact="c.contact_id")}) had
  ) cap on true
"""
_NO_CAP: Final = "cross join (select 0 as sent) cap"


def judged(
    session: Session, campaign: Campaign, topic: Topic, now: datetime
) -> tuple[str, dict[str, Any]]:
    """The CTEs `candidates` and `judged` (candidates with the frequency cap), and their values."""
    cap = rules.current(session).cap if topic.klass == "marketing" else None
    values = parameters(topic.id, topic.klass, topic.opted_in_by_default, campaign.channels)
    sql = CANDIDATES + _JUDGED.format(cap=_CAP if cap else _NO_CAP)
    return sql, values | caps.since(cap, now)
