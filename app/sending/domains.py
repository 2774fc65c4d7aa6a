"""Receiving domains whose rules refuse us: held for a while, so that it does not get worse.

When a fifth of a domain's recent answers are refusals by policy (5.7.x), its messages wait: a
domain that has begun to distrust a sender distrusts it more with each further message. The open
incident is the circuit; nobody is suppressed for it.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.alerts import incidents
from app.alerts.models import Incident
from app.db import after_commit
from app.policy.decide import Decision, Hold, Send
from app.sending.facts import Row

LARGEST_SHARE: Final = 0.20
FEWEST: Final = 10
WINDOW: Final = timedelta(minutes=10)
HELD_FOR: Final = timedelta(minutes=15)
QUIET: Final = timedelta(hours=1)
_RECENT_ATTEMPTS: Final = 20_000
_PREFIX: Final = "policy:"
REMEMBERED_SECONDS: Final = 1.0
_NOTHING: Final[tuple[float, Mapping[str, datetime]]] = (0.0, {})
_memory = _NOTHING


def of(address: str | None) -> str:
    """The domain of an e-mail address, in lower case."""
    return (address or "").rpartition("@")[2].lower()


def closed(session: Session, channel: str, now: datetime) -> Mapping[str, datetime]:
    """Domains that wait -> until when, as it was known at most a second ago."""
    global _memory  # noqa: PLW0603 - one small value per process, replaced as a whole
    if channel != "email":
        return {}
    until, found = _memory
    if time.monotonic() >= until:
        found = _load(session)
        _memory = time.monotonic() + REMEMBERED_SECONDS, found
    return {domain: until for domain, until in found.items() if until > now}


def forget() -> None:
    """Ask the database at the next `closed`."""
    global _memory  # noqa: PLW0603 - as above
    _memory = _NOTHING


def _load(session: Session) -> Mapping[str, datetime]:
    open_ones = session.scalars(
        select(Incident.facts).where(
            Incident.resolved_at.is_(None), Incident.cause.startswith(_PREFIX)
        )
    )
    found = {str(facts.get("domain")): _until(facts) for facts in open_ones}
    return {domain: until for domain, until in found.items() if until}


def over(waiting: Mapping[str, datetime], row: Row, decision: Decision) -> Decision:
    """What was decided about a message, or that it waits for its domain."""
    if not waiting or not isinstance(decision, Send):
        return decision
    until = waiting.get(of(row.address))
    return decision if until is None else Hold(until, "domain")


def refused(session: Session, provider: str, counted: Mapping[str, int], now: datetime) -> None:
    """These domains have just refused so many messages by policy."""
    after_commit(session, forget)
    shares = _shares(session, provider, list(counted), now)
    for domain, number in sorted(counted.items()):  # everybody takes the alerts in one order
        answers, refusals = shares.get(domain, (number, number))
        holds = answers >= FEWEST and refusals >= LARGEST_SHARE * answers
        waits = "Its messages wait for a quarter of an hour. " if holds else ""
        incidents.open_or_count(
            session,
            f"{_PREFIX}{provider}:{domain}",
            f"{domain} refuses our mail by its policy",
            f"{refusals} of the last {answers} answers. {waits}No address was suppressed. Check "
            "SPF, DKIM, DMARC and block lists.",
            {"domain": domain, "until": (now + HELD_FOR).isoformat() if holds else None},
            now,
            severity="critical" if holds else "warning",
            count=number,
        )


def lift_quiet(session: Session, now: datetime) -> int:
    """Close the incidents of domains that have refused nothing for an hour; answers how many."""
    quiet = session.scalars(
        select(Incident).where(
            Incident.resolved_at.is_(None),
            Incident.cause.startswith(_PREFIX),
            Incident.last_at < now - QUIET,
        )
    ).all()
    for incident in quiet:
        incident.resolved_at = now
    return len(quiet)


def _until(facts: Mapping[str, Any]) -> datetime | None:
    said = facts.get("until")
    return datetime.fromisoformat(said) if isinstance(said, str) else None


def _shares(
    session: Session, provider: str, domains: Sequence[str], now: datetime
) -> dict[str, tuple[int, int]]:
    """domain -> answers of the last minutes, and how many of them were refusals by policy."""
    rows = session.execute(
        text(
            """
            with recent as (
              select split_part(lower(n.address), '@', 2) as domain, a.code
                from attempt a join notification n on n.id = a.notification_id
               where a.id > (select coalesce(max(id), 0) - :recent from attempt)
                 and a.at > :since and a.provider = :provider
                 and n.accepted_at > :long_ago and n.channel = 'email'
            )
            select domain, count(*), count(*) filter (where code ~ ' 5[.]7[.]')
              from recent where domain = any(:domains) group by domain
            """
        ),
        {
            "recent": _RECENT_ATTEMPTS,
            "since": now - WINDOW,
            "long_ago": now - timedelta(days=40),
            "provider": provider,
            "domains": list(domains),
        },
    )
    return {row[0]: (row[1], row[2]) for row in rows}
