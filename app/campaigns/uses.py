"""Which campaigns use a template or a segment: for lists, and before somebody changes one."""

from collections.abc import Collection, Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.campaigns.models import Campaign
from app.content.models import TemplateVersion

# These have not been sent yet, or not to the end.
_UNFINISHED = ("draft", "scheduled", "launching", "sending", "paused")


def of_templates(session: Session, template_ids: Collection[int]) -> dict[int, int]:
    """How many campaigns, sent ones included, began with each template; none is left out."""
    origin = func.coalesce(TemplateVersion.template_id, TemplateVersion.based_on_id)
    rows = session.execute(
        select(origin, func.count())
        .join(Campaign, Campaign.version_id == TemplateVersion.id)
        .where(origin.in_(template_ids), Campaign.archived_at.is_(None))
        .group_by(origin)
    )
    return {row[0]: row[1] for row in rows}


def unfinished(session: Session, template_id: int, limit: int = 5) -> list[str]:
    """Names of campaigns that will still go out with content that began with this template."""
    origin = func.coalesce(TemplateVersion.template_id, TemplateVersion.based_on_id)
    return list(
        session.scalars(
            select(Campaign.name)
            .join(TemplateVersion, Campaign.version_id == TemplateVersion.id)
            .where(origin == template_id, Campaign.status.in_(_UNFINISHED))
            .where(Campaign.archived_at.is_(None))
            .order_by(Campaign.id.desc())
            .limit(limit)
        )
    )


def of_segments(session: Session, segment_ids: Collection[int]) -> dict[int, int]:
    """How many campaigns, sent ones included, choose from each segment or leave it out."""
    both = func.unnest(Campaign.include_segments + Campaign.exclude_segments)
    pairs = (
        select(Campaign.id.label("campaign"), both.label("segment"))
        .where(Campaign.archived_at.is_(None))
        .distinct()
        .subquery()
    )
    rows = session.execute(
        select(pairs.c.segment, func.count())
        .where(pairs.c.segment.in_(segment_ids))
        .group_by(pairs.c.segment)
    )
    return {row[0]: row[1] for row in rows}


def choosing(session: Session, segment_id: int, limit: int = 5) -> Sequence[Campaign]:
    """Campaigns that will still go out and whose people depend on this segment, newest first."""
    return session.scalars(
        select(Campaign)
        .where(Campaign.status.in_(_UNFINISHED), Campaign.archived_at.is_(None))
        .where(
            or_(
                Campaign.include_segments.contains([segment_id]),
                Campaign.exclude_segments.contains([segment_id]),
            )
        )
        .order_by(Campaign.id.desc())
        .limit(limit)
    ).all()
