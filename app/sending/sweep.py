"""The sweeper: whatever waits longer than it should is put back into work.

Runs in the scheduler every second or so. Each function does one thing in one transaction, is safe
to run twice at once (rows are taken with SKIP LOCKED), and says how much it did.
"""

from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import jobs
from app.alerts import incidents
from app.channels.base import Outcome, Result
from app.sending import (
    attempts,
    backlog,
    batches,
    breaker,
    caps,
    copies,
    evidence,
    outcomes,
    pace,
    retry,
    states,
)
from app.sending.attempts import Answer
from app.sending.batches import Claim, Member
from app.sending.engine import Engine
from app.sending.facts import load
from app.sending.planning import Plan
from app.sending.retry import Silence, Tried
from app.sending.rules import current
from app.sending.states import Change
from app.sending.vocabulary import PUSH

DEATHS: Final = 3
NUDGE_WHEN_EMPTY: Final = timedelta(seconds=3)
NUDGE_ANYWAY: Final = timedelta(seconds=60)
TAKEN: Final = 5_000
log = structlog.get_logger(__name__)


def release_due(session: Session, now: datetime) -> int:
    """Held notifications whose time has come go into new batches; paused campaigns' stay."""
    rows = session.execute(
        text(
            """
            select n.id, n.channel, n.lane, n.test, n.campaign_id, n.accepted_at
              from notification n
             where n.status = 'held' and n.send_after <= :now
               and not exists (select from campaign c
                                where c.id = n.campaign_id and c.status = 'paused')
             order by n.send_after limit :limit for update of n skip locked
            """
        ),
        {"now": now, "limit": TAKEN},
    ).all()
    if not rows:
        return 0
    accepted = [row.accepted_at for row in rows]
    changes = [Change(row.id, "queued", None, now) for row in rows]
    released = states.move(session, changes, now, (min(accepted), max(accepted)))
    moved = {item.notification_id for item in released}
    batches.make(session, [Member(*row) for row in rows if row[0] in moved], now)
    return len(moved)


def nudge_forgotten(session: Session, engine: Engine, now: datetime) -> int:
    """Ask again for pending batches that the queue has lost, or let lie for long.

    Not for those that wait for a provider: one of them is asked for when a probe may go. Nor for
    those that wait for a limit: the clock asks for as many as it lets through.
    """
    waiting = backlog.lengths()
    rows = session.execute(
        text(
            """
            update batch b set nudged_at = :now where b.id in (
              select id from batch p
               where p.state = 'pending'
                 and ((p.nudged_at < :long_ago and p.channel || '.' || p.lane = any(:short))
                      or (p.nudged_at < :recently and p.channel || '.' || p.lane = any(:empty)))
                 and not exists (
                   select from lane_state l where l.channel = p.channel and l.lane = p.lane
                      and l.paused_at is not null)
                 and (p.test or p.channel <> all(:parked))
                 and not exists (select from pace where key = 'campaign:' || p.campaign_id)
                 and (p.test or p.channel <> all(:limited))
                 and not exists (
                   select from campaign c where c.id = p.campaign_id and c.status = 'paused')
               order by id limit :limit for update skip locked
            ) returning b.id, b.channel, b.lane
            """
        ),
        {
            "now": now,
            "long_ago": now - NUDGE_ANYWAY,
            "recently": now - NUDGE_WHEN_EMPTY,
            "empty": [queue for queue, length in waiting.items() if length == 0],
            "short": backlog.short(session, waiting),
            "parked": list(breaker.parked(session, engine)),
            "limited": _limited(session, engine),
            "limit": TAKEN,
        },
    ).all()
    jobs.enqueue_after_commit(session, [jobs.deliver(*row) for row in rows])
    return len(rows)


def _limited(session: Session, engine: Engine) -> list[str]:
    """Channels whose first provider has a limit."""
    first = {
        channel: pace.of_provider(engine.providers.route(channel)[0]) for channel in jobs.CHANNELS
    }
    limited = pace.rates(session, list(first.values()))
    return [channel for channel, key in first.items() if key in limited]


def reap(session: Session, engine: Engine, now: datetime) -> int:
    """Batches whose worker died: unsent ones go back, what was in the air becomes `unknown`."""
    rows = session.execute(
        text(
            """
            select id, fence, channel, lane, test, campaign_id, ids, accepted_from, accepted_to,
                   created_at, state, deaths, provider
              from batch
             where state in ('claimed', 'dispatching') and lease_until < :now
             order by id limit 100 for update skip locked
            """
        ),
        {"now": now},
    ).all()
    for row in rows:
        claim = Claim(*row[:10])
        caps.let_go(session, claim)
        if row.state == "dispatching":
            first_choice = engine.providers.route(claim.channel, claim.test)[0]
            _settle_dispatched(session, engine, claim, row.provider or first_choice, now)
        elif row.deaths + 1 >= DEATHS:
            _park(session, claim, now)
        else:
            _put_back(session, claim, now)
    return len(rows)


def _put_back(session: Session, claim: Claim, now: datetime) -> None:
    session.execute(
        text(
            """
            update batch set state = 'pending', owner = null, lease_until = null,
                   deaths = deaths + 1, nudged_at = :now
             where id = :id and fence = :fence
            """
        ),
        {"id": claim.id, "fence": claim.fence, "now": now},
    )
    jobs.enqueue_after_commit(session, [jobs.deliver(claim.id, claim.channel, claim.lane)])


