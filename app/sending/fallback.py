"""Strategy `first`: when a channel fails for good, the person's next channel is tried.

The devices of a person are one channel: the next one follows once, when none of them can reach the
person any more.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.arrays import literal
from app.sending import batches, ledger
from app.sending.batches import Member
from app.sending.models import Notification
from app.sending.recipients import addresses_of

# The first half of an advisory lock's key; the second is the person.
_LOCK: Final = 7_204
# Messages with one of these may have reached the person, or still may.
_HOPEFUL: Final = ("queued", "held", "sending", "unknown", "accepted", "delivered")

# Two devices may fail in two transactions at once, neither of which sees the other's: each waits
# for the other's end here, in an order that all share.
_ALONE: Final = """
  select pg_advisory_xact_lock(:lock, person) from (
    select distinct cast(contact_id % 2147483647 as int) as person from notification
     where id = any(cast(:ids as bigint[])) and device_id is not null and contact_id is not null
     order by 1) people
"""
# What one person is sent on one channel: one message for each of her devices.
_SAME: Final = """
  s.contact_id = f.contact_id and s.channel = f.channel
  and s.accepted_at = f.accepted_at and s.version_id = f.version_id
  and s.campaign_id is not distinct from f.campaign_id
  and s.request_id is not distinct from f.request_id
  and s.data is not distinct from f.data
"""
# A copy that staff sent again is on the same channel, and says nothing about the next one.
_SPENT: Final = f"""
  select f.id from notification f
   where f.id = any(cast(:ids as bigint[])) and cardinality(f.fallback) > 0
     and f.contact_id is not null and f.status <> 'queued'
     and not exists (
       select from notification s
        where {_SAME}
          and (s.status = any(:hopeful)
               or exists (select from notification x
                           where x.previous_id = s.id and x.channel <> s.channel)))
   order by f.id
"""
# Its next channel has taken over: put back into work by hand it would reach the person twice.
_REPLACED: Final = f"""
  update notification s set dead_at = null from notification f
   where f.id = any(cast(:ids as bigint[])) and s.dead_at is not null and {_SAME}
"""


def next_channels(session: Session, ids: Sequence[int], now: datetime) -> list[int]:
    """Create the followers of messages that failed for good; answers their keys."""
    if not ids:
        return []
    one_at_a_time(session, ids)
    spent = session.scalars(text(_SPENT), {"ids": literal(ids), "hopeful": list(_HOPEFUL)}).all()
    failed = session.scalars(
        select(Notification).where(Notification.id.in_(spent)).order_by(Notification.id)
    )
    followers = [
        follower for one in _one_of_each(failed) for follower in _followers(session, one, now)
    ]
    if not followers:
        return []
    session.add_all(followers)
    session.flush()
    _enter(session, followers, now)
    followed = sorted({one.previous_id for one in followers if one.previous_id})
    session.execute(text(_REPLACED), {"ids": literal(followed)})
    return [follower.id for follower in followers]


def one_at_a_time(session: Session, ids: Sequence[int]) -> None:
    """Wait until nobody else decides about the channels of these messages' people."""
    session.execute(text(_ALONE), {"lock": _LOCK, "ids": literal(ids)})


def _one_of_each(failed: Iterable[Notification]) -> Iterable[Notification]:
    """Of a person's devices that failed together, the first."""
    found: dict[Any, Notification] = {}
    for one in failed:
        same = (one.contact_id, one.channel, one.accepted_at, one.version_id, one.campaign_id)
        found.setdefault((*same, one.request_id, repr(one.data)), one)
    return found.values()


def _followers(session: Session, failed: Notification, now: datetime) -> list[Notification]:
    """A message to each address of the first channel on which the person has any."""
    for position, channel in enumerate(failed.fallback or ()):
        addresses = addresses_of(session, failed.contact_id or 0, channel)
        rest = (failed.fallback or [])[position + 1 :]
        if addresses:
            return [_follower(failed, channel, one, rest, now) for one in addresses]
    return []


def _follower(
    failed: Notification,
    channel: str,
    address: tuple[str, int | None],
    rest: list[str],
    now: datetime,
) -> Notification:
    return Notification(
        accepted_at=now,
        origin=failed.origin,
        test=failed.test,
        lane=failed.lane,
        channel=channel,
        status="queued",
        campaign_id=failed.campaign_id,
        contact_id=failed.contact_id,
        device_id=address[1],
        topic_id=failed.topic_id,
        version_id=failed.version_id,
        address=address[0],
        data=failed.data,
        extra=failed.extra,
        api_key_id=failed.api_key_id,
        request_id=failed.request_id,
        fallback=rest or None,
        previous_id=failed.id,
        expires_at=failed.expires_at,
    )


def _enter(session: Session, followers: Sequence[Notification], now: datetime) -> None:
    """Count them and put them to work."""
    ledger.record(
        session,
        [
            ledger.Moved(one.campaign_id, one.channel, None, None, "queued", None)
            for one in followers
        ],
        now,
    )
    members = [
        Member(one.id, one.channel, one.lane, one.test, one.campaign_id, now) for one in followers
    ]
    batches.make(session, members, now)
