"""The live preview beside an editor: one channel's message as one person would get it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup, escape
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from app import ids
from app.audience import contact_search, contacts
from app.audience.models import Contact
from app.content import lint, sms_text, versions
from app.content.compile import CompiledVersion, compile_content
from app.content.problems import CannotCompile
from app.content.render import Rendered, RenderedEmail, RenderedPush, RenderedSms, RenderFailure
from app.content.snippet import render_line
from app.errors import NotFound
from app.sending import preview

SAMPLES: Final = 20
WIDTHS: Final = ("desktop", "phone", "text")
THEMES: Final = ("light", "dark")
STATES: Final = ("expanded", "locked")
# For who may not look at people, and for a workspace without any.
NOBODY: Final[Mapping[str, Any]] = {
    "first_name": "Alex",
    "last_name": "Morgan",
    "email": "alex.morgan@example.com",
    "phone": "+447700900100",
    "locale": "en-GB",
    "country": "GB",
    "timezone": "Europe/London",
    "external_id": "u-1",
}
_CLIP: Final = 102 * 1024
_URL: Final = re.compile(r"https?://[^\s<>]+")
_SCHEMES: Final = re.compile(
    r"(<meta[^>]*\bname=[\"']color-scheme[\"'][^>]*\bcontent=[\"'])[^\"']*", re.IGNORECASE
)
_DARK_QUERY: Final = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)")


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at the preview; travels in the address."""

    person: str = ""
    width: str = "phone"
    theme: str = "light"
    state: str = "expanded"

    def but(self, **changed: str) -> dict[str, str]:
        """The parameters with some changed, for links."""
        every = {
            "person": self.person,
            "width": self.width,
            "theme": self.theme,
            "state": self.state,
        }
        return {name: value for name, value in {**every, **changed}.items() if value}


@dataclass(frozen=True, slots=True)
class Check:
    """A line under the preview: ok, warn or bad, and its words."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything the preview shows. `problem` says why there is no fresh rendering."""

    channel: str
    look: Look
    name: str
    previous: str
    next: str
    position: str
    result: Rendered | None
    preheader: str
    problem: str
    checks: Sequence[Check]
    values: Mapping[str, Any]


def look(args: "MultiDict[str, str]") -> Look:
    """Read the look from an address or a form; unknown values become the usual ones."""

    def choice(name: str, known: Sequence[str], usual: str) -> str:
        value = args.get(name, "")
        return value if value in known else usual

    return Look(
        person=args.get("person", "")[:40],
        width=choice("width", WIDTHS, "phone"),
        theme=choice("theme", THEMES, "light"),
        state=choice("state", STATES, "expanded"),
    )


def build(
    session: Session,
    content: Mapping[str, Any],
    sample_data: Mapping[str, Any],
    channel: str,
    seen: Look,
    *,
    may_see_people: bool,
) -> Stage:
    """Render the content for the chosen person, or say why that cannot be done."""
    samples = list(contact_search.search(session, "", limit=SAMPLES).page.items)
    people = samples if may_see_people else []
    person = _person(session, seen.person, people) if may_see_people else None
    values = values_for(person, sample_data)
    result, problem = _render(content, channel, values)
    return Stage(
        channel=channel,
        look=seen,
        name=contacts.display_name(person) if person else "Alex Morgan (made up)",
        previous=_neighbour(people, person, -1),
        next=_neighbour(people, person, +1),
        position=_position(people, person),
        result=result,
        preheader=render_line(str(content.get("email", {}).get("preheader") or ""), values),
        problem=problem,
        checks=checks(content, channel, result),
        values=values,
    )


def values_for(person: Contact | None, sample_data: Mapping[str, Any]) -> dict[str, Any]:
    """What the template may name in this preview."""
    data = dict(sample_data) if person else {**NOBODY, **sample_data}
    values = preview.as_person(person, data)
    if person is None:
        values["person"] = {**values["person"], **NOBODY}
    return values


