"""What the unsubscribe and preference links of a message mean: for whom, and what they change.

Consent and suppressions are written by `app.audience`; the event that counts it is written here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from app.audience import consent, suppressions, topics
from app.audience.consent import Choice
from app.audience.models import CHANNELS, Contact, Topic
from app.audience.suppressions import Entry
from app.tracking import engagement, events
from app.tracking.engagement import Hit
from app.tracking.events import Message
from app.tracking.tokens import Bearer

_ADDRESS_KIND: Final = {"email": "email", "sms": "phone"}
ONE_CLICK: Final = "one-click"
PAGE: Final = "preference page"


@dataclass(frozen=True, slots=True)
class Reader:
    """Who holds a link. `message` and `topic` when it came with a message; `contact` when known."""

    contact: Contact | None
    message: Message | None
    topic: Topic | None

    @property
    def locked(self) -> bool:
        """Is the link about messages that are always sent?"""
        return self.topic is not None and self.topic.klass != "marketing"


def reader(session: Session, bearer: Bearer, now: datetime) -> Reader | None:
    """Who stands behind a token; None when neither the message nor the person exists any more."""
    message = None
    if bearer.notification_id is not None:
        key = bearer.notification_id
        message = events.messages(session, [key], now).get(key)
        if message is None:
            return None
    contact_id = message.contact_id if message else bearer.contact_id
    contact = session.get(Contact, contact_id) if contact_id is not None else None
    if contact is not None and contact.erased_at is not None:
        contact = None
    if contact is None and message is None:
        return None
    topic = session.get(Topic, message.topic_id) if message else None
    return Reader(contact, message, topic)


def is_out(session: Session, who: Reader) -> bool:
    """Is what the link offers to stop stopped already?"""
    if who.contact is None:
        return _is_suppressed(session, who)
    rows = consent.matrix(session, who.contact.id)
    marketing = [row for row in rows if row.topic.klass == "marketing"]
    if who.message is None:
        return not any(one.opted_in for row in marketing for one in row.channels.values())
    return any(
        row.topic.id == who.message.topic_id and not row.channels[who.message.channel].opted_in
        for row in marketing
    )


def unsubscribe(session: Session, who: Reader, source: str, now: datetime) -> None:
    """Stop what the link is about; once more changes nothing. Service messages are not stopped.

    With a message: its topic on its channel. An address without a person: all marketing to it. A
    link without a message: all marketing on every channel.
    """
    if who.locked:
        return
    message = who.message
    if who.contact is None:
        _suppress(session, who, source, now)
    elif message is None:
        consent.unsubscribe_all(session, who.contact.id, source, {}, now)
    else:
        evidence = {"notification": message.id}
        choice = Choice(message.topic_id, message.channel, False)
        consent.set_preferences(session, who.contact.id, [choice], source, evidence, now)
    if message is not None:
        hit = Hit(message.id, "unsubscribed", now, source, dedup=f"out:{message.id}")
        engagement.record(session, [hit], now)


def resubscribe(session: Session, who: Reader, now: datetime) -> None:
    """Undo `unsubscribe` of a message's topic: for people who pressed it by mistake."""
    if who.message is None or who.locked:
        return
    if who.contact is None:
        kind = _ADDRESS_KIND.get(who.message.channel)
        if kind and who.message.address:
            suppressions.lift(session, kind, who.message.address, ["unsubscribe"])
        return
    choice = Choice(who.message.topic_id, who.message.channel, True)
    evidence = {"notification": who.message.id}
    consent.set_preferences(session, who.contact.id, [choice], PAGE, evidence, now)


def choose(
    session: Session, who: Reader, wanted: Sequence[tuple[int, str, bool]], now: datetime
) -> int:
    """Record choices of the preference page, (topic, column, in); answers how many changed.

    The column `push` stands for both kinds of phones. Topics that are always sent are passed over.
    """
    if who.contact is None:
        return 0
    open_topics = {fact.id for fact in topics.facts(session).values() if fact.klass == "marketing"}
    choices = [
        Choice(topic_id, channel, opted_in)
        for topic_id, column, opted_in in wanted
        if topic_id in open_topics
        for channel in channels_of(column)
    ]
    evidence = {"notification": who.message.id} if who.message else {}
    return consent.set_preferences(session, who.contact.id, choices, PAGE, evidence, now)


def stop_all(session: Session, who: Reader, now: datetime) -> None:
    """No marketing any more, on any channel."""
    if who.contact is None:
        _suppress(session, who, PAGE, now)
    else:
        evidence = {"notification": who.message.id} if who.message else {}
        consent.unsubscribe_all(session, who.contact.id, PAGE, evidence, now)
    if who.message is not None:
        hit = Hit(who.message.id, "unsubscribed", now, PAGE, dedup=f"out:{who.message.id}")
        engagement.record(session, [hit], now)


def channels_of(column: str) -> tuple[str, ...]:
    """`push` is iOS and Android; a channel is itself; anything else is nothing."""
    if column == "push":
        return ("ios", "android")
    return (column,) if column in CHANNELS else ()


def _suppress(session: Session, who: Reader, source: str, now: datetime) -> None:
    message = who.message
    kind = _ADDRESS_KIND.get(message.channel) if message else None
    if message is None or kind is None or not message.address:
        return
    entry = Entry(kind, message.address, "unsubscribe", "marketing", notification_id=message.id)
    suppressions.add(session, [entry], source, now)


def _is_suppressed(session: Session, who: Reader) -> bool:
    message = who.message
    kind = _ADDRESS_KIND.get(message.channel) if message else None
    if message is None or kind is None or not message.address:
        return False
    return bool(suppressions.check(session, kind, [message.address]))
