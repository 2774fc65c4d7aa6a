"""The one search box and the counts in the menu.

An id that Herald gave out is offered first, whatever it stands for; then people, campaigns,
segments, templates and pages by name, as far as the member's role may open them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, Response, request, url_for
from markupsafe import Markup, escape
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import ids
from app.alerts.models import Incident
from app.audience import addresses, contact_search, contacts, segments
from app.audience.models import Contact, Device, Segment
from app.campaigns import listing
from app.campaigns.models import Campaign
from app.console import access, nav, pages, words
from app.content import templates
from app.content.models import Template
from app.db import transaction
from app.sending import dead_letters, queries

blueprint = Blueprint("jump", __name__)
EACH: Final = 5
LONGEST: Final = 200
MOST_COUNTED: Final = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the palette. `person` draws an avatar instead of the icon."""

    label: Markup | str
    href: str
    icon: str = "arrow-right"
    beside: str = ""
    person: str = ""


Group = tuple[str, Sequence[Entry]]


@blueprint.get("/_jump")
@access.allow("overview.view")
def jump() -> Response:
    """What fits the typed words; the menu while nothing is typed."""
    typed = " ".join(request.args.get("q", "").replace("\x00", " ").split())[:LONGEST]
    if not typed:
        return pages.fragment("layout/_jump_results.html", "/")
    with transaction() as session:
        found = [(title, entries) for title, entries in _groups(session, typed) if entries]
    return pages.fragment("layout/_jump_results.html", "/", jump_groups=found)


@blueprint.get(nav.REFRESH)
@access.allow("overview.view")
def menu() -> Response:
    """The menu with its counts: dead letters and alerts that nobody has seen."""
    counts: dict[str, tuple[int, str]] = {}
    if access.may("queues.view"):
        with transaction() as session:
            dead = dead_letters.count(session, MOST_COUNTED)
            unseen = _unseen_alerts(session)
        counts |= {"/dead-letters": (dead, "")} if dead else {}
        counts |= {"/alerts": (unseen, "hot")} if unseen else {}
    return pages.fragment("layout/_nav.html", "/", nav_counts=counts)


def _unseen_alerts(session: Session) -> int:
    unseen = select(func.count()).where(
        Incident.resolved_at.is_(None), Incident.acknowledged_at.is_(None)
    )
    return session.scalar(unseen) or 0


def _groups(session: Session, typed: str) -> list[Group]:
    if ids.decode(typed.partition("_")[0], typed) is not None:
        exact = _by_id(session, typed)
        return [("By its ID", [exact] if exact else [])]
    return [
        ("People", _people(session, typed)),
        ("Campaigns", _campaigns(session, typed)),
        ("Segments and templates", _segments(session, typed) + _templates(session, typed)),
        ("Pages", _pages(typed)),
        ("Do", _deeds(typed)),
    ]


def _by_id(session: Session, typed: str) -> Entry | None:
    prefix = typed.partition("_")[0]
    permission, find = _FINDERS.get(prefix, ("", None))
    key = ids.decode(prefix, typed) if find is not None else None
    if find is None or key is None or not access.may(permission):
        return None
    return find(session, typed, key)


def _message(session: Session, public_id: str, key: int) -> Entry | None:
    row = queries.by_key(session, key)
    if row is None:
        return None
    label = f"Message by {words.channel(row.channel).label}"
    where = url_for("messages.show", public_id=public_id)
    return Entry(label, where, "activity", words.status(row.status).word)


def _contact(session: Session, _public_id: str, key: int) -> Entry | None:
    return _person(session.get(Contact, key))


def _device(session: Session, _public_id: str, key: int) -> Entry | None:
    device = session.get(Device, key)
    return _person(session.get(Contact, device.contact_id)) if device else None


def _campaign(session: Session, _public_id: str, key: int) -> Entry | None:
    row = session.get(Campaign, key)
    return _campaign_entry(row, row.name) if row else None


def _template(session: Session, public_id: str, key: int) -> Entry | None:
    row = session.get(Template, key)
    return Entry(row.name, f"/templates/{public_id}", "layout-template") if row else None


