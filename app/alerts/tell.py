"""Telling operators about incidents: by e-mail and webhook, once per incident.

An incident counts as told when at least one way worked; otherwise it is tried again.
"""

import urllib.request
from collections.abc import Sequence
from typing import Final

import orjson
import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app import clock, ids
from app.accounts import workspace
from app.accounts.models import Member
from app.alerts.models import Incident
from app.channels.base import EmailMessage, Outcome, Provider, Result
from app.channels.registry import Registry
from app.db import transaction
from app.settings import Settings

AT_ONCE: Final = 20
SECONDS: Final = 5
log = structlog.get_logger(__name__)


def untold(settings: Settings) -> int:
    """Tell operators of open incidents they do not know of; answers how many were told.

    Opens transactions of its own: none is open while somebody is being told.
    """
    with transaction() as session:
        addresses = recipients(session, settings)
        waiting = session.scalars(
            select(Incident)
            .where(Incident.told_at.is_(None), Incident.resolved_at.is_(None))
            .order_by(Incident.id)
            .limit(AT_ONCE)
        ).all()
    told = [
        incident.id
        for incident in waiting
        if _mail(settings, addresses, incident) | _post(settings, incident)
    ]
    if told:
        with transaction() as session:
            session.execute(
                update(Incident).where(Incident.id.in_(told)).values(told_at=clock.now())
            )
    return len(told)


def recipients(session: Session, settings: Settings) -> Sequence[str]:
    """Who is told: the configured addresses, else every owner and developer."""
    chosen = [*workspace.get(session).alert_emails]
    if settings.alert_email:
        chosen += [address.strip() for address in settings.alert_email.split(",")]
    if chosen:
        return list(dict.fromkeys(chosen))
    return session.scalars(
        select(Member.email).where(
            Member.role.in_(("owner", "developer")), Member.disabled_at.is_(None)
        )
    ).all()


def _mail(settings: Settings, addresses: Sequence[str], incident: Incident) -> bool:
    if not addresses:
        return False
    body = (
        f"{incident.title}\n\n{incident.detail}\n\n"
        f"First seen {incident.first_at:%Y-%m-%d %H:%M} UTC, {incident.count} times so far.\n"
        f"What to do: {settings.public_url}/alerts\n"
    )
    messages = [
        EmailMessage(
            ref=ids.encode("inc", incident.id),
            attempt=1,
            to=address,
            to_name="",
            from_email=settings.mail_from,
            from_name=settings.mail_from_name,
            reply_to="",
            subject=f"[Herald] {incident.title}",
            html="",
            text=body,
            headers={"Auto-Submitted": "auto-generated"},
        )
        for address in addresses
    ]
    return any(_taken(mailer, messages) for mailer in Registry(settings).mailers())


def _taken(mailer: Provider, messages: Sequence[EmailMessage]) -> bool:
    """Whether at least one of these was accepted: then the next mailer is not asked."""
    results: list[Result] = []
    mailer.send(messages, lambda _index, result: results.append(result))
    return any(result.outcome is Outcome.ACCEPTED for result in results)


def _post(settings: Settings, incident: Incident) -> bool:
    if not settings.alert_webhook:
        return False
    body = {
        "id": ids.encode("inc", incident.id),
        "cause": incident.cause,
        "severity": incident.severity,
        "title": incident.title,
        "detail": incident.detail,
        "count": incident.count,
        "first_at": incident.first_at.isoformat(),
        "url": f"{settings.public_url}/alerts",
    }
    request = urllib.request.Request(  # noqa: S310 - the address is the operator's own setting
        settings.alert_webhook,
        data=orjson.dumps(body),
        headers={"Content-Type": "application/json", "User-Agent": "Herald"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return 200 <= int(answer.status) < 300
    except OSError as error:
        log.warning("alert_webhook_failed", error=type(error).__name__)
        return False
