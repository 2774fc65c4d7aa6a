"""What a campaign says: its own copy of a template's content, changed freely until launch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.audience.models import Topic
from app.campaigns import drafts
from app.campaigns.models import Campaign
from app.content import drafts as versions
from app.content import shape
from app.content.models import Template, TemplateVersion
from app.errors import Conflict


def version_of(session: Session, campaign: Campaign) -> TemplateVersion | None:
    """The campaign's version: a draft until launch, then frozen; None before anything is said."""
    return session.get(TemplateVersion, campaign.version_id) if campaign.version_id else None


def origin_of(session: Session, campaign: Campaign) -> Template | None:
    """The template that the content began as, if it did."""
    version = version_of(session, campaign)
    return session.get(Template, version.based_on_id) if version and version.based_on_id else None


def class_of(session: Session, campaign: Campaign) -> str:
    """The class of the campaign's topic; the strictest while there is none."""
    topic = session.get(Topic, campaign.topic_id) if campaign.topic_id else None
    return topic.klass if topic else "marketing"


def save(
    session: Session,
    campaign_id: int,
    seen: int | None,
    content: Mapping[str, Any],
    member_id: int | None,
    now: datetime,
) -> Campaign:
    """Keep this as what the campaign says; it may still have errors in it.

    Raises Invalid when a field has the wrong shape, EditedElsewhere.
    """
    campaign = drafts.locked(session, campaign_id, seen)
    cleaned = shape.clean(content)
    version = _own_version(session, campaign, member_id, now)
    if version.content != cleaned:
        version.content = cleaned
        version.created_by, version.updated_at = member_id, now
        drafts.touched(campaign, member_id, now)
    session.flush()
    return campaign


def begin_with(
    session: Session,
    campaign_id: int,
    seen: int | None,
    template: Template,
    channels: Sequence[str],
    member_id: int | None,
    now: datetime,
) -> Campaign:
    """Take these channels' content from a template's published version; other channels stay.

    Raises Conflict when the template has nothing published for any of them.
    """
    campaign = drafts.locked(session, campaign_id, seen)
    live = versions.live(session, template)
    taken = {c: live.content[c] for c in channels if c in live.content} if live else {}
    if live is None or not taken:
        raise Conflict(f"{template.name} has nothing published for this channel.")
    own = _own_version(session, campaign, member_id, now)
    own.content = {**own.content, **taken}
    own.sample_data = {**own.sample_data, **live.sample_data}
    own.based_on_id = template.id
    own.created_by, own.updated_at = member_id, now
    drafts.touched(campaign, member_id, now)
    session.flush()
    return campaign


def _own_version(
    session: Session, campaign: Campaign, member_id: int | None, now: datetime
) -> TemplateVersion:
    """The draft behind the campaign; a frozen one (it was scheduled before) is copied."""
    version = version_of(session, campaign)
    if version is not None and version.state == "draft" and version.template_id is None:
        return version
    own = TemplateVersion(
        based_on_id=(version.template_id or version.based_on_id) if version else None,
        state="draft",
        content=version.content if version else {},
        sample_data=version.sample_data if version else {},
        created_by=member_id,
        created_at=now,
        updated_at=now,
    )
    session.add(own)
    session.flush()
    campaign.version_id = own.id
    return own