def _segment(session: Session, public_id: str, key: int) -> Entry | None:
    row = session.get(Segment, key)
    return Entry(row.name, f"/segments/{public_id}", "list-filter") if row else None


_FINDERS: Final[dict[str, tuple[str, Callable[[Session, str, int], Entry | None]]]] = {
    "ntf": ("messages.find", _message),
    "con": ("people.find", _contact),
    "dev": ("people.find", _device),
    "cmp": ("campaigns.view", _campaign),
    "tpl": ("templates.view", _template),
    "seg": ("segments.view", _segment),
}


def _people(session: Session, typed: str) -> list[Entry]:
    if len(typed) < 2 or not access.may("people.find"):
        return []
    found = contact_search.search(session, typed, limit=EACH)
    people = [*found.exact, *found.page.items][:EACH]
    return [entry for person in people if (entry := _person(person, typed))]


def _person(person: Contact | None, typed: str = "") -> Entry | None:
    if person is None:
        return None
    name = contacts.display_name(person)
    beside = person.email or person.phone or person.external_id or ""
    where = url_for("person.show", public_id=ids.encode("con", person.id))
    return Entry(_marked(name, typed), where, beside="" if beside == name else beside, person=name)


def _campaigns(session: Session, typed: str) -> list[Entry]:
    if not access.may("campaigns.view"):
        return []
    found, _ = listing.page(session, listing.Filters(text=typed), 0, 5 * EACH)
    # The list also looks into subjects; here only names are shown.
    named = [row for row in found if typed.lower() in row.name.lower()][:EACH]
    return [_campaign_entry(row, _marked(row.name, typed)) for row in named]


def _campaign_entry(row: Campaign, label: Markup | str) -> Entry:
    state = words.status(row.status, "campaign").word
    return Entry(label, f"/campaigns/{ids.encode('cmp', row.id)}", "send", state)


def _segments(session: Session, typed: str) -> list[Entry]:
    if not access.may("segments.view") or not nav.exists("/segments"):
        return []
    return [
        Entry(
            _marked(row.name, typed),
            f"/segments/{ids.encode('seg', row.id)}",
            "list-filter",
            "" if row.people is None else f"{row.people:,}",
        )
        for row in segments.page(session, limit=EACH, query=typed).items
    ]


def _templates(session: Session, typed: str) -> list[Entry]:
    if not access.may("templates.view"):
        return []
    return [
        Entry(
            _marked(item.template.name, typed),
            f"/templates/{ids.encode('tpl', item.template.id)}",
            "layout-template",
            ", ".join(words.channel(name).label for name in item.channels),
        )
        for item in templates.list_(session, query=typed, limit=EACH).items
    ]


def _pages(typed: str) -> list[Entry]:
    entries = [entry for group in nav.groups(nav.role()) for entry in group.entries]
    return [
        Entry(_marked(entry.label, typed), entry.path, entry.icon)
        for entry in entries
        if typed.lower() in entry.label.lower()
    ]


def _deeds(typed: str) -> list[Entry]:
    deeds = []
    if addresses.is_one(typed) and access.may("messages.find"):
        deeds.append(Entry(f"Messages to {typed}", url_for("messages.index", to=typed), "activity"))
    if access.may("people.find") and nav.exists("/people"):
        deeds.append(Entry(f"Look for “{typed}” among people", f"/people?{_query(typed)}", "users"))
    return deeds


def _query(typed: str) -> str:
    return url_for("jump.jump", q=typed).partition("?")[2]


def _marked(text: str, typed: str) -> Markup | str:
    """The text with what was typed highlighted."""
    start = text.lower().find(typed.lower()) if typed else -1
    # Lower-casing may change the length of a text (İ): then nothing is marked.
    if start < 0 or len(text.lower()) != len(text):
        return text
    end = start + len(typed)
    return Markup('{}<mark class="hit">{}</mark>{}').format(
        escape(text[:start]), escape(text[start:end]), escape(text[end:])
    )
