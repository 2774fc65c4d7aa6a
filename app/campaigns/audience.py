"""The audience of a campaign: people in its segments, without those in the segments left out."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Select,
    and_,
    column,
    false,
    func,
    insert,
    or_,
    select,
    table,
    text,
    true,
)
from sqlalchemy.orm import Session

from app.audience import rules
from app.audience.models import Contact, Segment
from app.campaigns.models import Campaign

_PEOPLE: Final = table("people", column("contact_id", BigInteger))


def matching(session: Session, campaign: Campaign) -> Select[int]:
    """Contact keys of everyone who matches, in key order. No segment: nobody."""
    wanted = [*campaign.include_segments, *campaign.exclude_segments]
    segments = {
        segment.id: segment.rule
        for segment in session.scalars(select(Segment).where(Segment.id.in_(wanted)))
    }
    include = [
        Contact.id.in_(rules.matching(session, segments[key]))
        for key in campaign.include_segments
        if key in segments
    ]
    exclude = [
        Contact.id.not_in(rules.matching(session, segments[key]))
        for key in campaign.exclude_segments
        if key in segments
    ]
    together = and_(true(), *include) if campaign.include_match == "all" else or_(false(), *include)
    return (
        select(Contact.id)
        .where(Contact.erased_at.is_(None), together if include else false(), *exclude)
        .order_by(Contact.id)
    )


def gather(
    session: Session, campaign: Campaign, *, after: int = 0, limit: int | None = None
) -> int | None:
    """Fill the temporary table `people` with contact keys above `after`; the highest of them.

    None when there is nobody (left). The table lives until the end of the transaction.
    """
    session.execute(
        text("create temporary table if not exists people (contact_id bigint) on commit drop")
    )
    session.execute(text("truncate people"))
    statement = matching(session, campaign).where(Contact.id > after)
    if limit is not None:
        statement = statement.limit(limit)
    session.execute(insert(_PEOPLE).from_select(["contact_id"], statement))
    session.execute(text("analyze people"))
    last: int | None = session.scalar(select(func.max(_PEOPLE.c.contact_id)))
    return last
