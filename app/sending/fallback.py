"""Strategy `first`: when a channel fails for good, the person's next channel is tried."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.sending import batches, ledger
from app.sending.models import Notification
from app.sending.recipients import addresses_of


def next_channel(session: Session, notification_id: int, now: datetime) -> int | None:
    """Create the follower of a message that failed for good; its key, or None when none is left."""
    failed = session.scalars(
        select(Notification).where(Notification.id == notification_id).with_for_update()
    ).one()
    if not failed.fallback or failed.contact_id is None or failed.status == "queued":
        return None
    if session.scalar(select(Notification.id).where(Notification.previous_id == failed.id)):
        return None
    for position, channel in enumerate(failed.fallback):
        for address, device_id in addresses_of(session, failed.contact_id, channel)[:1]:
            rest = failed.fallback[position + 1 :]
            return _follow(session, failed, channel, address, device_id, rest, now)
    return None


def _follow(
    session: Session,
    failed: Notification,
    channel: str,
    address: str,
    device_id: int | None,
    rest: list[str],
    now: datetime,
) -> int:
    follower = Notification(
        accepted_at=now,
        origin=failed.origin,
        test=failed.test,
        lane=failed.lane,
        channel=channel,
        status="queued",
        campaign_id=failed.campaign_id,
        contact_id=failed.contact_id,
        device_id=device_id,
        topic_id=failed.topic_id,
        version_id=failed.version_id,
        address=address,
        data=failed.data,
        extra=failed.extra,
        api_key_id=failed.api_key_id,
        request_id=failed.request_id,
        fallback=rest or None,
        previous_id=failed.id,
        expires_at=failed.expires_at,
    )
    session.add(follower)
    session.flush()
    ledger.record(
        session,
        [ledger.Moved(follower.campaign_id, channel, None, None, "queued", None)],
        now,
    )
    batches.make(
        session,
        [
            batches.Member(
                follower.id, channel, follower.lane, follower.test, follower.campaign_id, now
            )
        ],
        now,
    )
    return follower.id
