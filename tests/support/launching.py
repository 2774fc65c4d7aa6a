"""Campaigns from a draft to everyone to their last batch, for tests of what leaves the house."""

from datetime import UTC, datetime
from typing import Any

from app.audience.models import Segment
from app.campaigns import fanout, lifecycle
from app.campaigns.models import Campaign
from app.content.models import TemplateVersion
from app.db import transaction
from tests.support.sending import CONTENT, House

EVERYONE = {"all": []}
# What marketing must have: a way out of it.
LAWFUL = {
    **CONTENT,
    "email": {
        **CONTENT["email"],
        "html": CONTENT["email"]["html"] + '<a href="{{ unsubscribe_url }}">Unsubscribe</a>',
    },
    "sms": {"body": CONTENT["sms"]["body"] + " Reply STOP to opt out."},
}


def draft(house: House, **values: Any) -> int:
    """A complete draft to everyone; answers its key."""
    with transaction() as session:
        segment = Segment(name="Everyone", rule=EVERYONE)
        version = TemplateVersion(state="draft", content=LAWFUL)
        session.add_all([segment, version])
        session.flush()
        given = {"channels": ["email"], "topic_id": house.topics["offers"]}
        campaign = Campaign(
            name="Spring",
            include_segments=[segment.id],
            version_id=version.id,
            **{**given, **values},
        )
        session.add(campaign)
        session.flush()
        return campaign.id


def launch(campaign_id: int, chunk: int = fanout.CHUNK) -> None:
    """Approve, and fan out to the end."""
    with transaction() as session:
        lifecycle.approve(session, campaign_id, None, datetime.now(UTC))
    fan_out(campaign_id, chunk)


def fan_out(campaign_id: int, chunk: int = fanout.CHUNK) -> None:
    """What the background worker does."""
    more = True
    while more:
        with transaction() as session:
            more = fanout.next_chunk(session, campaign_id, datetime.now(UTC), chunk)
