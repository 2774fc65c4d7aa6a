"""What the clock does for campaigns: start the due, push on the stuck, close the finished."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import jobs
from app.accounts import workspace
from app.campaigns import lateness, lifecycle
from app.campaigns.models import Campaign
from app.sending import ledger, pace
from app.sending.status import OPEN

STUCK: Final = timedelta(seconds=20)


def start_due(session: Session, now: datetime) -> int:
    """Start scheduled campaigns whose time has come: each once, also with several schedulers.

    What is found later than the workspace allows is not started: a person is asked. Answers how
    many were started.
    """
    allowed = workspace.get(session).late_minutes
    due = session.scalars(
        select(Campaign)
        .where(
            Campaign.status == "scheduled",
            Campaign.send_at <= now,
            Campaign.late_since.is_(None),
        )
        .order_by(Campaign.send_at)
        .limit(100)
        .with_for_update(skip_locked=True)
    ).all()
    started = 0
    for campaign in due:
        if lateness.too_late(campaign.send_at or now, allowed, now):
            lateness.ask(session, campaign, now)
        else:
            lifecycle.start(session, campaign, now)
            started += 1
    return started


def push_on(session: Session, now: datetime) -> int:
    """Ask again for fan-outs and cancellations whose job was lost."""
    asked = func.greatest(Campaign.updated_at, Campaign.pushed_at)  # the later one that is there
    rows = session.scalars(
        select(Campaign)
        .where(Campaign.status == "launching", asked < now - STUCK)
        .with_for_update(skip_locked=True)
    ).all()
    for campaign in rows:
        campaign.pushed_at = now
        jobs.later(session, "fan_out", campaign.id)
    cancelled = session.scalars(
        select(Campaign).where(
            Campaign.status == "cancelled",
            Campaign.launched_at.is_not(None),
            Campaign.finished_at > now - timedelta(days=2),
        )
    ).all()
    open_rows = ledger.totals_of_many(session, [campaign.id for campaign in cancelled])
    for campaign in cancelled:
        if any(open_rows[campaign.id].get(status) for status in ("queued", "held")):
            jobs.later(session, "cancel_rest", campaign.id)
    return len(rows)


def close_finished(session: Session, now: datetime) -> int:
    """A campaign is sent when nothing of it is open any more: the sums say so."""
    sending = session.scalars(
        select(Campaign)
        .where(Campaign.status == "sending", Campaign.fanned_out_at.is_not(None))
        .with_for_update(skip_locked=True)
    ).all()
    totals = ledger.totals_of_many(session, [campaign.id for campaign in sending])
    closed = 0
    for campaign in sending:
        if not any(totals[campaign.id].get(status) for status in OPEN):
            campaign.status = "sent"
            campaign.finished_at = now
            campaign.updated_at = now
            pace.limit(session, pace.of_campaign(campaign.id), None)
            closed += 1
    return closed
