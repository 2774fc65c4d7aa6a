"""The queues as operators see them: what waits, since when, what flows, what fails.

Everything is read from open batches, batches done in the last minutes, held messages and the
newest attempts, each through an index and with a limit; the log itself is never scanned.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import jobs
from app.sending import breaker, engine, queries
from app.sending.vocabulary import RETRYING

RECENTLY: Final = timedelta(seconds=30)
MINUTES: Final = 15
# A queue is slow when messages wait longer than this; a campaign is expected to take its time.
SLOW: Final = {"transactional": timedelta(seconds=60), "bulk": timedelta(minutes=15)}
HELD_LOOKED_AT: Final = 50_000
ATTEMPTS_LOOKED_AT: Final = 20_000
RETRY_SLOTS: Final = 12
RETRY_SLOT: Final = timedelta(seconds=150)

LaneKey = tuple[str, str]


@dataclass(slots=True)
class Lane:
    """One queue. Rates are messages per minute over the last minute, depth one value per minute.

    `asked`: jobs of it in Redis, None when Redis is away. `held`: reason -> messages.
    """

    channel: str
    lane: str
    waiting: int = 0
    in_flight: int = 0
    oldest: timedelta | None = None
    arrived: list[int] = field(default_factory=lambda: [0] * MINUTES)
    left: list[int] = field(default_factory=lambda: [0] * MINUTES)
    wait: timedelta | None = None  # 95% of batches waited less
    held: dict[str, int] = field(default_factory=dict)
    answers: int = 0
    failed: int = 0
    asked: int | None = None
    paused_at: datetime | None = None
    paused_by: str | None = None
    closed_until: datetime | None = None
    closed_reason: str | None = None

    @property
    def name(self) -> str:
        """The queue's name, `email.bulk`."""
        return f"{self.channel}.{self.lane}"

    @property
    def retrying(self) -> int:
        """Held messages that were tried before."""
        return sum(count for reason, count in self.held.items() if reason in RETRYING)

    @property
    def planned(self) -> int:
        """Held messages that wait for their hour."""
        return sum(self.held.values()) - self.retrying

    @property
    def depth(self) -> list[int]:
        """How many waited or flew at the end of each of the last minutes, oldest first."""
        now = self.waiting + self.in_flight
        found = [now]
        for came, went in zip(self.arrived[:-1], self.left[:-1], strict=True):
            now = max(now + went - came, 0)
            found.append(now)
        return found[::-1]

    @property
    def slow(self) -> bool:
        """Something waits longer than it should, and nobody paused it."""
        late = self.oldest is not None and self.oldest > SLOW[self.lane]
        return late and self.paused_at is None

    @property
    def was_slow(self) -> bool:
        """What went out lately had waited longer than it should."""
        return self.wait is not None and self.wait > SLOW[self.lane]


def lanes(session: Session, now: datetime) -> list[Lane]:
    """The eight queues, by channel, transactional first."""
    found = {
        (channel, lane): Lane(channel, lane) for channel in jobs.CHANNELS for lane in jobs.LANES
    }
    _open(session, found, now)
    _flow(session, found, now)
    _held(session, found)
    _answers(session, found, now)
    for key, state in queries.lanes(session).items():
        lane = found[key]
        lane.paused_at, lane.paused_by = state.paused_at, state.paused_by
    waiting = breaker.parked(session, engine.current())
    for lane in found.values():
        account = waiting.get(lane.channel)
        if account is not None:
            lane.closed_until, lane.closed_reason = account.probe_at, account.detail or ""
        lane.asked = jobs.waiting(lane.name)
    return list(found.values())


def retries_due(session: Session, now: datetime) -> Mapping[str, Sequence[int]]:
    """channel -> held messages whose time comes in each 150 s of the next half hour."""
    rows = session.execute(
        text(
            """
            select channel, floor(extract(epoch from send_after - :now) / :seconds)::int, count(*)
              from notification
             where status = 'held' and send_after >= :now and send_after < :until group by 1, 2
            """
        ),
        {
            "now": now,
            "until": now + RETRY_SLOTS * RETRY_SLOT,
            "seconds": int(RETRY_SLOT.total_seconds()),
        },
    )
    found: dict[str, list[int]] = defaultdict(lambda: [0] * RETRY_SLOTS)
    for channel, slot, count in rows:
        found[channel][min(slot, RETRY_SLOTS - 1)] += count
    return {channel: found[channel] for channel in jobs.CHANNELS if channel in found}


