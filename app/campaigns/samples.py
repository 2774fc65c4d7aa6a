"""A few real people of an audience, and the channels on which each would be reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.audience.models import Contact, Topic
from app.campaigns import audience
from app.campaigns.candidates import judged
from app.campaigns.models import Campaign

_TRIED: Final = 60  # of whom some will not be reached

_SOME: Final = """
  with people as (
    select * from pg_temp.people order by random() limit :tried
  ), {judged}
  select contact_id, array_agg(distinct channel), min(position)
    from judged where blocked is null group by contact_id order by random() limit :number
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One person who would receive it; `channels` in the campaign's order."""

    contact: Contact
    channels: Sequence[str]


def some(
    session: Session, campaign: Campaign, number: int, now: datetime, *, gathered: bool = False
) -> list[Sample]:
    """Others each time. `gathered`: the table `people` was filled in this transaction already."""
    topic = session.get(Topic, campaign.topic_id) if campaign.topic_id else None
    if topic is None or not campaign.channels:
        return []
    if not gathered:
        audience.gather(session, campaign)
    sql, values = judged(session, campaign, topic, now)
    rows = session.execute(
        text(_SOME.format(judged=sql)), values | {"tried": _TRIED, "number": number}
    ).all()
    found = select(Contact).where(Contact.id.in_([row[0] for row in rows]))
    people = {contact.id: contact for contact in session.scalars(found)}
    return [
        Sample(people[key], _channels(campaign, reached))
        for key, reached, _ in rows
        if key in people
    ]


def _channels(campaign: Campaign, reached: Sequence[str]) -> list[str]:
    ordered = [channel for channel in campaign.channels if channel in reached]
    return ordered[:1] if campaign.strategy == "first" else ordered
