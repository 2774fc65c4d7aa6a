"""Limits of the stages: nothing waits unseen.

Each stage of a message's way has a time after which something is wrong. What is older is counted
here, from indexes and with a limit, for the alerts page and for the metrics. What staff paused,
what waits for a provider that is down and what is held on purpose is not late.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.alerts import incidents
from app.sending import breaker, checkups, engine, retry

NAME: Final = "stages"
LOOKED_AT: Final = 50_000  # nobody needs to know how many more
LOOKED_AT_FOR_AGE: Final = 2_000
# A queue that was paused drains in seconds once it is open: only what stays is told.
STAYS: Final = timedelta(seconds=30)
# What was clear for so long is over; what comes and goes is one incident.
CLEAR: Final = timedelta(seconds=60)
SOON: Final = timedelta(seconds=60)
# Messages about which nothing was heard are told of when they become late, not for ever.
JUST_NOW: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Late:
    """What of one stage and place (`email.bulk`, a provider, a campaign) is beyond its limit."""

    stage: str
    where: str
    count: int
    oldest: timedelta
    label: str = ""  # how people call the place

    @property
    def cause(self) -> str:
        """The incident's fingerprint."""
        return f"stage:{self.stage}:{self.where}"


@dataclass(frozen=True, slots=True)
class Stage:
    """One question. Its rows are: where, count, since when, label.

    The query may use `:now`, `:before` (`now - limit`), `:many` as its limit, and `:parked`, the
    channels whose providers are all in trouble.
    """

    name: str
    limit: timedelta
    unit: str  # what is counted
    title: str  # `{count}`, `{where}`
    query: str
    critical: bool = False


_OPEN: Final = """
    not exists (
      select from lane_state l where l.channel = b.channel and l.lane = b.lane
         and l.paused_at is not null)
    and (b.test or b.channel <> all(cast(:parked as text[])))
    and not exists (select from campaign c where c.id = b.campaign_id and c.status = 'paused')
    and not exists (select from installation where held_at is not null)
"""

STAGES: Final = (
    Stage(
        "transactional",
        SOON,
        "message",
        "{count} wait too long in {where}",
        f"""
        select b.channel || '.' || b.lane, sum(n)::bigint, min(created_at), '' from (
          select channel, lane, test, campaign_id, created_at, cardinality(ids) as n
            from batch where state = 'pending' and lane = 'transactional' limit :many
        ) b where created_at < :before and {_OPEN} group by 1
        """,
        critical=True,
    ),
    Stage(
        "bulk",
        SOON,
        "message",
        "{where} stands still: {count} wait",
        f"""
        select b.channel || '.' || b.lane, sum(n)::bigint,
               greatest(min(created_at), (
                 select max(d.done_at) from batch d
                  where d.done_at > :now - interval '1 day'
                    and d.channel = b.channel and d.lane = 'bulk')), ''
          from (
          select channel, lane, test, campaign_id, created_at, cardinality(ids) as n
            from batch where state = 'pending' and lane = 'bulk' limit :many
        ) b where created_at < :before and {_OPEN}
           and not exists (select from batch d where d.done_at > :before
                              and d.channel = b.channel and d.lane = 'bulk')
           and not exists (select from batch w where w.state in ('claimed', 'dispatching')
                              and w.channel = b.channel and w.lane = 'bulk')
         group by b.channel, b.lane
        """,
    ),
    Stage(
        "dispatching",
        timedelta(minutes=5),
        "message",
        "{count} of {where} are being handed over for too long",
        """
        select channel || '.' || lane, sum(cardinality(ids))::bigint, min(dispatched_at), ''
          from batch where state = 'dispatching' and dispatched_at < :before group by 1
        """,
    ),
    Stage(
        "held",
        SOON,
        "message",
        "{count} are due on {where} and were not released",
        """
        select n.channel, count(*), min(n.send_after), '' from (
          select channel, campaign_id, send_after from notification
           where status = 'held' and send_after < :before order by send_after limit :many
        ) n where not exists (
              select from campaign c where c.id = n.campaign_id and c.status = 'paused')
          and not exists (select from installation where held_at is not null)
        group by 1
        """,
    ),
    Stage(
        "unknown",
        timedelta(minutes=10),
        "message",
        "The outcome of {count} on {where} is still unknown",
        # `send_after` is when the search for evidence ends, and with that the state.
        f"""
        select channel, count(*), min(since), '' from (
          select channel,
                 send_after - interval '{int(retry.EVIDENCE_WINDOW.total_seconds())} s' as since
            from notification where status = 'unknown'
             and send_after
                 < :before + interval '{int(retry.EVIDENCE_WINDOW.total_seconds())} s'
           order by send_after limit :many
        ) n group by 1
        """,
    ),
    Stage(
        "receipts",
        SOON,
        "report",
        "{count} of {where} are not applied",
        """
        select provider, count(*), min(due_at), '' from (
          select provider, due_at from receipt
           where applied_at is null and due_at < :before order by due_at limit :many
        ) r group by 1
        """,
    ),
    Stage(
        "silent",
        timedelta(hours=72),
        "message",
        "{where} never said what became of {count}",
        f"""
        select provider, count(*), min(handed_at), '' from (
          select provider, handed_at from notification
           where status = 'accepted' and provider in ('sendgrid', 'twilio')
             and handed_at < :before
             and handed_at >= :before - interval '{JUST_NOW.seconds} s'
           order by handed_at limit :many
        ) n group by 1
        """,
    ),
    Stage(
        "launching",
        SOON,
        "campaign",
        "“{where}” does not get ahead with its launch",
        """
        select cast(id as text), 1, updated_at, name from campaign
         where status = 'launching' and updated_at < :before
           and not exists (select from installation where held_at is not null)
         order by id limit 100
        """,
        critical=True,
    ),
    Stage(
        "scheduled",
        SOON,
        "campaign",
        "“{where}” was to start and did not",
        """
        select cast(id as text), 1, send_at, name from campaign
         where status = 'scheduled' and send_at < :before and late_since is null
           and not exists (select from installation where held_at is not null)
         order by send_at limit 100
        """,
        critical=True,
    ),
    Stage(
        "import",
        timedelta(minutes=3),
        "import",
        "The import of {where} stands still",
        """
        select cast(id as text), 1, since, filename from (
          select id, filename,
                 coalesce(cast(options->>'advanced_at' as timestamptz), created_at) as since
            from import where status = 'running'
        ) i where since < :before order by id limit 100
        """,
    ),
)
BY_NAME: Final[Mapping[str, Stage]] = {stage.name: stage for stage in STAGES}