def flow_of_campaigns(
    session: Session, campaign_ids: Sequence[int], now: datetime
) -> Mapping[int, float]:
    """campaign -> messages a second that its batches have settled in the last half minute."""
    rows = session.execute(
        text(
            """
            select campaign_id, sum(cardinality(ids))::bigint from batch
             where done_at > :since and campaign_id = any(:ids) group by 1
            """
        ),
        {"since": now - RECENTLY, "ids": list(campaign_ids)},
    )
    return {row[0]: row[1] / RECENTLY.total_seconds() for row in rows}


def _open(session: Session, found: Mapping[LaneKey, Lane], now: datetime) -> None:
    rows = session.execute(
        text(
            """
            select channel, lane,
                   coalesce(sum(cardinality(ids)) filter (where state = 'pending'), 0),
                   coalesce(sum(cardinality(ids)) filter (where state <> 'pending'), 0),
                   min(created_at) filter (where state = 'pending')
              from batch where state in ('pending', 'claimed', 'dispatching') group by 1, 2
            """
        )
    )
    for channel, name, waiting, in_flight, oldest in rows:
        lane = found[channel, name]
        lane.waiting, lane.in_flight = int(waiting), int(in_flight)
        lane.oldest = now - oldest if oldest is not None else None


def _flow(session: Session, found: Mapping[LaneKey, Lane], now: datetime) -> None:
    """In and out per minute, and how long batches waited before they were handed over."""
    rows = session.execute(
        text(
            """
            with recent as (
              select channel, lane, cardinality(ids) as n, created_at, dispatched_at, done_at
                from batch where done_at > :since
              union all
              select channel, lane, cardinality(ids), created_at, null, null
                from batch where state in ('pending', 'claimed', 'dispatching')
            )
            select channel, lane, 'in', floor(extract(epoch from :now - created_at) / 60)::int,
                   sum(n)::bigint, null::float8
              from recent where created_at > :since group by 1, 2, 4
            union all
            select channel, lane, 'out', floor(extract(epoch from :now - done_at) / 60)::int,
                   sum(n)::bigint, null::float8
              from recent where done_at is not null group by 1, 2, 4
            union all
            select channel, lane, 'wait', 0, 0,
                   percentile_cont(0.95) within group (
                     order by extract(epoch from dispatched_at - created_at))
              from recent where dispatched_at is not null group by 1, 2
            """
        ),
        {"now": now, "since": now - timedelta(minutes=MINUTES)},
    )
    for channel, name, kind, minute, count, wait in rows:
        lane = found[channel, name]
        if kind == "wait":
            lane.wait = timedelta(seconds=max(float(wait), 0.0))
            continue
        series = lane.arrived if kind == "in" else lane.left
        series[min(max(minute, 0), MINUTES - 1)] += count


def _held(session: Session, found: Mapping[LaneKey, Lane]) -> None:
    rows = session.execute(
        text(
            """
            select channel, lane, coalesce(hold_reason, ''), count(*) from (
              select channel, lane, hold_reason from notification
               where status = 'held' and send_after is not null order by send_after limit :limit
            ) held group by 1, 2, 3
            """
        ),
        {"limit": HELD_LOOKED_AT},
    )
    for channel, name, reason, count in rows:
        found[channel, name].held[reason] = count


def _answers(session: Session, found: Mapping[LaneKey, Lane], now: datetime) -> None:
    """What providers answered in the last quarter of an hour; the newest 20,000 answers."""
    rows = session.execute(
        text(
            """
            select b.channel, b.lane, count(*), count(*) filter (where a.outcome <> 'accepted')
              from (
                select batch_id, outcome, at from attempt order by id desc limit :limit
              ) a join batch b on b.id = a.batch_id
             where a.at > :since group by 1, 2
            """
        ),
        {"limit": ATTEMPTS_LOOKED_AT, "since": now - timedelta(minutes=MINUTES)},
    )
    for channel, name, answers, failed in rows:
        lane = found[channel, name]
        lane.answers, lane.failed = answers, failed
