"""Reading the log: one message with all that happened to it, a person's history, the search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from app import ids
from app.errors import NotFound
from app.paging import Page, cut, decode_cursor
from app.sending import copies
from app.sending.models import Attempt, Batch, LaneState, Notification


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom messages went to: known people, or a bare address nobody is known by."""

    contact_ids: tuple[int, ...] = ()
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of messages is narrowed to; None means any."""

    contact_id: int | None = None
    campaign_id: int | None = None
    channel: str | None = None
    status: str | None = None
    statuses: tuple[str, ...] = ()
    reason: str | None = None
    provider: str | None = None
    address: str | None = None
    origin: str | None = None
    test: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    to: Addressee | None = None


def by_public_id(session: Session, public_id: str) -> Notification:
    """The message behind `ntf_…`. Raises NotFound."""
    key = ids.decode("ntf", public_id)
    found = by_key(session, key) if key is not None else None
    if found is None:
        raise NotFound("There is no such message.")
    return found


def by_key(session: Session, key: int) -> Notification | None:
    """The message with this key, or None."""
    return session.scalars(select(Notification).where(Notification.id == key)).one_or_none()


def followers(session: Session, key: int) -> Sequence[Notification]:
    """Messages that were made because of this one: sent again, or the next channel."""
    return session.scalars(
        select(Notification).where(Notification.previous_id == key).order_by(Notification.id)
    ).all()


def search(
    session: Session, filters: Filters, cursor: str | None = None, limit: int = 50
) -> Page[Notification]:
    """Messages, newest first."""
    statement = _narrow(select(Notification), filters)
    last = decode_cursor(cursor)
    if last is not None:
        statement = statement.where(Notification.id < last)
    rows = session.scalars(statement.order_by(Notification.id.desc()).limit(limit + 1)).all()
    return cut(rows, limit, lambda row: row.id)


def history_of_contact(
    session: Session, contact_id: int, cursor: str | None = None, limit: int = 25
) -> Page[Notification]:
    """A person's messages over all channels, newest first."""
    return search(session, Filters(contact_id=contact_id), cursor, limit)


def count_of_contact(session: Session, contact_id: int) -> int:
    """How many messages a person was meant to get."""
    counted = select(func.count()).select_from(Notification)
    return session.scalar(counted.where(Notification.contact_id == contact_id)) or 0


def last_handed(session: Session, contact_id: int) -> Mapping[tuple[str, int | None], datetime]:
    """(channel, device key) -> when a person's address last took a message that did not fail."""
    rows = session.execute(
        select(Notification.channel, Notification.device_id, func.max(Notification.handed_at))
        .where(
            Notification.contact_id == contact_id,
            Notification.status.in_(("accepted", "delivered")),
            Notification.handed_at.is_not(None),
        )
        .group_by(Notification.channel, Notification.device_id)
    )
    return {(row[0], row[1]): row[2] for row in rows if row[2] is not None}


def attempts_of(session: Session, key: int) -> Sequence[Attempt]:
    """Every call to a provider about this message, in order."""
    return session.scalars(
        select(Attempt).where(Attempt.notification_id == key).order_by(Attempt.id)
    ).all()


def copy_of(session: Session, key: int) -> Mapping[str, Any] | None:
    """The variables that the message was rendered with; None when it never went out."""
    return copies.of(session, key)


def lanes(session: Session) -> Mapping[tuple[str, str], LaneState]:
    """State of the lanes that were ever paused or closed."""
    return {(lane.channel, lane.lane): lane for lane in session.scalars(select(LaneState))}


def open_batches(session: Session) -> Sequence[Batch]:
    """Batches that are not finished, oldest first, at most 1,000."""
    states = ("pending", "claimed", "dispatching")
    return session.scalars(
        select(Batch).where(Batch.state.in_(states)).order_by(Batch.id).limit(1000)
    ).all()


def _narrow(statement: Select[Notification], filters: Filters) -> Select[Notification]:
    plain = {
        "contact_id": filters.contact_id,
        "campaign_id": filters.campaign_id,
        "channel": filters.channel,
        "status": filters.status,
        "reason": filters.reason,
        "provider": filters.provider,
        "address": filters.address,
        "origin": filters.origin,
        "test": filters.test,
    }
    for name, value in plain.items():
        if value is not None:
            statement = statement.where(getattr(Notification, name) == value)
    if filters.to is not None:
        statement = statement.where(
            or_(
                Notification.contact_id.in_(filters.to.contact_ids),
                and_(Notification.contact_id.is_(None), Notification.address == filters.to.address),
            )
        )
    if filters.statuses:
        statement = statement.where(Notification.status.in_(filters.statuses))
    if filters.since is not None:
        statement = statement.where(Notification.accepted_at >= filters.since)
    if filters.until is not None:
        # A range on the partition key spares the months outside of it.
        statement = statement.where(Notification.accepted_at < filters.until)
    return statement
