"""Consent: the only writer of preferences and of the append-only ledger behind them.

A preference is what a person chose for one topic on one channel. Who never chose has the topic's
default. Security topics know no choice: those messages are always sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from app.audience import lookup, suppressions, topics
from app.audience.models import CHANNELS, ConsentEntry, Contact, Preference, Topic
from app.errors import FieldError, Invalid, NotFound
from app.paging import Page, cut, decode_cursor

SOURCES: Final = ("api", "import", "preference page", "one-click", "stop", "console")


@dataclass(frozen=True, slots=True)
class Choice:
    """Opted in or out of one topic on one channel."""

    topic_id: int
    channel: str
    opted_in: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for one topic and channel; source and time only where the person chose."""

    opted_in: bool
    source: str | None = None
    at: datetime | None = None

    @property
    def explicit(self) -> bool:
        """Did the person choose, or is it the topic's default?"""
        return self.source is not None


@dataclass(frozen=True, slots=True)
class TopicStanding:
    """One row of the preference matrix."""

    topic: Topic
    channels: Mapping[str, Standing]

    @property
    def locked(self) -> bool:
        """Security topics cannot be chosen."""
        return self.topic.klass == "security"


def set_preferences(
    session: Session,
    contact_id: int,
    choices: Sequence[Choice],
    source: str,
    evidence: Mapping[str, Any],
    now: datetime,
) -> int:
    """Record what one person chose; returns how many preferences changed.

    Choosing to receive a marketing topic also lifts an earlier "unsubscribe from all" of that
    channel's address. Raises Invalid (unknown topic or channel, security topic), NotFound.
    """
    contact = session.get(Contact, contact_id)
    if contact is None or contact.erased_at is not None:
        raise NotFound("There is no such person.")
    by_id = {fact.id: fact for fact in topics.facts(session).values()}
    errors = [error for choice in choices if (error := _problem(choice, by_id))]
    if errors:
        raise Invalid(errors)
    changed = write(session, [(contact_id, choice) for choice in choices], source, evidence, now)
    wanted = {
        choice.channel
        for choice in choices
        if choice.opted_in and by_id[choice.topic_id].klass == "marketing"
    }
    _lift_unsubscribe(session, contact, wanted)
    return changed


def choices_from(session: Session, wanted: Mapping[str, Mapping[str, bool]]) -> list[Choice]:
    """`{"offers": {"email": true}}` as choices. Raises Invalid with pointers below `/topics`."""
    known = topics.facts(session)
    errors: list[FieldError] = []
    choices: list[Choice] = []
    for key, channels in wanted.items():
        fact = known.get(key)
        if fact is None:
            message = f"There is no topic with the key {key[:64]!r}."
            errors.append(FieldError(f"/topics/{key[:64]}", "unknown_topic", message))
            continue
        for channel, opted_in in channels.items():
            choice = Choice(fact.id, channel, opted_in)
            error = _problem(choice, {fact.id: fact}, f"/topics/{key}/{channel[:64]}")
            if error:
                errors.append(error)
            choices.append(choice)
    if errors:
        raise Invalid(errors)
    return choices


def unsubscribe_all(
    session: Session, contact_id: int, source: str, evidence: Mapping[str, Any], now: datetime
) -> int:
    """Out of every marketing topic on every channel, and of those still to be invented.

    E-mail address and phone number are suppressed for marketing; service messages still arrive.
    """
    contact = session.get(Contact, contact_id)
    if contact is None:
        raise NotFound("There is no such person.")
    marketing = [fact for fact in topics.facts(session).values() if fact.klass == "marketing"]
    choices = [
        (contact_id, Choice(fact.id, channel, False)) for fact in marketing for channel in CHANNELS
    ]
    entries = [
        suppressions.Entry(kind, address, "unsubscribe", scope="marketing")
        for kind, address in (("email", contact.email), ("phone", contact.phone))
        if address
    ]
    suppressions.add(session, entries, source, now)
    return write(session, choices, source, evidence, now)


def lower(
    session: Session,
    choices: Iterable[tuple[int, Choice]],
    source: str,
    evidence: Mapping[str, Any],
    now: datetime,
) -> int:
    """Record opt-outs of many people; opt-ins among them are ignored. For imports."""
    outs = [(contact_id, choice) for contact_id, choice in choices if not choice.opted_in]
    return write(session, outs, source, evidence, now)


