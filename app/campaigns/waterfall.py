"""The waterfall: from everyone who matches to those who will receive, and why others will not.

Every person is counted once. With several channels, a person who is kept from all of them is
counted under the reason that is nearest to success. The lines always add up to `matched`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audience.models import Topic
from app.campaigns import audience
from app.campaigns.candidates import REASONS, judged
from app.campaigns.models import Campaign


@dataclass(frozen=True, slots=True)
class Line:
    """People who will not receive, for one reason."""

    reason: str
    people: int


@dataclass(frozen=True, slots=True)
class Waterfall:
    """`matched` = `receive` + the sum of `lines`. `by_channel`: people per channel they get."""

    matched: int
    lines: Sequence[Line]
    receive: int
    by_channel: Mapping[str, int]
    everyone: int


_COUNT: Final = """
  , people_judged as (
    select contact_id, coalesce(min(
             case when blocked is null then 0
                  else array_position(cast(:reasons as text[]), blocked) end), 0) as verdict,
           min(position) filter (where blocked is null) as best
      from judged group by contact_id
  ),
  reached as (
    select distinct j.contact_id, j.channel
      from judged j join people_judged p on p.contact_id = j.contact_id
     where j.blocked is null and (:strategy = 'all' or j.position = p.best)
  )
  select 'verdict', verdict::text, count(*) from people_judged group by verdict
  union all
  select 'channel', channel, count(*) from reached group by channel
"""


def count(session: Session, campaign: Campaign, now: datetime) -> Waterfall:
    """Count the campaign's audience as it is now. Without topic or channels nobody is reached."""
    audience.gather(session, campaign)
    everyone = session.scalar(text("select count(*) from contact where erased_at is null")) or 0
    topic = session.get(Topic, campaign.topic_id) if campaign.topic_id else None
    matched = session.scalar(text("select count(*) from people")) or 0
    if topic is None or not campaign.channels:
        missing = Line("no_topic_yet" if topic is None else "no_channel_yet", matched)
        return Waterfall(matched, [missing] if matched else [], 0, {}, everyone)
    sql, values = judged(session, campaign, topic, now)
    rows = session.execute(
        text(f"with {sql} {_COUNT}"),
        values | {"reasons": list(REASONS), "strategy": campaign.strategy},
    ).all()
    verdicts = {int(row[1]): row[2] for row in rows if row[0] == "verdict"}
    lines = [
        Line(reason, verdicts[place])
        for place, reason in enumerate(REASONS, start=1)
        if verdicts.get(place)
    ]
    return Waterfall(
        matched=matched,
        lines=lines,
        receive=verdicts.get(0, 0),
        by_channel={row[1]: row[2] for row in rows if row[0] == "channel"},
        everyone=everyone,
    )
