"""The breaker of a provider account: open while the provider is down, slow or refuses our set-up.

While it is open nothing is tried but one message every ten seconds, the probe; the others wait
without losing a try, or go by another provider. The first answer that shows the provider alive
closes it, and whatever waited goes at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import jobs
from app.arrays import literal
from app.channels.base import Result
from app.sending.engine import Engine
from app.sending.health import Trip, trip_of
from app.sending.models import ProviderAccount

PROBE_EVERY: Final = timedelta(seconds=10)
# A probe that no patient message has been for so long is anybody's: where nothing is sent in bulk,
# a provider that is well again would otherwise never be asked.
OVERDUE: Final = timedelta(seconds=60)
# Longer than any call is in the air.
JUST_OPENED: Final = timedelta(minutes=2)
# What waited comes back spread over this time.
SPREAD_SECONDS: Final = 3


@dataclass(frozen=True, slots=True)
class Way:
    """Who carries a batch. `probing`: the provider is in trouble and gets one message only."""

    provider: str
    probing: bool = False


def choose(
    session: Session,
    route: Sequence[str],
    troubled: Mapping[str, datetime],
    now: datetime,
    *,
    patient: bool,
) -> Way | None:
    """The first provider of the route that may be asked now; None when all have to wait.

    `troubled` maps open breakers to the moment of their next probe. A message that is not
    `patient` (a code somebody waits for) is no probe while another provider would take it, unless
    the probe is overdue.
    """
    sound = [name for name in route if name not in troubled]
    for name in route:
        if name in sound:
            return Way(name)
        may = patient or not sound or troubled[name] <= now - OVERDUE
        if may and troubled[name] <= now and _take_probe(session, name, now):
            return Way(name, probing=True)
    return None


def _take_probe(session: Session, provider: str, now: datetime) -> bool:
    taken = session.execute(
        text(
            """
            update provider_account set probe_at = :following
             where provider = :provider and open_since is not null and probe_at <= :now
            """
        ),
        {"provider": provider, "now": now, "following": now + PROBE_EVERY},
    )
    return bool(taken.rowcount)  # type: ignore[attr-defined]


def heard_probe(
    session: Session, provider: str, results: Sequence[Result], channels: list[str], now: datetime
) -> None:
    """Close the breaker when the probe shows the provider alive; else wait for the next one."""
    tried = [result for result in results if result.attempted]
    if not tried:  # the message was not to be sent after all: another one may try
        session.execute(
            text("update provider_account set probe_at = :now where provider = :provider"),
            {"provider": provider, "now": now},
        )
    elif trip := trip_of(provider, tried):
        open_(session, provider, trip, now)
    else:
        close(session, provider, channels, now)


def open_(session: Session, provider: str, trip: Trip, now: datetime) -> bool:
    """Open the breaker, or keep it open for the reason there is now; whether it was closed."""
    probe_at = max(trip.not_before or now, now + (PROBE_EVERY if not trip.not_before else _NOTHING))
    fresh = session.scalar(
        text(
            """
            insert into provider_account as a (provider, open_since, cause, code, detail, probe_at)
            values (:provider, :now, :cause, :code, :detail, :probe_at)
            on conflict (provider) do update
               set open_since = coalesce(a.open_since, :now), cause = excluded.cause,
                   code = excluded.code, detail = excluded.detail,
                   probe_at = greatest(a.probe_at, excluded.probe_at)
            returning open_since = :now
            """
        ),
        {
            "provider": provider,
            "now": now,
            "cause": trip.cause,
            "code": trip.code,
            "detail": trip.detail,
            "probe_at": probe_at,
        },
    )
    return bool(fresh)


_NOTHING: Final = timedelta()


def change_over(
    session: Session, engine: Engine, provider: str, ids: Sequence[int] | None, now: datetime
) -> None:
    """What waits for a provider in trouble goes by another one that is well, if there is one.

    All of it, or with `ids` these messages. A time that the first provider asked for does not
    matter then: the other one never did.
    """
    channels = _with_another(engine, provider, troubled(session))
    if channels:
        which = {} if ids is None else {"ids": literal(ids)}
        session.execute(
            text(_FORWARD.format(floor="null", these="" if ids is None else _THESE)),
            {"provider": provider, "now": now, "spread": SPREAD_SECONDS, **which},
        )
        _ask_again(session, channels)


def bring_stragglers(session: Session, engine: Engine, now: datetime) -> None:
    """The same for retries written down while or after a breaker opened, by threads and processes
    whose calls were in the air then.
    """
    open_ones = troubled(session)
    for provider, account in open_ones.items():
        fresh = account.open_since is not None and account.open_since > now - JUST_OPENED
        if fresh and _with_another(engine, provider, open_ones):
            session.execute(
                text(_FORWARD.format(floor="null", these="")),
                {"provider": provider, "now": now, "spread": SPREAD_SECONDS},
            )


def _with_another(engine: Engine, provider: str, open_ones: Iterable[str]) -> list[str]:
    """The channels of a provider in trouble that have one which is well."""
    troubled_ones = set(open_ones)
    return [
        channel
        for channel in engine.providers.channels(provider)
        if provider in troubled_ones and not set(engine.providers.route(channel)) <= troubled_ones
    ]


def close(session: Session, provider: str, channels: list[str], now: datetime) -> None:
    """The provider is well: whatever waited for it goes now."""
    session.execute(
        text(
            "update provider_account set open_since = null, cause = null, probe_at = null "
            "where provider = :provider"
        ),
        {"provider": provider},
    )
    _wake(session, provider, channels, now)


_FORWARD: Final = """
  update notification n set send_after = least(n.send_after, greatest(
           :now + random() * make_interval(secs => :spread), {floor}))
   where n.status = 'held' and n.send_after > :now and n.provider = :provider
     and n.hold_reason in ('retry', 'throttled', 'provider_setup') {these}
