"""What must be right before a campaign may be launched."""

from sqlalchemy.orm import Session

from app.audience.models import Topic
from app.campaigns.models import Campaign
from app.content.models import TemplateVersion
from app.errors import FieldError


def blocking(session: Session, campaign: Campaign) -> list[FieldError]:
    """Everything that is missing or wrong, by step of the composer; empty when it may go."""
    problems = []
    if not campaign.include_segments:
        message = "Choose at least one segment of people who get this."
        problems.append(FieldError("/include_segments", "no_audience", message))
    if campaign.topic_id is None or session.get(Topic, campaign.topic_id) is None:
        message = "Choose the topic that people opted in to."
        problems.append(FieldError("/topic", "no_topic", message))
    if not campaign.channels:
        problems.append(FieldError("/channels", "no_channel", "Choose at least one channel."))
    return problems + _content(session, campaign)


def _content(session: Session, campaign: Campaign) -> list[FieldError]:
    version = session.get(TemplateVersion, campaign.version_id) if campaign.version_id else None
    content = version.content if version else {}
    return [
        FieldError(f"/content/{channel}", "no_content", f"There is no content for {channel} yet.")
        for channel in campaign.channels
        if not content.get(channel)
    ]
