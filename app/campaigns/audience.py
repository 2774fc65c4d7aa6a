"""The audience of a campaign: people in its segments, without those in the segments left out."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Select,
    Text,
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

_PEOPLE: Final = table(
    "people", column("contact_id", BigInteger), column("email", Text), column("phone", Text)
)
_CREATE: Final = """
  create temporary table if not exists people (contact_id bigint, email text, phone text)
  on commit drop
"""


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
    """Fill the temporary table `people` with contacts above `after`; the highest of their keys.

    It holds their addresses too, so that nobody has to look into `contact` again for them. None
    when there is nobody (left). The table lives until the end of the transaction.
    """
    session.execute(text(_CREATE))
    session.execute(text("truncate people"))
    statement = matching(session, campaign).where(Contact.id > after)
    statement = statement.add_columns(Contact.email, Contact.phone)
    if limit is not None:
        statement = statement.limit(limit)
    session.execute(insert(_PEOPLE).from_select(list(_PEOPLE.c), statement))
    session.execute(text("analyze people"))
    last: int | None = session.scalar(select(func.max(_PEOPLE.c.contact_id)))
    return last
