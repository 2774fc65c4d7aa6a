"""Batches: the unit of work and of the lease. Claim, dispatch, renew, finish, release.

A claim is one conditional UPDATE. It raises the batch's fencing number, and every later step names
that number: a worker that was paused and wakes up late can neither send nor write.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import jobs
from app.db import tuples
from app.sending import place
from app.sending.models import Batch

SIZE: Final = 500
# Renewed every few seconds while a worker lives; what a dead one held is back in work after this.
LEASE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that is ours for now."""

    id: int
    fence: int
    channel: str
    lane: str
    test: bool
    campaign_id: int | None
    ids: Sequence[int]
    accepted_from: datetime
    accepted_to: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """What a nudge is about. `troubled`: open breakers, and when their next probe may go."""

    channel: str
    lane: str
    test: bool
    paced: bool
    troubled: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Member:
    """A queued notification that is to be put into a batch."""

    id: int
    channel: str
    lane: str
    test: bool
    campaign_id: int | None
    accepted_at: datetime


class _Waiting(Protocol):
    """A row of the log."""

    @property
    def id(self) -> int: ...
    @property
    def accepted_at(self) -> datetime: ...


def make(
    session: Session, members: Iterable[Member], now: datetime, since: datetime | None = None
) -> list[int]:
    """Put queued notifications into new batches and ask for them after the commit.

    `since`: they have waited since then; None: they begin to wait now.
    """
    groups: dict[tuple[str, str, bool, int | None], list[Member]] = {}
    for member in members:
        key = (member.channel, member.lane, member.test, member.campaign_id)
        groups.setdefault(key, []).append(member)
    batches = [
        Batch(
            channel=channel,
            lane=lane,
            test=test,
            campaign_id=campaign,
            ids=[member.id for member in part],
            accepted_from=min(member.accepted_at for member in part),
            accepted_to=max(member.accepted_at for member in part),
            created_at=since or now,
            nudged_at=now,
        )
        for (channel, lane, test, campaign), group in groups.items()
        for part in (group[i : i + SIZE] for i in range(0, len(group), SIZE))
    ]
    session.add_all(batches)
    session.flush()
    jobs.enqueue_after_commit(
        session, [jobs.deliver(batch.id, batch.channel, batch.lane) for batch in batches]
    )
    return [batch.id for batch in batches]


_OPEN_LANE: Final = """
    not exists (
      select from lane_state l where l.channel = b.channel and l.lane = b.lane
        and l.paused_at is not null
    )
    and not exists (
      select from campaign c where c.id = b.campaign_id and c.status = 'paused'
    )
    and not exists (select from installation where held_at is not null)
"""


# The usual case of the transactional lane is claimed in the same statement: nothing is paced and
# no provider in trouble, so nothing has to be decided first. Its commit does not wait for the disk:
# a claim that a crash of the database forgets leaves the batch pending, as if it had never been
# made. `dispatch`, which always waits for the disk, lets only one claim of a batch go on.
_LOOK_OR_CLAIM: Final = f"""
  with taken as (
    update batch b set state = 'claimed', owner = %(owner)s, fence = fence + 1,
           lease_until = %(until)s
     where id = %(id)s and state = 'pending' and lane = 'transactional' and {_OPEN_LANE}
       and not exists (select from pace)
       and (test or not exists (select from provider_account where open_since is not null))
       and (select set_config('synchronous_commit', 'off', true)) is not null
    returning id, fence, channel, lane, test, campaign_id, ids, accepted_from, accepted_to,
              created_at
  )
  select b.channel, b.lane, b.test, exists (select from pace), a.provider, a.probe_at, taken.*
    from batch b left join provider_account a on a.open_since is not null and not b.test
    left join taken on true
   where b.id = %(id)s
"""
_BEFORE_CLAIM: Final = 6  # columns


def claim_or_look(
    session: Session, batch_id: int, owner: str, now: datetime
) -> tuple[Asked, Claim | None] | None:
    """Claim a batch about which nothing has to be decided first; of any other, learn what has.

    That is: a pending batch of the transactional lane while nothing is held to a pace and no
    provider is in trouble. None when there is no such batch.
    """
    rows = tuples(session, _LOOK_OR_CLAIM, {"id": batch_id, "owner": owner, "until": now + LEASE})
    if not rows:
        return None
    channel, lane, test, paced = rows[0][:4]
    asked = Asked(channel, lane, test, paced, {row[4]: row[5] for row in rows if row[4]})
    taken = rows[0][_BEFORE_CLAIM:]
    return asked, Claim(*taken) if taken[0] is not None else None


