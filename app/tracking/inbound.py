"""Text messages that people send us: STOP, START, and everything else.

STOP suppresses the number for all our texts and is kept as consent withdrawn; START lifts only what
a STOP brought about. Twilio has already answered the person: a second confirmation is forbidden.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.alerts import incidents
from app.audience import addresses, consent, suppressions, topics
from app.audience.consent import Choice
from app.audience.models import Contact, Preference
from app.audience.suppressions import Entry
from app.tracking import engagement, twilio
from app.tracking.engagement import Hit
from app.tracking.news import words

_ANSWERS_WITHIN: Final = timedelta(days=30)


def apply(
    session: Session, body: bytes, receipt_id: int, received_at: datetime, now: datetime
) -> twilio.Wish | None:
    """Do what an inbound message asks for. None: it names no sender we can make sense of."""
    fields = twilio.form(body)
    checked = addresses.phone(fields.get("From", ""))
    number = checked.value or _plain(fields.get("From", ""))
    if not number:
        return None
    wish = twilio.wish(fields.get("Body", ""), fields.get("OptOutType", ""))
    people = _people(session, number)
    evidence = {"keyword": wish, "message": words(fields.get("MessageSid"), 64)}
    if wish == "stop":
        suppressions.add(session, [Entry("phone", number, "stop")], twilio.SOURCE, now)
        consent.write(session, _all_marketing(session, people), "stop", evidence, now)
    elif wish == "start":
        suppressions.lift(session, "phone", number, ["stop"])
        consent.write(session, _stopped(session, people), "stop", evidence, now)
    elif wish == "maybe_stop":
        _ask_a_person(session, receipt_id, now)
    kind = "unsubscribed" if wish == "stop" else "replied"
    _as_event(session, people, kind, f"in:{words(fields.get('MessageSid'), 64)}", received_at, now)
    return wish


def _plain(number: str) -> str:
    """A sender that is no valid number of its country is still a number that can be stopped."""
    digits = number.strip().removeprefix("+")
    return f"+{digits}" if digits.isascii() and digits.isdigit() and 4 <= len(digits) <= 15 else ""


def _people(session: Session, number: str) -> list[int]:
    rows = session.scalars(select(Contact.id).where(Contact.phone == number).limit(100))
    return list(rows)


def _all_marketing(session: Session, people: Sequence[int]) -> list[tuple[int, Choice]]:
    marketing = [fact for fact in topics.facts(session).values() if fact.klass == "marketing"]
    return [(person, Choice(topic.id, "sms", False)) for person in people for topic in marketing]


def _stopped(session: Session, people: Sequence[int]) -> list[tuple[int, Choice]]:
    """What these people had lost by texting STOP."""
    rows = session.scalars(
        select(Preference).where(
            Preference.contact_id.in_(people),
            Preference.channel == "sms",
            Preference.source == "stop",
            Preference.opted_in.is_(False),
        )
    )
    return [(row.contact_id, Choice(row.topic_id, "sms", True)) for row in rows]


def _ask_a_person(session: Session, receipt_id: int, now: datetime) -> None:
    incidents.open_or_count(
        session,
        "sms:maybe_stop",
        "Somebody may have asked by text not to be written to",
        "The text contains a word such as STOP but is not a command. Read it and decide.",
        {"receipt": receipt_id},
        now,
        severity="notice",
    )


def _as_event(
    session: Session,
    people: Sequence[int],
    kind: str,
    dedup: str,
    received_at: datetime,
    now: datetime,
) -> None:
    """The answer counts for the last text that this person got from us."""
    last = session.scalar(
        text(
            "select max(id) from notification where contact_id = any(:people) "
            "and channel = 'sms' and accepted_at >= :since and handed_at is not null"
        ),
        {"people": list(people), "since": now - _ANSWERS_WITHIN},
    )
    if last is not None:
        hit = Hit(last, kind, received_at, twilio.SOURCE, dedup=dedup)
        engagement.record(session, [hit], now)
