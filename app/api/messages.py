"""Messages with the names behind their keys: two queries for a whole page of them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.api.schemas.notifications import Labels, shown, steps
from app.audience.models import Contact
from app.content.models import Template, TemplateVersion
from app.sending import queries
from app.sending.models import Notification
from app.tracking.models import Event


def listed(session: Session, rows: Sequence[Notification], unmasked: bool) -> list[dict[str, Any]]:
    """A page of messages, as the API shows them."""
    labels = _labels(session, rows)
    return [shown(row, labels, unmasked) for row in rows]


def with_steps(session: Session, row: Notification, unmasked: bool) -> dict[str, Any]:
    """One message with its attempts and events, in order."""
    events = session.scalars(
        select(Event).where(Event.notification_id == row.id).order_by(Event.at, Event.id).limit(500)
    ).all()
    attempts = queries.attempts_of(session, row.id)
    return {
        **shown(row, _labels(session, [row]), unmasked),
        **steps(attempts, events, unmasked),
    }


def _labels(session: Session, rows: Sequence[Notification]) -> Labels:
    contact_ids = {row.contact_id for row in rows if row.contact_id}
    version_ids = {row.version_id for row in rows}
    contacts = session.execute(
        select(Contact.id, Contact.external_id).where(
            Contact.id.in_(contact_ids), Contact.external_id.is_not(None)
        )
    )
    versions = session.execute(
        select(TemplateVersion.id, Template.key, TemplateVersion.number)
        .join(Template, Template.id == TemplateVersion.template_id)
        .where(TemplateVersion.id.in_(version_ids))
    )
    return Labels(
        {key: name for key, name in contacts if name},
        {key: (template, number) for key, template, number in versions},
    )
