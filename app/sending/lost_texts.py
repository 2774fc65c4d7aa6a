"""Texts whose answer was lost: Twilio is asked what it took, and only then does the policy apply.

A text it lists is `accepted`. One it does not list was not taken: that is noted, and proves the
silence about it. Until Twilio has been asked, the policy waits (`sweep`). No connection is held
meanwhile.
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import clock
from app.channels.base import KnownText, LooksUp
from app.content.render import RenderedSms
from app.content.versions import compiled
from app.db import transaction
from app.sending import copies, preview, states
from app.sending.engine import Engine
from app.sending.states import Change

# So long before the policy would apply Twilio is asked; the clock asks every 15 seconds.
AHEAD: Final = timedelta(seconds=35)
AT_ONCE: Final = 100
MOST_TURNS: Final = 20
# Twilio's clock and ours, and the time a call was in the air.
SLACK: Final = timedelta(minutes=2)


class LostText(NamedTuple):
    """A text without an answer; `since` is when its call began at the latest."""

    id: int
    number: str
    contact_id: int | None
    test: bool
    version_id: int
    batch_id: int
    since: datetime


class Found(NamedTuple):
    """What Twilio's lists say. `unlisted`: nothing in them could be one of these texts.

    `unclear`: there is something that may be, in other words.
    """

    taken: Mapping[int, KnownText]
    unlisted: Sequence[int]
    unclear: Sequence[int]


def look(engine: Engine) -> int:
    """Ask Twilio about texts that are `unknown`; answers how many turned out to be accepted.

    Opens its own transactions: none is open while Twilio is asked.
    """
    accepted = 0
    looked_at: list[int] = []
    for _ in range(MOST_TURNS):
        with transaction() as session:
            lost = _lost(session, looked_at, clock.now())
            bodies = _bodies(session, engine, lost) if lost else {}
        accepted += _settle(engine, lost, bodies)
        looked_at += [one.id for one in lost]
        if len(lost) < AT_ONCE:
            break
    return accepted


def _settle(engine: Engine, lost: Sequence[LostText], bodies: Mapping[int, str]) -> int:
    """Ask about these and write down what was said; answers how many were accepted."""
    accepted = 0
    for test in sorted({one.test for one in lost}):
        some = [one for one in lost if one.test is test]
        listed = _listed(engine, some, test)
        asked = [one for one in some if one.number in listed]
        with transaction() as session:
            now = clock.now()
            found = compare(asked, listed, bodies, _spoken_for(session, asked))
            _note(session, found, now)
            accepted += _accept(session, found.taken, now)
    return accepted


def _lost(session: Session, looked_at: Sequence[int], now: datetime) -> list[LostText]:
    """The next ones, those first that Twilio was never asked about."""
    rows = session.execute(
        text(
            """
            select n.id, n.address, n.contact_id, n.test, n.version_id, a.batch_id,
                   least(a.at, coalesce(b.dispatched_at, a.at))
              from notification n
              join lateral (
                select at, batch_id, asked_at from attempt where notification_id = n.id
                 order by id desc limit 1
              ) a on true
              left join batch b on b.id = a.batch_id
             where n.status = 'unknown' and n.provider = 'twilio' and n.send_after <= :soon
               and n.address is not null and n.id <> all(:looked_at)
             order by a.asked_at nulls first, n.send_after limit :limit
            """
        ),
        {"soon": now + AHEAD, "looked_at": looked_at, "limit": AT_ONCE},
    )
    return [LostText(*row) for row in rows]


def _bodies(session: Session, engine: Engine, lost: Sequence[LostText]) -> dict[int, str]:
    """What each of them said, made again from the copies."""
    kept = copies.of_batches(session, {one.batch_id for one in lost})
    found = {}
    for version_id in {one.version_id for one in lost}:
        some = [one for one in lost if one.version_id == version_id and one.id in kept]
        people = [kept[one.id] for one in some]
        version = compiled(session, version_id)
        rendered = preview.render(version, "sms", people, engine.public_url)
        for one, content in zip(some, rendered, strict=True):
            if isinstance(content, RenderedSms):
                found[one.id] = content.body
    return found


def _listed(
    engine: Engine, lost: Sequence[LostText], test: bool
) -> Mapping[str, Sequence[KnownText]]:
    carrier = engine.providers.named("twilio", test)
    if not isinstance(carrier, LooksUp):
        return {}
    since: dict[str, datetime] = {}
    for one in lost:
        since[one.number] = min(one.since - SLACK, since.get(one.number, one.since))
    return carrier.texts_to(since)


def _spoken_for(session: Session, lost: Sequence[LostText]) -> set[str]:
    """Twilio's ids that belong to other messages to the same people."""
    if not lost:
        return set()
    rows = session.scalars(
        text(
            """
            select provider_id from notification
             where provider = 'twilio' and provider_id is not null and accepted_at > :since
               and (contact_id = any(:contacts)
                    or (contact_id is null and address = any(:numbers)))
            """
        ),
        {
            "since": min(one.since for one in lost) - timedelta(days=2),
            "contacts": [one.contact_id for one in lost if one.contact_id is not None],
            "numbers": [one.number for one in lost],
        },
    )
    return set(rows)


