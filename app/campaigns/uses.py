"""Which campaigns use a template: for lists, and before somebody changes one."""

from collections.abc import Collection

from sqlalchemy import func, select
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