"""
_ASKED_FOR: Final = "(select max(a.not_before) from attempt a where a.notification_id = n.id)"
_THESE: Final = "and n.id = any(cast(:ids as bigint[]))"


def _wake(session: Session, provider: str, channels: list[str], now: datetime) -> None:
    """Retries that wait for this provider come forward, but never before a time it asked for; and
    none goes back: one whose budget ends before that time has an earlier one.
    """
    session.execute(
        text(_FORWARD.format(floor=_ASKED_FOR, these="")),
        {"provider": provider, "now": now, "spread": SPREAD_SECONDS},
    )
    _ask_again(session, channels)


def _ask_again(session: Session, channels: list[str]) -> None:
    """The scheduler's next look finds every waiting batch of these channels."""
    session.execute(
        text(
            "update batch set nudged_at = to_timestamp(0) "
            "where state = 'pending' and channel = any(:channels)"
        ),
        {"channels": channels},
    )


def parked(session: Session, engine: Engine) -> Mapping[str, ProviderAccount]:
    """Channels all of whose providers are in trouble -> the breaker of the first choice."""
    open_ones = troubled(session)
    routes = {channel: engine.providers.route(channel) for channel in jobs.CHANNELS}
    return {
        channel: open_ones[route[0]]
        for channel, route in routes.items()
        if set(route) <= set(open_ones)
    }


def nudge_probes(session: Session, engine: Engine, now: datetime) -> None:
    """Where a probe may go and something waits, ask for one batch: its first message is it."""
    for provider, account in troubled(session).items():
        if account.probe_at is None or account.probe_at <= now:
            _ask_for_one(session, engine.providers.channels(provider))


def try_now(session: Session, engine: Engine, provider: str, now: datetime) -> bool:
    """Let a probe go at once, whatever the time of the next one was, and whoever comes first.

    When no batch waits, a retry comes forward. False: nothing waits for this provider, so the
    next message will be the probe.
    """
    session.execute(
        text(
            "update provider_account set probe_at = :due "
            "where provider = :provider and open_since is not null"
        ),
        {"provider": provider, "due": now - OVERDUE},
    )
    if _ask_for_one(session, engine.providers.channels(provider)):
        return True
    brought = session.execute(
        text(
            """
            update notification set send_after = :now where (id, accepted_at) = (
              select n.id, n.accepted_at from notification n
               where n.status = 'held' and n.provider = :provider
                 and n.hold_reason in ('retry', 'throttled', 'provider_setup')
                 and not exists (select from attempt a
                                  where a.notification_id = n.id and a.not_before > :now)
                 and not exists (select from campaign c
                                  where c.id = n.campaign_id and c.status = 'paused')
               order by n.send_after limit 1 for update of n skip locked)
            """
        ),
        {"provider": provider, "now": now},
    )
    return bool(brought.rowcount)  # type: ignore[attr-defined]


def _ask_for_one(session: Session, channels: Sequence[str]) -> bool:
    """Ask for a batch that may go, patient ones first. False: nothing waits."""
    row = session.execute(
        text(
            """
            select b.id, b.channel, b.lane from batch b
             where b.state = 'pending' and b.channel = any(:channels) and not b.test
               and not exists (select from lane_state l where l.channel = b.channel
                                and l.lane = b.lane and l.paused_at is not null)
               and not exists (select from campaign c
                                where c.id = b.campaign_id and c.status = 'paused')
             order by b.lane, b.nudged_at limit 1
            """
        ),
        {"channels": list(channels)},
    ).one_or_none()
    if row is not None:
        jobs.enqueue_after_commit(session, [jobs.deliver(*row)])
    return row is not None


def troubled(session: Session) -> Mapping[str, ProviderAccount]:
    """provider -> its open breaker."""
    open_ones = select(ProviderAccount).where(ProviderAccount.open_since.is_not(None))
    return {row.provider: row for row in session.scalars(open_ones)}
