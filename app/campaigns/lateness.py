"""A campaign whose time was missed by more than the workspace allows: a person decides about it."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from app.alerts import incidents
from app.campaigns.models import Campaign

CAUSE: Final = "campaign:late:"


def too_late(send_at: datetime, allowed: int | None, now: datetime) -> bool:
    """Whether somebody has to be asked. `allowed` are minutes; None: never ask."""
    return allowed is not None and now - send_at > timedelta(minutes=allowed)


def ask(session: Session, campaign: Campaign, now: datetime) -> None:
    """Do not start it: open an incident and wait for a decision. Its status stays `scheduled`."""
    campaign.late_since = now
    campaign.updated_at = now
    minutes = int((now - (campaign.send_at or now)).total_seconds() // 60)
    after = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    incidents.keep(
        session,
        f"{CAUSE}{campaign.id}",
        f"“{campaign.name}” missed its time",
        f"It was to start at {campaign.send_at:%Y-%m-%d %H:%M} UTC and was found {after} later, "
        "so it was not started.",
        {"campaign_id": campaign.id, "unit": "campaign"},
        now,
    )


def decided(session: Session, campaign: Campaign, now: datetime) -> None:
    """Somebody decided: it is late no more, and its incident is closed."""
    if campaign.late_since is not None:
        campaign.late_since = None
        incidents.resolve(session, f"{CAUSE}{campaign.id}", now)