def write(
    session: Session,
    choices: Iterable[tuple[int, Choice]],
    source: str,
    evidence: Mapping[str, Any],
    now: datetime,
) -> int:
    """Preferences and ledger of many people in one statement; what is so already is not touched."""
    latest = {(person, c.topic_id, c.channel): c.opted_in for person, c in choices}
    if not latest:
        return 0
    rows = session.execute(
        _WRITE,
        {
            "contacts": [key[0] for key in latest],
            "topics": [key[1] for key in latest],
            "channels": [key[2] for key in latest],
            "opted_in": list(latest.values()),
            "source": source,
            "evidence": dict(evidence),
            "now": now,
        },
    )
    changed = [row.contact_id for row in rows]
    lookup.forget(session, sorted(set(changed)))
    return len(changed)


def matrix(session: Session, contact_id: int) -> list[TopicStanding]:
    """What holds for a person, topic by topic, in the order of the preference page."""
    rows = session.scalars(select(Preference).where(Preference.contact_id == contact_id))
    chosen = {
        (row.topic_id, row.channel): Standing(row.opted_in, row.source, row.at) for row in rows
    }
    return [
        TopicStanding(topic, {channel: _standing(topic, channel, chosen) for channel in CHANNELS})
        for topic in topics.all_topics(session)
    ]


def history(
    session: Session, contact_id: int, cursor: str | None = None, limit: int = 50
) -> Page[ConsentEntry]:
    """The ledger of one person, newest first."""
    chosen = (
        select(ConsentEntry)
        .where(ConsentEntry.contact_id == contact_id)
        .order_by(ConsentEntry.id.desc())
        .limit(limit + 1)
    )
    after = decode_cursor(cursor)
    if after is not None:
        chosen = chosen.where(ConsentEntry.id < after)
    return cut(session.scalars(chosen).all(), limit, lambda entry: entry.id)


_WRITE: Final = text(
    """
    WITH written AS (
        INSERT INTO preference (contact_id, topic_id, channel, opted_in, source, at)
        SELECT c.contact_id, c.topic_id, c.channel, c.opted_in, :source, :now
        FROM unnest(CAST(:contacts AS bigint[]), CAST(:topics AS bigint[]),
                    CAST(:channels AS text[]), CAST(:opted_in AS boolean[]))
             AS c(contact_id, topic_id, channel, opted_in)
        ORDER BY 1, 2, 3
        ON CONFLICT (contact_id, topic_id, channel) DO UPDATE
        SET opted_in = excluded.opted_in, source = excluded.source, at = excluded.at
        WHERE preference.opted_in <> excluded.opted_in
        RETURNING contact_id, topic_id, channel, opted_in
    )
    INSERT INTO consent_entry (at, contact_id, topic_id, channel, opted_in, source, evidence)
    SELECT :now, contact_id, topic_id, channel, opted_in, :source, :evidence FROM written
    RETURNING contact_id
    """
).bindparams(bindparam("evidence", type_=JSONB))


def _problem(
    choice: Choice, known: Mapping[int, topics.TopicFacts], pointer: str = ""
) -> FieldError | None:
    fact = known.get(choice.topic_id)
    where = pointer or f"/topics/{fact.key if fact else choice.topic_id}/{choice.channel}"
    if fact is None:
        return FieldError(where, "unknown_topic", "There is no such topic.")
    if choice.channel not in CHANNELS:
        words = "A channel is one of email, sms, ios and android."
        return FieldError(where, "unknown_channel", words)
    if fact.klass == "security" and not choice.opted_in:
        words = f"{fact.name} is about security: these messages are always sent."
        return FieldError(where, "topic_not_optional", words)
    return None


def _standing(topic: Topic, channel: str, chosen: Mapping[tuple[int, str], Standing]) -> Standing:
    if topic.klass == "security":
        return Standing(True)
    return chosen.get((topic.id, channel)) or Standing(topic.opted_in_by_default)


def _lift_unsubscribe(session: Session, contact: Contact, channels: set[str]) -> None:
    if "email" in channels and contact.email:
        suppressions.lift(session, "email", contact.email, ("unsubscribe",))
    if "sms" in channels and contact.phone:
        suppressions.lift(session, "phone", contact.phone, ("unsubscribe",))
