"""Guards people against us: when too many addresses "die" at once, it is not they who died.

A wrong key, project or environment can make a provider call every address dead. When more than 5 %
of an app's devices (or of the people who have an address) would go within ten minutes, nobody is
disabled any more: the messages fail, the addresses stay, and operators are told. The guard's open
incident is its state. It closes when nothing has died for ten minutes; staff who close it before
let Herald remove for an hour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import cache
from app.alerts import incidents
from app.alerts.models import Incident
from app.audience import devices
from app.sending.vocabulary import PUSH

WINDOW: Final = timedelta(minutes=10)
LARGEST_SHARE: Final = 0.05
FEWEST: Final = 20  # fewer prove nothing
LET_THROUGH: Final = timedelta(hours=1)
_RECENT_ATTEMPTS: Final = 20_000
_SIZE_KEPT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Group:
    """What a mistake of ours would hit as a whole: an app on a platform, or all addresses."""

    channel: str
    app: str = ""

    @property
    def cause(self) -> str:
        """The fingerprint of the guard's incident."""
        return f"mass_removal:{self.channel}:{self.app}".rstrip(":")


def spared(session: Session, dying: Mapping[Group, int], now: datetime) -> set[Group]:
    """The groups none of whose members may be removed now; `dying` counts those about to be."""
    if not dying:
        return set()
    causes = {group.cause: group for group in dying}
    latest = _latest(session, list(causes), now)
    held = set()
    for group, number in dying.items():
        known = latest.get(group.cause)
        is_open = known is not None and known.resolved_at is None
        if known is not None and _let_through(known, now):
            continue
        counted = cache.shared().tally("dying", group.cause, number, now, _minutes())
        recently = number if counted is None else counted
        if is_open or _too_many(session, group, recently, now):
            _tell(session, group, number, recently, now)
            held.add(group)
    return held


def lift_quiet(session: Session, now: datetime) -> int:
    """Close the guards under which nothing has died for a while; answers how many."""
    quiet = session.scalars(
        select(Incident).where(
            Incident.resolved_at.is_(None),
            Incident.cause.startswith("mass_removal:"),
            Incident.last_at < now - WINDOW,
        )
    ).all()
    for incident in quiet:
        incident.resolved_at = now
    return len(quiet)


def _latest(session: Session, causes: Sequence[str], now: datetime) -> dict[str, Incident]:
    """The newest guard of each cause, open or closed lately."""
    rows = session.scalars(
        select(Incident)
        .where(
            Incident.cause.in_(causes),
            Incident.resolved_at.is_(None) | (Incident.resolved_at > now - LET_THROUGH),
        )
        .order_by(Incident.id)
    )
    return {row.cause: row for row in rows}


def _let_through(incident: Incident, now: datetime) -> bool:
    """Staff closed it while addresses were still dying: they say these are really dead."""
    closed = incident.resolved_at
    return closed is not None and closed - incident.last_at < WINDOW and now - closed < LET_THROUGH


def _too_many(session: Session, group: Group, dying: int, now: datetime) -> bool:
    if dying < FEWEST:
        return False
    if dying <= LARGEST_SHARE * _size(session, group):
        return False
    # Mail and texts to bare addresses: nobody knows how many there are, so answers count.
    bare = group.channel in ("email", "sms")
    return not bare or dying > LARGEST_SHARE * _answers(session, group.channel, now)


def _size(session: Session, group: Group) -> int:
    """How many there are to lose; counted once a minute."""
    known = cache.shared().get_many("size", [group.cause]).get(group.cause)
    if known is None:
        known = _count(session, group)
        cache.shared().set_many("size", {group.cause: known}, _SIZE_KEPT_S)
    return int(known)


def _count(session: Session, group: Group) -> int:
    if group.channel in PUSH:
        return devices.alive(session, group.channel, group.app)
    column = "email" if group.channel == "email" else "phone"
    return int(
        session.scalar(text(f"select count(*) from contact where {column} is not null")) or 0
    )


def _answers(session: Session, channel: str, now: datetime) -> int:
    providers = ["twilio"] if channel == "sms" else ["sendgrid", "smtp"]
    return int(
        session.scalar(
            text(
                """
                select count(*) from attempt
                 where id > (select coalesce(max(id), 0) - :recent from attempt)
                   and at > :since and provider = any(:providers)
                """
            ),
            {"recent": _RECENT_ATTEMPTS, "since": now - WINDOW, "providers": providers},
        )
        or 0
    )


def _tell(session: Session, group: Group, number: int, recently: int, now: datetime) -> None:
    what = f"devices of {group.app or group.channel}" if group.app else f"{group.channel} addresses"
    incidents.open_or_count(
        session,
        group.cause,
        f"Very many {what} are called dead at once: none is removed",
        f"{recently} within ten minutes, more than 5 % of them. The messages failed, but nobody "
        "was disabled. Check the key, project and environment.",
        {"channel": group.channel, "app": group.app, "recently": recently},
        now,
        severity="critical",
        count=number,
    )


def _minutes() -> int:
    return int(WINDOW.total_seconds()) // 60
