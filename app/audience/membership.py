"""Which saved segments a person is in, asked with one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audience import rules
from app.audience.models import Contact, Segment
from app.errors import Invalid

MOST: Final = 60


def segments_of(session: Session, contact_id: int, now: datetime) -> Sequence[Segment]:
    """The segments in use that this person is in right now; of the 60 newest, by name.

    A segment whose rule cannot be read any more (it names something that is gone) holds nobody.
    """
    saved = session.scalars(
        select(Segment).where(Segment.archived_at.is_(None)).order_by(Segment.id.desc()).limit(MOST)
    ).all()
    asked = []
    for segment in saved:
        try:
            wanted = rules.matching(session, segment.rule, now)
        except Invalid:
            continue
        asked.append((segment, wanted.where(Contact.id == contact_id).exists()))
    if not asked:
        return []
    row = session.execute(select(*(question for _, question in asked))).one()
    inside = [segment for (segment, _), answer in zip(asked, row, strict=True) if answer]
    return sorted(inside, key=lambda segment: segment.name.lower())
