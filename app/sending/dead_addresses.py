"""Addresses after a send: dead ones are retired, opted-out ones suppressed, wrong ones corrected.

A few statements per batch, none per recipient. What a test key's messages meet in the sandbox says
nothing about anybody.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audience import devices, suppressions
from app.audience.devices import Dead
from app.audience.suppressions import Entry
from app.channels.base import Concern, Outcome
from app.sending import mass_removal
from app.sending.attempts import Answer
from app.sending.facts import Row
from app.sending.mass_removal import Group

FULL_TIMES: Final = 3
FULL_WITHIN: Final = timedelta(days=30)
_KIND: Final = {"email": "email", "sms": "phone"}


class Answered(NamedTuple):
    """A message of the batch and what the provider said about it."""

    row: Row
    answer: Answer


def settle(session: Session, answered: Sequence[Answered], now: datetime) -> None:
    """Draw the consequences of these answers for the addresses they were about."""
    _correct_environments(session, answered)
    dead = [one for one in answered if _is_dead(one)]
    spared = mass_removal.spared(session, Counter(_group(one.row) for one in dead), now)
    going = [one for one in dead if _group(one.row) not in spared]
    _retire_devices(session, going, now)
    _suppress(session, _entries(going, "invalid"), now)
    opted_out = [one for one in answered if one.answer.result.outcome is Outcome.SUPPRESSED]
    _suppress(session, _entries(opted_out, "stop"), now)
    full = [one for one in answered if one.answer.result.concern is Concern.FULL]
    _suppress(session, _entries(_full_again(session, full, now), "bounce"), now)


def _is_dead(one: Answered) -> bool:
    dead = one.answer.result.outcome is Outcome.RECIPIENT_DEAD
    registered = (one.row.device or {}).get("registered_at")
    return dead and (registered is None or bool(registered <= _dead_since(one.answer)))


def _dead_since(answer: Answer) -> datetime:
    """APNs says since when a token is dead; without a word of it, since the answer.

    A device that was registered later is a new life of the same token.
    """
    return answer.result.registered_before or answer.at


def _group(row: Row) -> Group:
    return Group(row.channel, (row.device or {}).get("app") or "")


def _correct_environments(session: Session, answered: Iterable[Answered]) -> None:
    """A token that the other host of Apple's took lives there from now on."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row, answer in answered:
        if answer.result.environment is not None and row.device_id is not None:
            found[answer.result.environment].append(row.device_id)
    for environment, keys in found.items():
        devices.move_to(session, keys, environment)


def _retire_devices(session: Session, going: Iterable[Answered], now: datetime) -> None:
    dead = [
        Dead(row.device_id, answer.result.code or "dead", _dead_since(answer))
        for row, answer in going
        if row.device_id is not None
    ]
    if dead:
        devices.disable_all(session, dead, now)


def _entries(items: Iterable[Answered], reason: str) -> dict[str, list[Entry]]:
    """provider -> what is to be suppressed in its name."""
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for row, answer in items:
        kind = _KIND.get(row.channel)
        if kind is not None and row.address:
            entry = Entry(kind, row.address, reason, notification_id=row.id)
            found[answer.provider].append(entry)
    return found


def _suppress(session: Session, entries: dict[str, list[Entry]], now: datetime) -> None:
    for provider, some in sorted(entries.items()):
        suppressions.add(session, some, provider, now)


def _full_again(session: Session, full: Sequence[Answered], now: datetime) -> list[Answered]:
    """Those whose mailbox was full (or disabled) for the third message within 30 days."""
    if not full:
        return []
    rows = session.execute(
        text(
            """
            select n.address from notification n join attempt a on a.notification_id = n.id
             where n.channel = 'email' and n.accepted_at > :long_ago and a.at > :since
               and a.outcome = 'rejected' and a.code ~ ' 5[.]2[.][12]$'
               and (n.contact_id = any(:contacts)
                    or (n.contact_id is null and n.address = any(:addresses)))
             group by n.address having count(distinct n.id) >= :times
            """
        ),
        {
            "contacts": [row.contact_id for row, _ in full if row.contact_id is not None],
            "addresses": [row.address for row, _ in full],
            "since": now - FULL_WITHIN,
            "long_ago": now - FULL_WITHIN - timedelta(days=7),
            "times": FULL_TIMES,
        },
    )
    often = {row[0] for row in rows}
    return [one for one in full if one.row.address in often]
