"""A campaign's life: draft, scheduled, launching, sending, paused, sent, cancelled.

Each function checks that the step is allowed from where the campaign is now, under a row lock, so
that two people who press a button at once do it once.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import ids, jobs
from app.campaigns import checks, lateness, schedule
from app.campaigns.models import Campaign
from app.content import templates
from app.content.models import TemplateVersion
from app.errors import Conflict, Invalid, NotFound
from app.sending import pace, states
from app.sending.states import Change

CANCELLED_AT_ONCE: Final = 5_000


def by_public_id(session: Session, public_id: str) -> Campaign:
    """The campaign behind `cmp_…`. Raises NotFound."""
    key = ids.decode("cmp", public_id)
    campaign = session.get(Campaign, key) if key is not None else None
    if campaign is None:
        raise NotFound("There is no such campaign.")
    return campaign


def set_schedule(
    campaign: Campaign, wall_time: str | None, zone: str | None, now: datetime
) -> None:
    """At a wall time in a zone, or (None) as soon as it is launched. Raises Invalid."""
    send_at = None
    if wall_time is not None:
        send_at = schedule.moment(wall_time, "UTC" if zone is None else zone, now)
    campaign.send_at = send_at
    campaign.wall_time = wall_time
    campaign.zone = zone


def approve(session: Session, campaign_id: int, member_id: int | None, now: datetime) -> Campaign:
    """Launch now, or at the campaign's time. Raises Invalid with everything that is missing."""
    campaign = _locked(session, campaign_id, {"draft"})
    problems = checks.blocking(session, campaign)
    if problems:
        raise Invalid(problems)
    campaign.launched_by = member_id
    campaign.version_id = _frozen(session, campaign, now)
    if campaign.wall_time:
        campaign.send_at = schedule.moment(campaign.wall_time, campaign.zone or "UTC", now)
    if campaign.send_at is not None and campaign.send_at > now:
        campaign.status = "scheduled"
    else:
        start(session, campaign, now)
    return campaign


def start(session: Session, campaign: Campaign, now: datetime) -> None:
    """Begin the fan-out. `launched_at` becomes the acceptance time of every message."""
    campaign.status = "launching"
    campaign.launched_at = now
    campaign.updated_at = now
    pace.limit(session, pace.of_campaign(campaign.id), campaign.rate)
    jobs.later(session, "fan_out", campaign.id)


def send_late(session: Session, campaign_id: int, member_id: int | None, now: datetime) -> Campaign:
    """Start a campaign that missed its time, after all. Raises Conflict when it did not miss it."""
    campaign = _locked(session, campaign_id, {"scheduled"})
    if campaign.late_since is None:
        raise Conflict("The campaign has not missed its time.")
    problems = checks.blocking(session, campaign)
    if problems:
        raise Invalid(problems)
    lateness.decided(session, campaign, now)
    campaign.launched_by = member_id
    start(session, campaign, now)
    return campaign


def unschedule(session: Session, campaign_id: int, now: datetime) -> Campaign:
    """Back to a draft, before it has started."""
    campaign = _locked(session, campaign_id, {"scheduled"})
    lateness.decided(session, campaign, now)
    campaign.status = "draft"
    campaign.updated_at = now
    return campaign


def pause(session: Session, campaign_id: int, now: datetime) -> Campaign:
    """Hand nothing more over; what is with the provider already cannot be called back."""
    campaign = _locked(session, campaign_id, {"sending"})
    campaign.status = "paused"
    campaign.updated_at = now
    return campaign


def resume(session: Session, campaign_id: int, now: datetime) -> Campaign:
    """Go on where it was paused."""
    campaign = _locked(session, campaign_id, {"paused"})
    campaign.status = "sending"
    campaign.updated_at = now
    rows = session.execute(
        text(
            "update batch set nudged_at = :now where campaign_id = :id and state = 'pending' "
            "returning id, channel, lane"
        ),
        {"id": campaign.id, "now": now},
    ).all()
    jobs.enqueue_after_commit(session, [jobs.deliver(*row) for row in rows])
    return campaign


