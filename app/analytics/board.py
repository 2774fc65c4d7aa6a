"""What is going on: campaigns that run, ran and will run, queues, and what wants attention."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.alerts.models import Incident
from app.analytics import progress, reports
from app.analytics.books import CHANNELS
from app.analytics.progress import Progress
from app.analytics.reports import Report
from app.campaigns.models import Campaign
from app.sending import breaker, dead_letters, engine, obstacles, queries, queue_queries
from app.sending.models import LaneState
from app.sending.obstacles import Obstacle

RUNNING: Final = ("launching", "sending", "paused")
RAN: Final = ("sending", "paused", "sent", "cancelled")
MANY: Final = 1000  # nobody needs to know how many more
# A queue whose oldest batch has waited this long is slow.
SLOW: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Running:
    """A campaign on its way."""

    campaign: Campaign
    progress: Progress


@dataclass(frozen=True, slots=True)
class Queue:
    """One channel's queue: messages that wait, and since when the oldest does."""

    channel: str
    waiting: int
    oldest: timedelta | None
    sent_this_hour: int
    paused: bool
    closed_until: datetime | None

    @property
    def slow(self) -> bool:
        """Is something waiting longer than it should?"""
        return self.paused or (self.oldest is not None and self.oldest > SLOW)


@dataclass(frozen=True, slots=True)
class Attention:
    """What somebody should look at."""

    incidents: int
    worst: Incident | None
    paused: Sequence[LaneState]
    dead_letters: int


def running(session: Session, now: datetime, limit: int = 5) -> list[Running]:
    """Campaigns that are being sent or paused, newest first."""
    campaigns = session.scalars(
        select(Campaign)
        .where(Campaign.status.in_(RUNNING))
        .order_by(Campaign.launched_at.desc().nulls_last())
        .limit(limit)
    ).all()
    found = reports.reports(session, [campaign.id for campaign in campaigns])
    ways = ways_of(session, campaigns, found, now)
    return [Running(one, ways[one.id]) for one in campaigns]


def ways_of(
    session: Session, campaigns: Sequence[Campaign], found: Mapping[int, Report], now: datetime
) -> Mapping[int, Progress]:
    """How far each of these has come, by key; campaigns without a report are left out."""
    going = [one.id for one in campaigns if one.status in progress.RUNNING and one.id in found]
    flow = queue_queries.flow_of_campaigns(session, going, now) if going else {}
    still = obstacles.of_bulk_queues(session, engine.current()) if going else {}
    return {
        one.id: progress.progress(
            found[one.id].book.all,
            one.status,
            one.launched_at,
            one.finished_at,
            now,
            lately=flow.get(one.id),
            waits=_waits(found[one.id], still) if one.id in going else (),
        )
        for one in campaigns
        if one.id in found
    }


def _waits(report: Report, still: Mapping[str, Obstacle]) -> Sequence[Obstacle]:
    """Why parts of this campaign stand still, each cause once."""
    channels = report.book.channels.items()
    return list(dict.fromkeys(still[name] for name, one in channels if one.open and name in still))


def recent(session: Session, limit: int = 5) -> list[tuple[Campaign, Report]]:
    """The campaigns that were launched last, with their reports."""
    campaigns = session.scalars(
        select(Campaign)
        .where(Campaign.status.in_(RAN), Campaign.archived_at.is_(None))
        .order_by(Campaign.launched_at.desc().nulls_last())
        .limit(limit)
    ).all()
    found = reports.reports(session, [campaign.id for campaign in campaigns])
    return [(campaign, found[campaign.id]) for campaign in campaigns]


def upcoming(session: Session, limit: int = 5) -> Sequence[Campaign]:
    """Campaigns that wait for their time, the next first."""
    return session.scalars(
        select(Campaign)
        .where(Campaign.status == "scheduled")
        .order_by(Campaign.send_at)
        .limit(limit)
    ).all()


def queues(session: Session, now: datetime) -> list[Queue]:
    """The four queues, both lanes together."""
    open_batches = {
        row[0]: row
        for row in session.execute(
            text(
                "select channel, sum(cardinality(ids))::bigint, "
                "min(created_at) filter (where state = 'pending') "
                "from batch where state not in ('done', 'parked') group by channel"
            )
        )
    }
    sent = _sent_this_hour(session, now)
    lanes = queries.lanes(session)
    parked = breaker.parked(session, engine.current())
    found = []
    for channel in CHANNELS:
        row = open_batches.get(channel)
        states = [state for (name, _), state in lanes.items() if name == channel]
        found.append(
            Queue(
                channel,
                waiting=row[1] if row else 0,
                oldest=now - row[2] if row and row[2] else None,
                sent_this_hour=sent.get(channel, 0),
                paused=any(state.paused_at for state in states),
                closed_until=parked[channel].probe_at if channel in parked else None,
            )
        )
    return found


def attention(session: Session) -> Attention:
    """Open incidents, paused lanes, and messages that were given up and wait for a decision."""
    worst = session.scalars(
        select(Incident)
        .where(Incident.resolved_at.is_(None), Incident.acknowledged_at.is_(None))
        .order_by((Incident.severity == "critical").desc(), Incident.last_at.desc())
        .limit(1)
    ).first()
    number = session.scalar(
        select(func.count())
        .select_from(Incident)
        .where(Incident.resolved_at.is_(None), Incident.acknowledged_at.is_(None))
    )
    paused = session.scalars(select(LaneState).where(LaneState.paused_at.is_not(None))).all()
    dead = dead_letters.count(session, MANY)
    return Attention(number or 0, worst, paused, dead)


def _sent_this_hour(session: Session, now: datetime) -> dict[str, int]:
    hour = now.replace(minute=0, second=0, microsecond=0)
    rows = session.execute(
        text(
            "select channel, sum(net)::bigint from ("
            ' select channel, entered - "left" as net from ledger_count'
            "  where hour = :hour and status in ('accepted', 'delivered', 'bounced')"
            " union all"
            ' select channel, entered - "left" from ledger_delta'
            "  where hour = :hour and status in ('accepted', 'delivered', 'bounced')"
            ") l group by 1"
        ),
        {"hour": hour},
    )
    return {row[0]: row[1] for row in rows}
