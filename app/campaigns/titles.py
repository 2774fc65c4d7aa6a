"""What lists call a message: its campaign, its template, or what started it."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.campaigns.models import Campaign
from app.content.models import Template, TemplateVersion
from app.sending.models import Notification


@dataclass(frozen=True, slots=True)
class Title:
    """`text` is shown; the keys are there where there is a page to open."""

    text: str
    campaign_id: int | None = None
    campaign_name: str | None = None
    template_id: int | None = None
    template_name: str | None = None
    version: int | None = None


_BY_ORIGIN = {"test": "Test message", "console": "Message from the console"}


def of_messages(session: Session, messages: Collection[Notification]) -> dict[int, Title]:
    """notification key -> title, with one query for campaigns and one for templates."""
    campaigns = _campaigns(session, {m.campaign_id for m in messages if m.campaign_id})
    versions = _versions(session, {m.version_id for m in messages})
    titles = {}
    for message in messages:
        template_id, template, number = versions.get(message.version_id, (None, None, None))
        campaign = campaigns.get(message.campaign_id or 0)
        text = campaign or template or _BY_ORIGIN.get(message.origin, "One-off message")
        titles[message.id] = Title(
            text, message.campaign_id, campaign, template_id, template, number
        )
    return titles


def _campaigns(session: Session, keys: set[int]) -> dict[int, str]:
    if not keys:
        return {}
    rows = session.execute(select(Campaign.id, Campaign.name).where(Campaign.id.in_(keys)))
    return {row.id: row.name for row in rows}


def _versions(session: Session, keys: set[int]) -> dict[int, tuple[int, str, int | None]]:
    if not keys:
        return {}
    rows = session.execute(
        select(TemplateVersion.id, Template.id, Template.name, TemplateVersion.number)
        .join(Template, Template.id == TemplateVersion.template_id)
        .where(TemplateVersion.id.in_(keys))
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}
