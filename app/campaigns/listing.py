"""Campaigns for lists: tabs with counts, filters, pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from app.audience.models import Segment
from app.campaigns.models import Campaign
from app.content.models import TemplateVersion

# Tab -> the states in it. Archived ones are in none of these.
TABS: Final[Mapping[str, tuple[str, ...]]] = {
    "draft": ("draft",),
    "scheduled": ("scheduled",),
    "sending": ("launching", "sending", "paused"),
    "sent": ("sent", "cancelled", "failed"),
}
# When a campaign happened, happens, or was last touched.
happened: Final = func.coalesce(Campaign.launched_at, Campaign.send_at, Campaign.updated_at)
_LONGEST_QUERY: Final = 200


@dataclass(frozen=True, slots=True)
class Filters:
    """What to show. `tab`: empty (all in use), a key of TABS, or `archived`."""

    tab: str = ""
    text: str = ""
    channel: str = ""
    owner: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    oldest_first: bool = False


def counts(session: Session) -> dict[str, int]:
    """How many campaigns each tab has, whatever the filters."""
    archived = Campaign.archived_at.is_not(None)
    rows = session.execute(
        select(archived, Campaign.status, func.count()).group_by(archived, Campaign.status)
    ).all()
    found = {"": 0, **dict.fromkeys(TABS, 0), "archived": 0}
    for away, status, number in rows:
        if away:
            found["archived"] += number
            continue
        found[""] += number
        for tab, states in TABS.items():
            if status in states:
                found[tab] += number
    return found


def page(
    session: Session, filters: Filters, offset: int, limit: int
) -> tuple[Sequence[Campaign], int]:
    """Some campaigns and how many match in all. There are hundreds, so counting is cheap."""
    chosen = _narrow(select(Campaign), filters)
    total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    order = (
        (happened.asc(), Campaign.id)
        if filters.oldest_first
        else (happened.desc(), Campaign.id.desc())
    )
    rows = session.scalars(chosen.order_by(*order).offset(offset).limit(limit)).all()
    return rows, total


def after(
    session: Session, status: str | None, before: int | None, limit: int
) -> Sequence[Campaign]:
    """Newest first, below a key: the API's pages, archived ones left out."""
    chosen = select(Campaign).where(Campaign.archived_at.is_(None))
    if status:
        chosen = chosen.where(Campaign.status == status)
    if before is not None:
        chosen = chosen.where(Campaign.id < before)
    return session.scalars(chosen.order_by(Campaign.id.desc()).limit(limit)).all()


def segment_names(session: Session, campaigns: Sequence[Campaign]) -> dict[int, str]:
    """Names of all segments that these campaigns refer to."""
    wanted = {
        key
        for campaign in campaigns
        for key in (*campaign.include_segments, *campaign.exclude_segments)
    }
    if not wanted:
        return {}
    rows = session.execute(select(Segment.id, Segment.name).where(Segment.id.in_(wanted)))
    return {row.id: row.name for row in rows}


def owners(session: Session) -> Sequence[int]:
    """Keys of the members who made campaigns."""
    return session.scalars(
        select(Campaign.created_by).where(Campaign.created_by.is_not(None)).distinct()
    ).all()  # type: ignore[return-value]


def _narrow(chosen: Select[Any], filters: Filters) -> Select[Any]:
    away = Campaign.archived_at.is_not(None)
    chosen = chosen.where(away if filters.tab == "archived" else ~away)
    if filters.tab in TABS:
        chosen = chosen.where(Campaign.status.in_(TABS[filters.tab]))
    typed = filters.text.strip()[:_LONGEST_QUERY]
    if typed:
        subject = TemplateVersion.content["email"]["subject"].astext
        chosen = chosen.outerjoin(TemplateVersion, TemplateVersion.id == Campaign.version_id).where(
            or_(
                Campaign.name.icontains(typed, autoescape=True),
                subject.icontains(typed, autoescape=True),
            )
        )
    if filters.channel:
        chosen = chosen.where(Campaign.channels.any(filters.channel))  # type: ignore[arg-type]
    if filters.owner is not None:
        chosen = chosen.where(Campaign.created_by == filters.owner)
    if filters.since:
        chosen = chosen.where(happened >= filters.since)
    if filters.until:
        chosen = chosen.where(happened < filters.until)
    return chosen