def compare(
    lost: Iterable[LostText],
    listed: Mapping[str, Sequence[KnownText]],
    bodies: Mapping[int, str],
    spoken_for: set[str],
) -> Found:
    """One listed text for each message at most: the same words, made at the time of the call.

    A listed text of other words that belongs to no message of ours proves nothing either way.
    """
    taken: dict[int, KnownText] = {}
    spoken_for, open_ = set(spoken_for), []
    for one in lost:
        known = _match(one, listed[one.number], bodies.get(one.id, ""), spoken_for)
        if known is None:
            open_.append(one)
        else:
            spoken_for.add(known.provider_id)
            taken[one.id] = known
    unclear = [
        one.id
        for one in open_
        if any(_in_time(k, one) and k.provider_id not in spoken_for for k in listed[one.number])
    ]
    return Found(taken, [one.id for one in open_ if one.id not in unclear], unclear)


def _match(
    one: LostText, listed: Sequence[KnownText], body: str, spoken_for: set[str]
) -> KnownText | None:
    words = _words(body)
    if not words:
        return None
    for known in reversed(listed):
        # A trial account puts a sentence of its own before the text.
        same = _words(known.body).endswith(words)
        if same and _in_time(known, one) and known.provider_id not in spoken_for:
            return known
    return None


def _in_time(known: KnownText, one: LostText) -> bool:
    return known.created_at is None or known.created_at >= one.since - SLACK


def _words(body: str) -> str:
    """Letters and digits: spaces, quotes and dashes may change on the way ("Smart Encoding").

    Of a text that has neither, all its signs.
    """
    words = "".join(sign for sign in unicodedata.normalize("NFKD", body) if sign.isalnum())
    return words or "".join(body.split())


def _accept(session: Session, taken: Mapping[int, KnownText], now: datetime) -> int:
    changes = [
        Change(
            key,
            "accepted",
            None,
            known.created_at or now,
            provider="twilio",
            provider_id=known.provider_id,
        )
        for key, known in sorted(taken.items())
    ]
    return len(states.move(session, changes, now)) if changes else 0


def _note(session: Session, found: Found, now: datetime) -> None:
    """The last attempt of each text that was not found tells that Twilio was asked about it."""
    if not (found.unlisted or found.unclear):
        return
    session.execute(
        text(
            """
            update attempt set asked_at = :now, unlisted = notification_id = any(:unlisted)
             where id in (select max(id) from attempt where notification_id = any(:ids)
                           group by notification_id)
            """
        ),
        {"ids": [*found.unlisted, *found.unclear], "unlisted": list(found.unlisted), "now": now},
    )
