"""People as rows of the search: the match marked, where they can be reached, their last message."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape
from sqlalchemy.orm import Session

from app import ids
from app.audience import addresses, contacts, reachable
from app.audience.models import Contact
from app.audience.reachable import Reachable
from app.console import message_rows
from app.console.message_rows import MessageRow
from app.sending import latest

_PHONE_LIKE: Final = re.compile(r"[+0-9() ./\-]{5,}")


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One row; `title`, `sub` and `phone` are markup with the match marked."""

    contact: Contact
    id: str
    name: str
    title: Markup
    sub: Markup
    phone: Markup
    reach: Reachable
    last: MessageRow | None


def rows(session: Session, people: Sequence[Contact], query: str) -> list[PersonRow]:
    """Rows for a page of people, with a handful of queries whatever its length."""
    reach = reachable.of_contacts(session, people)
    messages = latest.of_contacts(session, [person.id for person in people])
    told = message_rows.rows(session, list(messages.values()), people=False)
    last = {row.message.contact_id: row for row in told}
    match = _pattern(query)
    return [_row(person, match, reach[person.id], last.get(person.id)) for person in people]


def _row(
    person: Contact, match: re.Pattern[str] | None, reach: Reachable, last: MessageRow | None
) -> PersonRow:
    name = contacts.display_name(person)
    below = person.email if person.email != name else person.external_id
    return PersonRow(
        contact=person,
        id=ids.encode("con", person.id),
        name=name,
        title=marked(name, match),
        sub=marked(below or person.external_id or "", match),
        phone=marked(addresses.pretty_phone(person.phone) if person.phone else "–", match),
        reach=reach,
        last=last,
    )


def marked(text: str, match: re.Pattern[str] | None) -> Markup:
    """The text, escaped, with what was searched for in `<mark>`."""
    if match is None:
        return escape(text)
    parts = []
    end = 0
    for found in match.finditer(text):
        parts += [escape(text[end : found.start()])]
        parts += [Markup('<mark class="hit">{}</mark>').format(found[0])]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def _pattern(query: str) -> re.Pattern[str] | None:
    """Finds each typed word; digits of a phone number also where spaces stand between them."""
    words = [re.escape(word) for word in sorted(set(query.split()), key=len, reverse=True)]
    digits = re.sub(r"\D", "", query)
    if _PHONE_LIKE.fullmatch(query) and len(digits) >= 5:
        words = [r"[ ().\-]*".join(digits.lstrip("0") or digits)]
    return re.compile("|".join(words), re.IGNORECASE) if words else None