def set_rate(session: Session, campaign_id: int, rate: int | None, now: datetime) -> Campaign:
    """Messages per second from now on, while it is on its way; None: as fast as it goes.

    Raises Invalid, and Conflict for a campaign that is not on its way.
    """
    wrong = pace.problems(rate, "/rate")
    if wrong:
        raise Invalid(wrong)
    campaign = _locked(session, campaign_id, {"launching", "sending", "paused"})
    campaign.rate = rate
    campaign.updated_at = now
    pace.limit(session, pace.of_campaign(campaign.id), rate)
    if rate is None:
        pace.no_more(session, campaigns=[campaign.id])
    return campaign


def cancel(session: Session, campaign_id: int, now: datetime) -> Campaign:
    """Final: whatever was not handed over yet never will be."""
    allowed = {"scheduled", "launching", "sending", "paused"}
    campaign = _locked(session, campaign_id, allowed)
    lateness.decided(session, campaign, now)
    campaign.status = "cancelled"
    campaign.updated_at = now
    campaign.finished_at = now
    pace.limit(session, pace.of_campaign(campaign.id), None)
    if campaign.launched_at is not None:
        jobs.later(session, "cancel_rest", campaign.id)
    return campaign


def cancel_some(session: Session, campaign_id: int, now: datetime) -> int:
    """Settle some of the rows that a cancelled campaign has left; answers how many."""
    campaign = session.get(Campaign, campaign_id)
    if campaign is None or campaign.status != "cancelled" or campaign.launched_at is None:
        return 0
    session.execute(
        text(
            "update batch set state = 'done', done_at = :now "
            "where campaign_id = :id and state = 'pending'"
        ),
        {"id": campaign_id, "now": now},
    )
    rows = session.scalars(
        text(
            """
            select n.id from notification n
             where n.campaign_id = :id and n.accepted_at >= :launched_at
               and n.status in ('queued', 'held')
               and not exists (select from batch b where b.campaign_id = :id
                                and b.state in ('claimed', 'dispatching') and n.id = any(b.ids))
             order by n.id limit :limit for update skip locked
            """
        ),
        {"id": campaign_id, "launched_at": campaign.launched_at, "limit": CANCELLED_AT_ONCE},
    ).all()
    changes = [Change(key, "cancelled", "campaign_cancelled", now) for key in rows]
    return len(states.move(session, changes, now, (campaign.launched_at, now)))


def duplicate(session: Session, campaign: Campaign, member_id: int, now: datetime) -> Campaign:
    """A new draft with the same audience and content."""
    version = session.get(TemplateVersion, campaign.version_id) if campaign.version_id else None
    copy = Campaign(
        name=f"{campaign.name} (copy)",
        topic_id=campaign.topic_id,
        channels=list(campaign.channels),
        strategy=campaign.strategy,
        include_match=campaign.include_match,
        include_segments=list(campaign.include_segments),
        exclude_segments=list(campaign.exclude_segments),
        quiet_hours=campaign.quiet_hours,
        expires_hours=campaign.expires_hours,
        rate=campaign.rate,
        importance=campaign.importance,
        created_by=member_id,
        updated_by=member_id,
        created_at=now,
        updated_at=now,
    )
    if version is not None:
        own = TemplateVersion(
            based_on_id=version.based_on_id or version.template_id,
            state="draft",
            content=version.content,
            sample_data=version.sample_data,
            created_by=member_id,
        )
        session.add(own)
        session.flush()
        copy.version_id = own.id
    session.add(copy)
    session.flush()
    return copy


def _frozen(session: Session, campaign: Campaign, now: datetime) -> int:
    """The campaign's content as an immutable version, only with the channels it goes to."""
    version = session.get_one(TemplateVersion, campaign.version_id)
    content = {channel: version.content[channel] for channel in campaign.channels}
    return templates.freeze(
        session,
        content,
        version.based_on_id or version.template_id,
        now,
        sample_data=version.sample_data,
        by=campaign.launched_by,
    )


def _locked(session: Session, campaign_id: int, allowed: Collection[str]) -> Campaign:
    campaign = session.scalars(
        select(Campaign)
        .where(Campaign.id == campaign_id)
        .with_for_update()
        .execution_options(populate_existing=True)  # a page may have read it long before
    ).one_or_none()
    if campaign is None:
        raise NotFound("There is no such campaign.")
    if campaign.status not in allowed:
        raise Conflict(f"The campaign is {campaign.status}, so this cannot be done now.")
    return campaign
