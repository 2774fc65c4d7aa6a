"""What would go out if a held installation were released; discarding it instead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from app import jobs
from app.campaigns import lateness
from app.campaigns.models import Campaign
from app.sending import installation, pace, states
from app.sending.states import Change

LISTED: Final = 50
LOOKED_AT: Final = 50_000
AT_ONCE: Final = 5_000
BATCHES_AT_ONCE: Final = 20
RUNNING: Final = ("launching", "sending", "paused")


@dataclass(frozen=True, slots=True)
class Lot:
    """Messages of one kind; `oldest` is since when the first of them waits or is due."""

    channel: str
    lane: str
    campaign_id: int | None
    campaign: str
    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Everything that would leave: at once, later, and campaigns by their time."""

    queued: Sequence[Lot]
    due: Sequence[Lot]  # held, and their time has come
    later: int
    unknown: int
    overdue: Sequence[Campaign]
    scheduled: Sequence[Campaign]
    running: Sequence[Campaign]

    @property
    def at_once(self) -> int:
        """Messages that may leave as soon as nothing is held."""
        return sum(lot.count for lot in (*self.queued, *self.due))

    @property
    def messages(self) -> int:
        """Messages that may still leave."""
        return self.at_once + self.later + self.unknown


def summary(session: Session, now: datetime) -> Waiting:
    """Read through indexes, each list with a limit."""
    campaigns = session.scalars(
        select(Campaign)
        .where(Campaign.status == "scheduled")
        .order_by(Campaign.send_at)
        .limit(LISTED)
    ).all()
    running = session.scalars(
        select(Campaign).where(Campaign.status.in_(RUNNING)).order_by(Campaign.id).limit(LISTED)
    ).all()
    return Waiting(
        queued=_lots(session, _QUEUED, now),
        due=_lots(session, _DUE, now),
        later=_count(session, "status = 'held' and send_after > :now", now),
        unknown=_count(session, "status = 'unknown' and send_after is not null", now),
        overdue=[one for one in campaigns if one.send_at and one.send_at <= now],
        scheduled=[one for one in campaigns if one.send_at and one.send_at > now],
        running=running,
    )


_QUEUED: Final = """
select b.channel, b.lane, b.campaign_id, coalesce(c.name, ''), sum(n)::bigint, min(b.created_at)
  from (
    select channel, lane, campaign_id, cardinality(ids) as n, created_at from batch
     where state in ('pending', 'claimed', 'dispatching') limit :many
  ) b left join campaign c on c.id = b.campaign_id
 group by 1, 2, 3, 4 order by 5 desc limit :listed
"""
_DUE: Final = """
select h.channel, h.lane, h.campaign_id, coalesce(c.name, ''), count(*), min(h.send_after)
  from (
    select channel, lane, campaign_id, send_after from notification
     where status = 'held' and send_after <= :now order by send_after limit :many
  ) h left join campaign c on c.id = h.campaign_id
 group by 1, 2, 3, 4 order by 5 desc limit :listed
"""


def _lots(session: Session, query: str, now: datetime) -> list[Lot]:
    given = {"now": now, "many": LOOKED_AT, "listed": LISTED}
    used = {name: value for name, value in given.items() if f":{name}" in query}
    return [Lot(*row) for row in session.execute(text(query), used)]


def _count(session: Session, condition: str, now: datetime) -> int:
    """How many, up to LOOKED_AT."""
    query = f"select count(*) from (select from notification where {condition} limit :many) n"
    given = {"now": now, "many": LOOKED_AT} if ":now" in condition else {"many": LOOKED_AT}
    return session.scalar(text(query), given) or 0


def begin_discarding(session: Session, now: datetime) -> bool:
    """Cancel in the background what was accepted until now, then release. False: not held."""
    changed = session.execute(
        text(
            "update installation set discarding_at = :now "
            "where held_at is not null and discarding_at is null"
        ),
        {"now": now},
    )
    jobs.later_once(session, "discard_waiting")
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def discard_some(session: Session, now: datetime) -> bool:
    """One step of discarding; the last one releases the installation. False: nothing to do now.

    What is still in the hands of a worker has to come back first: it is looked at again later.
    """
    held = installation.hold(session)
    if held is None or held.discarding_at is None:
        return False
    until = held.discarding_at
    _stop_campaigns(session, now)
    if _discard_batches(session, until, now) or _discard_held(session, until, now):
        return True
    if session.scalar(text(_IN_HAND), {"until": until}):
        return False
    installation.release(session, now)
    return False


# Rows that somebody else is just writing count as they were.
_IN_HAND: Final = """
select exists (select from batch where state in ('pending', 'claimed', 'dispatching')
                                   and accepted_from <= :until)
    or exists (select from notification where status = 'held' and accepted_at <= :until)
    or exists (select from notification
                where status = 'unknown' and send_after is not null and accepted_at <= :until)
"""


def _stop_campaigns(session: Session, now: datetime) -> None:
    for campaign in session.scalars(select(Campaign).where(Campaign.late_since.is_not(None))):
        lateness.decided(session, campaign, now)
    session.flush()
    session.execute(
        text("update campaign set status = 'draft', updated_at = :now where status = 'scheduled'"),
        {"now": now},
    )
    stopped = session.scalars(
        text(
            "update campaign set status = 'cancelled', updated_at = :now, finished_at = :now "
            "where status = any(:running) returning id"
        ),
        {"now": now, "running": list(RUNNING)},
    ).all()
    if stopped:
        pace.unlimit(session, [pace.of_campaign(campaign_id) for campaign_id in stopped])


def _discard_batches(session: Session, until: datetime, now: datetime) -> int:
    """End batches that nobody works on, and cancel their messages; answers how many batches."""
    rows = session.execute(
        text(
            """
            update batch set state = 'done', done_at = :now where id in (
              select id from batch
               where state = 'pending' and accepted_from <= :until
               limit :limit for update skip locked
            ) returning ids, campaign_id, accepted_from, accepted_to
            """
        ),
        {"now": now, "until": until, "limit": BATCHES_AT_ONCE},
    ).all()
    if rows:
        between = (min(row[2] for row in rows), max(row[3] for row in rows))
        changes = [_cancelled(key, row[1], now) for row in rows for key in row[0]]
        states.move(session, changes, now, between)
    return len(rows)


def _discard_held(session: Session, until: datetime, now: datetime) -> int:
    """Cancel what is held, and give up what has no answer; answers how many."""
    held = [_cancelled(row[0], row[1], now) for row in _some(session, "held", until)]
    lost = [Change(row[0], "failed", "no_answer", now) for row in _some(session, "unknown", until)]
    return len(states.move(session, held + lost, now))


def _some(session: Session, status: str, until: datetime) -> Sequence[Row[int, int | None]]:
    """Key and campaign of messages in a state, locked; through the state's own index."""
    return session.execute(
        text(
            f"""
            select id, campaign_id from notification
             where status = '{status}' and accepted_at <= :until
             order by send_after limit :limit for update skip locked
            """
        ),
        {"until": until, "limit": AT_ONCE},
    ).all()


def _cancelled(key: int, campaign_id: int | None, now: datetime) -> Change:
    return Change(key, "cancelled", "campaign_cancelled" if campaign_id else "cancelled", now)
