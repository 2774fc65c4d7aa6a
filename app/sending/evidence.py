"""Evidence for messages whose answer was lost: did the provider take them or not?

For texts Twilio can be asked what it took. It is asked before the policy about silence applies; a
text it lists is `accepted`, one it does not list is left to the policy, and when it cannot be
asked, the policy waits. No connection is held while it answers.
"""

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
# Twilio's clock and ours, and the time a call was in the air.
SLACK: Final = timedelta(minutes=2)
# Without an answer from Twilio the policy waits, but not for ever.
PUT_OFF: Final = timedelta(seconds=30)
PUT_OFF_FOR: Final = timedelta(minutes=10)
_RECENT_ATTEMPTS: Final = 2_000


class Lost(NamedTuple):
    """A text without an answer; `since` is when its call began at the latest."""

    id: int
    number: str
    contact_id: int | None
    test: bool
    version_id: int
    batch_id: int
    since: datetime


def look(engine: Engine) -> int:
    """Ask Twilio about texts that are `unknown`; answers how many turned out to be accepted.

    Opens its own transactions: none is open while Twilio is asked.
    """
    with transaction() as session:
        lost = _lost(session, clock.now())
        bodies = _bodies(session, engine, lost) if lost else {}
    found: dict[int, KnownText] = {}
    unasked: list[int] = []
    for test in sorted({one.test for one in lost}):
        some = [one for one in lost if one.test is test]
        listed = _listed(engine, some, test)
        unasked += [one.id for one in some if one.number not in listed]
        with transaction() as session:
            found |= _matches(some, listed, bodies, _spoken_for(session, some))
    with transaction() as session:
        now = clock.now()
        _put_off(session, unasked, now)
        changes = [
            Change(
                key,
                "accepted",
                None,
                known.created_at or now,
                provider="twilio",
                provider_id=known.provider_id,
            )
            for key, known in sorted(found.items())
        ]
        return len(states.move(session, changes, now)) if changes else 0


def provider_is_talking(session: Session, provider: str, since: datetime) -> bool:
    """Whether webhooks about messages handed over since then have arrived.

    If they have, a message from then without any webhook was probably not taken; if they have not,
    silence proves nothing. Looks at 2,000 attempts at most.
    """
    return bool(
        session.scalar(
            text(
                """
                select exists (
                  select from (
                    select notification_id from attempt
                     where id >= :first and provider = :provider and outcome = 'accepted'
                     order by id limit :recent
                  ) a
                  where exists (select from event e where e.source = :provider
                                   and e.notification_id = a.notification_id)
                )
                """
            ),
            {
                "first": first_attempt_since(session, since),
                "provider": provider,
                "recent": _RECENT_ATTEMPTS,
            },
        )
    )


def heard_until(session: Session, now: datetime) -> datetime:
    """Whatever webhooks told us before this moment has been applied.

    Silence of a message means nothing until then: what proves it may be among those that wait. One
    that was looked at already, and could not be applied or found no message, is not waited for.
    """
    oldest: datetime | None = session.scalar(
        text(
            """
            select received_at from receipt
             where applied_at is null and due_at <= :now and tries = 0
             order by due_at limit 1
            """
        ),
        {"now": now},
    )
    return now if oldest is None else min(oldest, now)


def first_attempt_since(session: Session, moment: datetime) -> int:
    """The key of about the first attempt at or after a moment, by halving: keys follow time."""
    found = session.scalar(
        text(
            """
            with recursive span(low, high) as (
              select coalesce(min(id), 0), coalesce(max(id), -1) + 1 from attempt
              union all
              select case when probe.at < :moment then probe.id + 1 else span.low end,
                     case when probe.at < :moment then span.high else middle.key end
                from span,
                     lateral (select (span.low + span.high) / 2 as key) middle,
                     lateral (select a.id, a.at from attempt a where a.id >= middle.key
                               order by a.id limit 1) probe
               where span.low < span.high
            )
            select low from span where low >= high limit 1
            """
        ),
        {"moment": moment},
    )
    return int(found or 0)


def _lost(session: Session, now: datetime) -> list[Lost]:
    rows = session.execute(
        text(
            """
            select n.id, n.address, n.contact_id, n.test, n.version_id, a.batch_id,
                   least(a.at, coalesce(b.dispatched_at, a.at))
              from notification n
              join lateral (
                select at, batch_id from attempt where notification_id = n.id
                 order by id desc limit 1
              ) a on true
              left join batch b on b.id = a.batch_id
             where n.status = 'unknown' and n.provider = 'twilio' and n.send_after <= :soon
               and n.address is not null
             order by n.send_after limit :limit
            """
        ),
        {"soon": now + AHEAD, "limit": AT_ONCE},
    )
    return [Lost(*row) for row in rows]


def _bodies(session: Session, engine: Engine, lost: Sequence[Lost]) -> dict[int, str]:
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


def _listed(engine: Engine, lost: Sequence[Lost], test: bool) -> Mapping[str, Sequence[KnownText]]:
    carrier = engine.providers.named("twilio", test)
    if not isinstance(carrier, LooksUp):
        return {}
    since: dict[str, datetime] = {}
    for one in lost:
        since[one.number] = min(one.since - SLACK, since.get(one.number, one.since))
    return carrier.texts_to(since)


def _spoken_for(session: Session, lost: Sequence[Lost]) -> set[str]:
    """Twilio's ids that belong to other messages to the same people."""
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


def _matches(
    lost: Iterable[Lost],
    listed: Mapping[str, Sequence[KnownText]],
    bodies: Mapping[int, str],
    taken: set[str],
) -> dict[int, KnownText]:
    """One listed text for each message at most: the same words, made at the time of the call."""
    found: dict[int, KnownText] = {}
    taken = set(taken)
    for one in lost:
        for known in reversed(listed.get(one.number, ())):
            same = _words(known.body) == _words(bodies.get(one.id, ""))
            in_time = known.created_at is None or known.created_at >= one.since - SLACK
            if same and in_time and known.provider_id not in taken:
                taken.add(known.provider_id)
                found[one.id] = known
                break
    return found


def _words(body: str) -> str:
    return " ".join(body.split())


def _put_off(session: Session, unasked: Sequence[int], now: datetime) -> None:
    """Twilio could not be asked about these: no decision without it, for ten minutes at most."""
    if not unasked:
        return
    session.execute(
        text(
            """
            update notification n set send_after = :until
             where n.id = any(:ids) and n.status = 'unknown' and n.send_after < :until
               and (select max(a.at) from attempt a where a.notification_id = n.id) > :long_ago
            """
        ),
        {"ids": unasked, "until": now + PUT_OFF, "long_ago": now - PUT_OFF_FOR},
    )
