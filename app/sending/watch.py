"""Watches the providers' accounts: an incident while one is in trouble, an all-clear afterwards."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.alerts import incidents
from app.alerts.models import Incident
from app.sending import breaker
from app.sending.engine import Engine
from app.sending.models import ProviderAccount
from app.sending.vocabulary import provider_name

WINDOW: Final = timedelta(seconds=60)
# A breaker that closes before this was a hiccup.
HICCUP: Final = timedelta(seconds=20)
# A cause that nobody has met for this long is gone.
QUIET: Final = timedelta(minutes=10)
LOOKED_AT: Final = 20_000  # the newest attempts, by key: a minute of them is never a table scan


def cause(provider: str, code: str | None) -> str:
    """One incident per provider and answer, whether it was noticed by tries or by messages lost."""
    return f"{provider}:failing:{code or 'none'}"


def providers(session: Session, engine: Engine, now: datetime) -> None:
    """Open an incident for a provider whose breaker stays open; close those of healed ones."""
    troubled = breaker.troubled(session)
    for account in troubled.values():
        lasting = account.open_since is not None and now - account.open_since > HICCUP
        if lasting and account.cause in ("failing", "silent"):
            _trouble(session, engine, account, now)
    for provider in _accepting(session, now):
        if provider not in troubled:
            _all_clear(session, provider, now)


def _trouble(session: Session, engine: Engine, account: ProviderAccount, now: datetime) -> None:
    """One incident for the whole outage, whatever the provider says in its course."""
    provider = account.provider
    known = session.scalar(
        select(Incident.cause).where(
            Incident.resolved_at.is_(None), Incident.cause.startswith(f"{provider}:failing:")
        )
    )
    incidents.open_or_count(
        session,
        known or cause(provider, account.code),
        f"{provider_name(provider)} keeps failing",
        f"{account.detail} {_meanwhile(engine, provider)} "
        "Check the provider's status page and your network.",
        {"provider": provider, "code": account.code, "whole": True},
        now,
        severity="critical",
    )


def _meanwhile(engine: Engine, provider: str) -> str:
    for channel in engine.providers.channels(provider):
        others = [name for name in engine.providers.route(channel) if name != provider]
        if others:
            return f"Messages go by {provider_name(others[0])} meanwhile."
    return "Messages are kept; one is tried every 10 seconds, and the others follow when it goes."


def _accepting(session: Session, now: datetime) -> list[str]:
    """Providers that took a message in the last minute."""
    return list(
        session.scalars(
            text(
                """
                select distinct provider from attempt
                 where id > (select coalesce(max(id), 0) - :recent from attempt)
                   and at > :since and outcome = 'accepted'
                """
            ),
            {"since": now - WINDOW, "recent": LOOKED_AT},
        )
    )


def _all_clear(session: Session, provider: str, now: datetime) -> None:
    """The provider takes messages: what failed as a whole is over, the rest fades with time."""
    open_ones = session.scalars(
        select(Incident).where(
            Incident.resolved_at.is_(None), Incident.cause.startswith(f"{provider}:")
        )
    )
    for incident in open_ones:
        whole = incident.facts.get("whole") or ":config_error:" in incident.cause
        if incident.last_at < now - (WINDOW if whole else QUIET):
            incident.resolved_at = now