def _park(session: Session, claim: Claim, now: datetime) -> None:
    """Three workers died over it: no fourth. The messages are dead letters with that reason."""
    session.execute(
        text("update batch set state = 'parked', done_at = :now where id = :id"),
        {"id": claim.id, "now": now},
    )
    between = (claim.accepted_from, claim.accepted_to)
    changes = [Change(key, "failed", "poison", now) for key in claim.ids]
    parked = states.move(session, changes, now, between)
    incidents.open_or_count(
        session,
        f"batch:poison:{claim.id}",
        f"A batch of {claim.channel} stopped {DEATHS} workers and was parked",
        f"{len(parked)} messages wait among the dead letters.",
        {"batch": claim.id, "channel": claim.channel},
        now,
        severity="critical",
    )


def _settle_dispatched(
    session: Session, engine: Engine, claim: Claim, provider: str, now: datetime
) -> None:
    """Answers that were written down count; the rest was in the air and has no answer."""
    answers = attempts.of_batch(session, claim)
    went = copies.of_batch(session, claim.id)
    # Some may be `unknown` already: their answer was lost before the worker died.
    rows = [row for row in load(session, claim, current(session), now) if row.status in _IN_AIR]
    if went is not None:  # of the others it was decided that they do not go, or not now
        stayed = [row for row in rows if row.status == "queued" and row.id not in went]
        batches.put_back(session, claim, stayed, now)
        rows = [row for row in rows if row.status != "queued" or row.id in went]
    lost = [
        Answer(row.id, row.attempts + 1, provider, _WORKER_DIED, now)
        for row in rows
        if row.id not in answers
    ]
    attempts.write(session, claim, lost)
    known = [answers[row.id] for row in rows if row.id in answers]
    outcomes.record(session, engine, claim, Plan(rows=rows), known + lost, now)
    session.execute(
        text("update batch set state = 'unknown', done_at = :now where id = :id"),
        {"id": claim.id, "now": now},
    )


_IN_AIR: Final = ("queued", "unknown")
_WORKER_DIED: Final = Result(
    Outcome.AMBIGUOUS,
    code="worker_died",
    detail="The process stopped while the message was being handed over.",
)


def settle_unknown(session: Session, engine: Engine, now: datetime) -> int:
    """Messages without an answer for which no evidence came within the window.

    Only what was heard counts: where webhooks of that time still wait to be applied, or Twilio has
    not been asked yet, it waits too, for as long as evidence may take and no longer.
    """
    heard = evidence.heard_until(session, now)
    limits = {"now": now, "heard": heard, "long_ago": now - retry.EVIDENCE_LIMIT, "limit": TAKEN}
    rows = session.execute(text(_UNKNOWN), limits).all()
    if not rows:
        return 0
    talking = _Talking(session)
    changes = [_settled(row, talking, engine.retry_attempts, now) for row in rows]
    accepted = [row.accepted_at for row in rows]
    states.move(session, changes, now, (min(accepted), max(accepted)))
    return len(changes)


def _settled(row: Any, talking: "_Talking", allowed: int | None, now: datetime) -> Change:
    """What becomes of a message of which nothing was heard."""
    if row.told is not None:  # it should have moved when that was stored
        log.warning("evidence_found_late", notification=row.id, status=row.told)
        return Change(row.id, row.told, None, now)
    last = row.last or now
    silence = Silence(
        times=row.times,
        since=last,
        harmless=row.channel in PUSH,
        proven=row.klass == "marketing"
        and (row.unlisted or talking.about(row.provider, row.left_at)),
    )
    tried = Tried(row.attempts, row.klass, row.first or now, row.expires_at, allowed)
    following = retry.after_silence(tried, silence, now)
    return Change(
        row.id,
        following.status,
        following.reason,
        now,
        send_after=following.send_after,
        hold_reason=following.hold_reason,
    )


_UNKNOWN: Final = """
  select n.id, n.accepted_at, n.channel, n.attempts, n.provider, n.expires_at, t.klass,
         a.first, a.last, a.left_at, a.times, a.unlisted,
         (select case when bool_or(kind = 'delivered') then 'delivered' else 'accepted' end
            from event e where e.notification_id = n.id having count(*) > 0) as told
    from notification n join topic t on t.id = n.topic_id
    cross join lateral (
      select min(t.at) as first, max(t.at) as last,
             least(max(t.at), max(b.dispatched_at)) as left_at,
             count(*) filter (where outcome = 'ambiguous') as times,
             max(asked_at) > max(t.at) as asked,
             coalesce(bool_or(unlisted), false) as unlisted
        from attempt t left join batch b on b.id = t.batch_id
       where t.notification_id = n.id and t.id >= (
               -- A dead letter that was put back into work is tried from one on again.
               select coalesce(max(id), 0) from attempt
                where notification_id = n.id and number = 1)
    ) a
   where n.status = 'unknown' and n.send_after <= :now
     and (coalesce(a.last, n.send_after) < :long_ago
          or (n.send_after <= :heard and (n.provider is distinct from 'twilio' or a.asked)))
   order by n.send_after limit :limit for update of n skip locked
"""


class _Talking:
    """Whether providers have reported about messages of a time, asked once per batch.

    A report that came before the lost message left proves nothing: what took the answer may have
    taken the reports from then on as well.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, datetime], bool] = {}

    def about(self, provider: str | None, moment: datetime | None) -> bool:
        if provider is None or moment is None:
            return False
        key = provider, moment
        if key not in self._known:
            self._known[key] = evidence.provider_is_talking(self._session, *key)
        return self._known[key]
