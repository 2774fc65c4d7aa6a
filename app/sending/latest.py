"""The last message of each of several people."""

from collections.abc import Mapping, Sequence

from sqlalchemy import cast, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session, aliased
from sqlalchemy.types import BigInteger

from app.sending.models import Notification


def of_contacts(session: Session, contact_ids: Sequence[int]) -> Mapping[int, Notification]:
    """Contact key -> newest message; who never got one is left out.

    One index look-up per person: whoever has had thousands of messages costs no more than others.
    """
    if not contact_ids:
        return {}
    wanted = (
        func.unnest(cast(list(contact_ids), ARRAY(BigInteger)))
        .table_valued("id", name="wanted")
        .render_derived()
    )
    newest = (
        select(Notification)
        .where(Notification.contact_id == wanted.c.id)
        .order_by(Notification.id.desc())
        .limit(1)
        .lateral("newest")
    )
    message = aliased(Notification, newest)
    rows = session.scalars(select(message).select_from(wanted).join(newest, true()))
    return {row.contact_id: row for row in rows if row.contact_id is not None}
