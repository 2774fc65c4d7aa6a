"""Watches what providers answer: an incident while one keeps failing, an all-clear afterwards."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.alerts import incidents
from app.alerts.models import Incident

WINDOW: Final = timedelta(seconds=60)
# A cause that nobody has met for this long is gone.
QUIET: Final = timedelta(minutes=10)
FAILURES: Final = 20
LOOKED_AT: Final = 20_000  # the newest attempts, by key: a minute of them is never a table scan


def cause(provider: str, code: str | None) -> str:
    """One incident per provider and answer, whether it was noticed by tries or by messages lost."""
    return f"{provider}:failing:{code or 'none'}"


def providers(session: Session, now: datetime) -> None:
    """Open an incident for a provider that refused everything for a minute; close healed ones."""
    rows = session.execute(
        text(
            """
            select provider, count(*) filter (where outcome = 'accepted'),
                   count(*) filter (where outcome in ('retry', 'ambiguous', 'throttled')),
                   min(at), mode() within group (order by code)
              from attempt
             where id > (select coalesce(max(id), 0) - :recent from attempt) and at > :since
             group by provider
            """
        ),
        {"since": now - WINDOW, "recent": LOOKED_AT},
    )
    for provider, accepted, failed, first, code in rows:
        if accepted:
            _all_clear(session, provider, now)
        elif failed >= FAILURES and now - first > WINDOW / 2:
            incidents.open_or_count(
                session,
                cause(provider, code),
                f"{provider} keeps failing",
                f"It took nothing in the last minute: {failed} tries failed (mostly {code}). "
                "Messages are kept and tried again; check the provider's status page and your "
                "network.",
                {"provider": provider, "code": code, "whole": True},
                now,
                severity="critical",
                count=failed,
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