def find_people(session: Session, typed: str) -> list[dict[str, str]]:
    """People to preview as: id, name and address, at most eight."""
    found = contact_search.search(session, typed, limit=8)
    return [
        {
            "id": ids.encode("con", person.id),
            "name": contacts.display_name(person),
            "address": person.email or person.phone or person.external_id or "",
        }
        for person in [*found.exact, *found.page.items][:8]
    ]


def choose(session: Session, public_id: str, *, may_see_people: bool) -> Contact | None:
    """The person of a preview's address, else the newest, else nobody."""
    if not may_see_people:
        return None
    people = [] if public_id else contact_search.search(session, "", limit=1).page.items
    return _person(session, public_id, people)


def themed(html: str, theme: str) -> str:
    """HTML whose questions about the colour scheme are answered with this theme."""
    answered = _DARK_QUERY.sub(
        lambda match: "(min-width:0)" if match[1] == theme else "(max-width:0)", html
    )
    return _SCHEMES.sub(lambda match: match[1] + theme, answered)


def linked(text: str) -> Markup:
    """A text message with its addresses underlined, as phones do."""
    pieces, end = [], 0
    for match in _URL.finditer(text):
        pieces += [escape(text[end : match.start()]), Markup("<u>{}</u>").format(match[0])]
        end = match.end()
    return Markup("").join([*pieces, escape(text[end:])])


def checks(content: Mapping[str, Any], channel: str, result: Rendered | None) -> list[Check]:
    """What the foot of the preview says about this message."""
    match result:
        case RenderedEmail():
            return _email_checks(result)
        case RenderedSms():
            words = "1 segment" if result.segments == 1 else f"{result.segments} segments"
            unicode = result.encoding == "UCS-2"
            tone = "warn" if unicode or result.segments > 3 else "ok"
            return [Check(tone, f"{'Unicode' if unicode else 'GSM-7'}, {words}")]
        case RenderedPush():
            size = lint.push_bytes(content.get(channel) or {})
            tone = "ok" if size <= lint.MAX_PUSH_BYTES else "bad"
            return [Check(tone, f"Payload {size / 1024:.1f} of 4 KB")]
        case _:
            return []


def sms_size(body: str) -> sms_text.Size:
    """Encoding and segments of a text message."""
    return sms_text.measure(sms_text.normalise(body))


def compiled(content: Mapping[str, Any]) -> CompiledVersion:
    """The content compiled for a preview. Raises CannotCompile."""
    return compile_content(content, versions.public_url())


def _email_checks(result: RenderedEmail) -> list[Check]:
    found = []
    if result.html:
        size = len(result.html.encode())
        words = f"{max(1, size // 1024)} KB"
        found.append(Check("ok" if size <= _CLIP else "warn", words))
        links = result.html.lower().count("<a ")
        found.append(Check("ok", "1 link" if links == 1 else f"{links} links"))
        if preview.UNSUBSCRIBE_PATH in result.html or preview.PREFERENCES_PATH in result.html:
            found.append(Check("ok", "Unsubscribe present"))
    return found


def _render(
    content: Mapping[str, Any], channel: str, values: Mapping[str, Any]
) -> tuple[Rendered | None, str]:
    if not content.get(channel):
        return None, ""
    try:
        version = compiled({channel: content[channel]})
    except CannotCompile as error:
        return None, error.message
    result = preview.render(version, channel, [values], versions.public_url())[0]
    return (None, result.message) if isinstance(result, RenderFailure) else (result, "")


def _person(session: Session, public_id: str, people: Sequence[Contact]) -> Contact | None:
    for person in people:
        if ids.encode("con", person.id) == public_id:
            return person
    if public_id:
        try:
            return contacts.by_public_id(session, public_id)
        except NotFound:
            pass
    return people[0] if people else None


def _neighbour(people: Sequence[Contact], person: Contact | None, step: int) -> str:
    if not people:
        return ""
    at = next((i for i, one in enumerate(people) if person and one.id == person.id), -step)
    return ids.encode("con", people[(at + step) % len(people)].id)


def _position(people: Sequence[Contact], person: Contact | None) -> str:
    for index, one in enumerate(people, 1):
        if person and one.id == person.id:
            return f"{index} of {len(people)}"
    return ""