def claim(session: Session, batch_id: int, owner: str, now: datetime) -> Claim | None:
    """Take a pending batch, unless its lane or its campaign is paused. None: not ours."""
    row = session.execute(
        text(
            f"""
            update batch b set state = 'claimed', owner = :owner, fence = fence + 1,
                   lease_until = :until
             where id = :id and state = 'pending' and {_OPEN_LANE}
            returning id, fence, channel, lane, test, campaign_id, ids, accepted_from, accepted_to,
                      created_at
            """
        ),
        {"id": batch_id, "owner": owner, "until": now + LEASE},
    ).one_or_none()
    return Claim(*row) if row else None


def cut(session: Session, claim: Claim, most: int, now: datetime, *, nudge: bool) -> Claim:
    """Keep the first `most` messages of a claimed batch; the rest becomes a batch of its own."""
    if len(claim.ids) <= most:
        return claim
    mine, rest = list(claim.ids[:most]), list(claim.ids[most:])
    session.execute(
        text("update batch set ids = :ids where id = :id and fence = :fence"),
        {"ids": mine, "id": claim.id, "fence": claim.fence},
    )
    again = Batch(
        channel=claim.channel,
        lane=claim.lane,
        test=claim.test,
        campaign_id=claim.campaign_id,
        ids=rest,
        accepted_from=claim.accepted_from,
        accepted_to=claim.accepted_to,
        created_at=claim.created_at,
        nudged_at=now,
    )
    session.add(again)
    session.flush()
    if nudge:
        jobs.enqueue_after_commit(session, [jobs.deliver(again.id, again.channel, again.lane)])
    return replace(claim, ids=mine)


_DISPATCH: Final = f"""
  with going as (
    update batch b set state = 'dispatching', lease_until = %(until)s, dispatched_at = %(now)s,
           provider = %(provider)s
     where id = %(id)s and fence = %(fence)s and state = 'claimed' and {_OPEN_LANE}
       and {place.IS_OURS}
    returning id
  )
  insert into copy (batch_id, at, facts) select id, %(now)s, %(facts)s from going
  on conflict (batch_id) do update set at = excluded.at, facts = excluded.facts
  returning batch_id
"""


def dispatch(session: Session, claim: Claim, provider: str, facts: bytes, now: datetime) -> bool:
    """Mark that bytes are about to leave, and keep what they are made of (`copies.packed`).

    False: the lease was lost, the campaign or lane was paused, all is held, or this is a copy that
    has taken the place of the database (`place`). A later try of
    the same batch overwrites the copy.
    """
    values = {
        "id": claim.id,
        "fence": claim.fence,
        "now": now,
        "until": now + LEASE,
        "provider": provider,
        "facts": facts,
        **place.values(),
    }
    return bool(tuples(session, _DISPATCH, values))


def renew(session: Session, held: Sequence[Claim], now: datetime) -> None:
    """Push the leases of live batches ahead, in one statement."""
    session.execute(
        text(
            """
            update batch b set lease_until = :until
              from unnest(cast(:ids as bigint[]), cast(:fences as int[])) v(id, fence)
             where b.id = v.id and b.fence = v.fence and b.state in ('claimed', 'dispatching')
            """
        ),
        {
            "ids": [item.id for item in held],
            "fences": [item.fence for item in held],
            "until": now + LEASE,
        },
    )


def put_back(session: Session, claim: Claim, rows: Iterable[_Waiting], now: datetime) -> None:
    """Messages that were not begun lost nothing: they wait in a batch of their own, as long as
    they have waited already, or nobody would ever see that it is too long.
    """
    members = [
        Member(row.id, claim.channel, claim.lane, claim.test, claim.campaign_id, row.accepted_at)
        for row in rows
    ]
    make(session, members, now, since=claim.created_at)


def finish(session: Session, claim: Claim, now: datetime) -> bool:
    """Close the batch. False: someone else took it over, nothing may be written."""
    changed = session.execute(
        text(
            """
            update batch set state = 'done', done_at = :now, lease_until = null
             where id = :id and fence = :fence and state in ('claimed', 'dispatching')
            """
        ),
        {"id": claim.id, "fence": claim.fence, "now": now},
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def release(session: Session, claim: Claim) -> None:
    """Give a claimed batch back, unsent: its lane closed or its campaign paused meanwhile."""
    session.execute(
        text(
            """
            update batch set state = 'pending', owner = null, lease_until = null
             where id = :id and fence = :fence and state = 'claimed'
            """
        ),
        {"id": claim.id, "fence": claim.fence},
    )
