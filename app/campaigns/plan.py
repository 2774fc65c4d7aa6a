"""When it reaches people: where they live, who waits for the morning, what else goes that day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.audience.models import Topic
from app.campaigns import audience
from app.campaigns.models import Campaign
from app.policy import quiet
from app.sending import rules as limits

MOST: Final = 4  # zones told one by one


@dataclass(frozen=True, slots=True)
class Zone:
    """People of the audience in one time zone; `name` None: unknown. `there`: their wall clock."""

    name: str | None
    people: int
    there: datetime
    waits_until: datetime | None


@dataclass(frozen=True, slots=True)
class Plan:
    """`moment`: when the first message leaves. `waiting`: people whose night it is then."""

    moment: datetime
    zones: Sequence[Zone]
    waiting: int
    last: datetime
    also: Sequence[Campaign]


def plan(session: Session, campaign: Campaign, now: datetime) -> Plan:
    """What launching at the campaign's time (or now) would mean."""
    moment = max(campaign.send_at or now, now)
    house = limits.current(session)
    topic = session.get(Topic, campaign.topic_id) if campaign.topic_id else None
    marketing = topic is None or topic.klass == "marketing"
    hours = house.quiet_hours if marketing and campaign.quiet_hours else None
    zones = []
    for name, people in _people(session, campaign):
        known = _zone(name or house.zone)
        until = quiet.ends(hours, str(known), moment) if hours else None
        zones.append(Zone(name, people, moment.astimezone(known), until))
    ends = [zone.waits_until for zone in zones if zone.waits_until]
    return Plan(
        moment=moment,
        zones=zones,
        waiting=sum(zone.people for zone in zones if zone.waits_until),
        last=max(ends, default=moment),
        also=_also(session, campaign, moment, house.zone),
    )


def _people(session: Session, campaign: Campaign) -> Sequence[tuple[str | None, int]]:
    audience.gather(session, campaign)
    rows = session.execute(
        text(
            "select c.timezone, count(*) from pg_temp.people p "
            "join contact c on c.id = p.contact_id group by 1 order by 2 desc, 1"
        )
    )
    return [(row[0], row[1]) for row in rows]


def _also(session: Session, campaign: Campaign, moment: datetime, zone: str) -> Sequence[Campaign]:
    """Other campaigns that are due on the same day."""
    there = moment.astimezone(_zone(zone))
    start = datetime.combine(there.date(), time(), there.tzinfo).astimezone(UTC)
    return session.scalars(
        select(Campaign)
        .where(Campaign.status == "scheduled", Campaign.id != campaign.id)
        .where(Campaign.send_at >= start, Campaign.send_at < start + timedelta(days=1))
        .order_by(Campaign.send_at)
        .limit(5)
    ).all()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
