"""What staff and callers may do to messages that exist: cancel, retry, send again; pause a lane."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import Conflict, Invalid, NotFound
from app.sending import batches, fallback, ledger, states
from app.sending.models import LaneState, Notification
from app.sending.states import Change

RETRIED_AT_ONCE: Final = 5_000


def cancel(session: Session, notification_id: int, now: datetime) -> None:
    """Make sure that a message is not handed over.

    Raises NotFound, or Conflict when it was handed over or is just being handed over.
    """
    in_flight = _lock_batch(session, notification_id)
    current = session.execute(
        select(Notification.status).where(Notification.id == notification_id).with_for_update()
    ).scalar_one_or_none()
    if current is None:
        raise NotFound("There is no such message.")
    if current == "cancelled":
        return
    if current not in ("queued", "held") or in_flight or _has_begun(session, notification_id):
        raise Conflict(f"The message can no longer be cancelled: it is {_WORDS[current]}.")
    states.move(session, [Change(notification_id, "cancelled", "cancelled", now)], now)


def _lock_batch(session: Session, notification_id: int) -> bool:
    """Whether the message is being handed over; if not, no worker can begin until we commit."""
    states_found = session.scalars(
        text(
            "select state from batch where state in ('pending', 'claimed', 'dispatching') "
            "and ids @> array[cast(:id as bigint)] for update"
        ),
        {"id": notification_id},
    ).all()
    return any(state != "pending" for state in states_found)


def _has_begun(session: Session, notification_id: int) -> bool:
    """The same once its row is ours: meanwhile it may have come into a batch of its own.

    A batch that somebody holds counts: we would wait for each other.
    """
    open_, free = session.execute(
        text(
            """
            with found as (
              select id, state from batch where state in ('pending', 'claimed', 'dispatching')
                 and ids @> array[cast(:id as bigint)]
            ), locked as (
              select b.state from batch b where b.id in (select id from found)
                 for update skip locked
            )
            select (select count(*) from found),
                   (select count(*) from locked where state = 'pending')
            """
        ),
        {"id": notification_id},
    ).one()
    return bool(open_ != free)


_WORDS: Final = {
    "queued": "being handed over",
    "sending": "being handed over",
    "unknown": "being looked for at the provider",
    "accepted": "with the provider",
    "delivered": "delivered",
    "bounced": "handed over (it bounced)",
    "failed": "given up",
    "skipped": "not sent",
    "expired": "expired",
    "held": "waiting",
}


def retry(session: Session, notification_ids: Sequence[int], now: datetime) -> int:
    """Put dead letters back into work with a fresh set of tries; answers how many."""
    if len(notification_ids) > RETRIED_AT_ONCE:
        message = f"At most {RETRIED_AT_ONCE:,} messages can be retried at once."
        raise Invalid.one("/ids", "too_many", message)
    fallback.one_at_a_time(session, notification_ids)
    failed = select(Notification.id).where(
        Notification.id.in_(notification_ids),
        Notification.status == "failed",
        Notification.dead_at.is_not(None),
    )
    changes = [Change(key, "queued", None, now) for key in session.scalars(failed)]
    keys = [item.notification_id for item in states.move(session, changes, now)]
    rows = session.execute(
        text(
            """
            update notification set attempts = 0, final_at = null, discarded_at = null
             where id = any(:ids)
            returning id, channel, lane, test, campaign_id, accepted_at
            """
        ),
        {"ids": keys},
    ).all()
    batches.make(session, [batches.Member(*row) for row in rows], now)
    return len(keys)


def send_again(session: Session, notification_id: int, now: datetime) -> int:
    """A new message with the same content to the same address; linked to the old one."""
    old = session.scalars(
        select(Notification).where(Notification.id == notification_id)
    ).one_or_none()
    if old is None:
        raise NotFound("There is no such message.")
    if old.address is None:
        raise Conflict("The message had no address, so it cannot be sent again.")
    again = Notification(
        accepted_at=now,
        origin="console",
        test=old.test,
        lane="transactional",
        channel=old.channel,
        status="queued",
        contact_id=old.contact_id,
        device_id=old.device_id,
        topic_id=old.topic_id,
        version_id=old.version_id,
        address=old.address,
        data=old.data,
        extra=old.extra,
        previous_id=old.id,
    )
    session.add(again)
    session.flush()
    ledger.record(session, [ledger.Moved(None, old.channel, None, None, "queued", None)], now)
    member = batches.Member(again.id, again.channel, again.lane, again.test, None, now)
    batches.make(session, [member], now)
    return again.id


def pause_lane(session: Session, channel: str, lane: str, by: str, now: datetime) -> None:
    """Hand nothing more over in this lane until it is resumed; nothing is lost."""
    statement = insert(LaneState).values(channel=channel, lane=lane, paused_at=now, paused_by=by)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[LaneState.channel, LaneState.lane],
            set_={"paused_at": now, "paused_by": by},
        )
    )


def resume_lane(session: Session, channel: str, lane: str) -> None:
    """Let the lane send again."""
    session.execute(
        text(
            """
            update lane_state set paused_at = null, paused_by = null
             where channel = :channel and lane = :lane
            """
        ),
        {"channel": channel, "lane": lane},
    )
    session.execute(
        text(
            "update batch set nudged_at = to_timestamp(0) "
            "where state = 'pending' and channel = :channel and lane = :lane"
        ),
        {"channel": channel, "lane": lane},
    )
