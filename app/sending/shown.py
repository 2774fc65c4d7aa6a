"""A message as it was sent, made again from its version and the copy that was kept.

Links are the original ones and there is no pixel, so that looking at it counts nothing.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from app.content.render import Rendered
from app.content.versions import compiled
from app.sending import facts, preview, queries, rules
from app.sending.models import Notification


def as_sent(session: Session, message: Notification, public_url: str) -> Rendered | None:
    """What was handed over; None when nothing ever was, or the copy is gone."""
    variables = queries.copy_of(session, message.id)
    if variables is None:
        return None
    version = compiled(session, message.version_id)
    return preview.render(version, message.channel, [variables], public_url)[0]


def as_it_would_be(
    session: Session, message: Notification, public_url: str, now: datetime
) -> Rendered | None:
    """What would be handed over now; None for a person who was erased."""
    moment = message.accepted_at
    some = facts.Some([message.id], message.channel, moment, moment)
    limits = rules.current(session)
    rows = facts.load(session, some, limits, now)
    if not rows or rows[0].policy.erased:
        return None
    version = compiled(session, message.version_id)
    return preview.render(version, message.channel, [rows[0].variables], public_url)[0]
