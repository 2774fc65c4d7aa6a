"""Messages as rows of lists: title, whom it went to, the state in people's words, why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app import ids
from app.audience import contacts
from app.campaigns import titles
from app.campaigns.titles import Title
from app.console import words
from app.sending import dead_letters
from app.sending.models import Notification
from app.sending.vocabulary import RETRYING
from app.tracking import heard


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One row. `state` is a key of `words.MESSAGE`; `why` is one short line."""

    id: str
    key: int
    message: Notification
    title: Title
    person: str | None
    person_id: str | None
    state: str
    why: str
    firsts: dict[str, datetime]


def rows(
    session: Session, messages: Sequence[Notification], *, people: bool = True
) -> list[MessageRow]:
    """Rows for a page of messages, with a handful of queries whatever its length."""
    named = titles.of_messages(session, messages)
    firsts = heard.firsts(session, [message.id for message in messages])
    keys = {message.contact_id for message in messages if message.contact_id} if people else set()
    persons = contacts.by_ids(session, sorted(keys))
    found = []
    for message in messages:
        person = persons.get(message.contact_id or 0)
        did = firsts.get(message.id, {})
        found.append(
            MessageRow(
                id=ids.encode("ntf", message.id),
                key=message.id,
                message=message,
                title=named[message.id],
                person=contacts.display_name(person) if person else None,
                person_id=ids.encode("con", person.id) if person else None,
                state=state(message, did),
                why=why(message),
                firsts=did,
            )
        )
    return found


def state(message: Notification, firsts: dict[str, datetime]) -> str:
    """The word for a message: what a person did with it says more than its delivery."""
    if message.status in ("accepted", "delivered"):
        if "clicked" in firsts:
            return "clicked" if message.channel in ("email", "sms") else "tapped"
        if "opened" in firsts:
            return "opened" if message.channel == "email" else "tapped"
    if message.status == "held" and message.hold_reason in RETRYING:
        return "retrying"
    if dead_letters.is_one(message):
        return "dead"
    return message.status


def why(message: Notification) -> str:
    """Why it was not sent, failed or waits."""
    if message.status == "held":
        return words.reason(message.hold_reason)
    return words.reason(message.reason)