def late(session: Session, now: datetime) -> list[Late]:
    """Everything that is older than its stage allows, each stage's oldest first."""
    return [one for stage in STAGES for one in _of(session, stage, now, stage.limit, LOOKED_AT)]


def oldest(session: Session, now: datetime) -> dict[str, timedelta]:
    """stage -> how long its oldest has been there, late or not; zero where nothing is."""
    found = {}
    for stage in STAGES:
        rows = _of(session, stage, now, timedelta(0), LOOKED_AT_FOR_AGE)
        found[stage.name] = rows[0].oldest if rows else timedelta(0)
    return found


def check(session: Session, now: datetime) -> list[Late]:
    """Open an incident for what stays late, bring open ones up to date, close what is clear."""
    found = late(session, now)
    last = checkups.last(session, NAME)
    before = last.facts.get("since", {}) if last else {}
    since = {one.cause: before.get(one.cause, now.isoformat()) for one in found}
    told = [one for one in found if now - datetime.fromisoformat(since[one.cause]) >= STAYS]
    for one in told:
        _tell(session, one, now)
    incidents.resolve_others(session, "stage:", {one.cause for one in told}, now, quiet=CLEAR)
    checkups.keep(session, NAME, 0, {"since": since}, now)
    return told


def _tell(session: Session, one: Late, now: datetime) -> None:
    stage = BY_NAME[one.stage]
    many = "or more " if one.count >= LOOKED_AT else ""
    unit = stage.unit if one.count == 1 else f"{stage.unit}s"
    incidents.keep(
        session,
        one.cause,
        stage.title.format(count=f"{one.count:,} {many}{unit}", where=one.label or one.where),
        f"The oldest since {now - one.oldest:%Y-%m-%d %H:%M:%S} UTC; the limit of this stage is "
        f"{_words(stage.limit)}.",
        {"stage": one.stage, "where": one.where, "unit": stage.unit},
        now,
        severity="critical" if stage.critical else "warning",
        count=one.count,
    )


def _words(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes >= 120:
        return f"{minutes // 60} hours"
    return f"{minutes} minutes" if minutes > 1 else "a minute"


def _of(session: Session, stage: Stage, now: datetime, limit: timedelta, many: int) -> list[Late]:
    given: dict[str, Any] = {"now": now, "before": now - limit, "many": many}
    if ":parked" in stage.query:
        given["parked"] = list(breaker.parked(session, engine.current()))
    used = {name: value for name, value in given.items() if f":{name}" in stage.query}
    rows = session.execute(text(stage.query), used)
    found = [Late(stage.name, row[0], int(row[1]), now - row[2], row[3] or "") for row in rows]
    return sorted(found, key=lambda one: -one.oldest)
