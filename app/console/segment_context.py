"""What the pages of the segment builder show: the tree with its choices, the count, the answer."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from app import ids
from app.audience import contact_search, rule_tree, rule_values, rules, segments, topics
from app.audience.models import Contact, Segment
from app.audience.rule_fields import (
    CHANNEL_WORDS,
    ENGAGEMENTS,
    FIELDS,
    OPERATORS,
    PLATFORMS,
    WHERE_OPERATORS,
    Field,
)
from app.campaigns import listing, uses
from app.console import access
from app.console.segment_form import Group, Row, is_full, mistakes, rows, to_rule, without
from app.errors import Invalid

SAMPLED: Final = 4
OFFERED: Final = 500
CAMPAIGNS: Final = 50
EVERYONE: Final[Mapping[str, Any]] = {"all": []}
GROUPS: Final = ("Person", "Attributes", "Reach", "Behaviour", "Segments")
_ICONS: Final = {
    "Person": "user",
    "Attributes": "tag",
    "Reach": "smartphone",
    "Behaviour": "mouse-pointer-click",
    "Segments": "list-filter",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """What is being edited. `segment` is None while it is new."""

    tree: Group
    name: str = ""
    description: str = ""
    segment: Segment | None = None
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def public_id(self) -> str:
        """Empty while it is new."""
        return ids.encode("seg", self.segment.id) if self.segment else ""


def tree(session: Session, draft: Draft, focus: str = "") -> dict[str, Any]:
    """The tree, what can be chosen in it, what is wrong, and the sentence."""
    rule = to_rule(draft.tree)
    wrong = _mistakes(draft.tree)
    saved = draft.segment.rule if draft.segment else EVERYONE
    return {
        "tree": draft.tree,
        "draft": draft,
        "public_id": draft.public_id,
        "wrong": wrong,
        "focus": focus,
        "full": is_full(draft.tree),
        "changed": rule != saved,
        "rule": rule,
        "sentence": rules.describe(session, rule),
        "choices": _choices(session, draft),
    }


def count(session: Session, shown: Group, now: datetime) -> dict[str, Any]:
    """How many people match what is finished, who is left after each part, and whom that reaches.

    A rule that names something that does not exist gives `refused`, a sentence, instead.
    """
    began = time.perf_counter()
    finished = without(shown, _mistakes(shown))
    rule = to_rule(finished)
    try:
        people = rules.count(session, rule, now)
    except Invalid as error:
        return {"refused": error.fields[0].message if error.fields else error.message}
    took = time.perf_counter() - began
    left = rules.narrowing(session, rule, now) if shown.kind in ("all", "any") else []
    parts = [part.path for part in finished.parts]
    sampled = rules.sample(session, rule, SAMPLED, now) if access.may("people.find") else []
    return {
        "people": people,
        "everyone": rules.count(session, EVERYONE, now),
        "took_ms": round(took * 1000),
        "left": dict(zip(parts, left, strict=False)),
        "parts": [part.path for part in shown.parts],
        "ignored": len(_mistakes(shown)),
        "reach": rules.reach(session, rule, now),
        "few": [_person(contact) for contact in sampled],
    }


def member(session: Session, shown: Group, typed: str, now: datetime) -> dict[str, Any]:
    """Whether a person is in, and what every rule says about them."""
    if not typed:
        return {}
    found = contact_search.exact_matches(session, typed, 2) or _alike(session, typed)
    if len(found) != 1:
        several = "Several people fit. Write an e-mail address, a phone number or an ID."
        return {"who": typed, "nobody": several if found else "Nobody is found by this."}
    rule = to_rule(without(shown, _mistakes(shown)))
    try:
        inside = rules.contains(session, rule, found[0].id, now)
    except Invalid as error:
        return {"who": typed, "nobody": error.fields[0].message if error.fields else error.message}
    return {"who": typed, "person": _person(found[0]), "membership": inside}


def used(session: Session, segment: Segment | None) -> dict[str, Any]:
    """What depends on a saved segment: campaigns that will still go out, other segments."""
    if segment is None:
        return {"campaigns": [], "segments": []}
    campaigns = [
        (ids.encode("cmp", item.id), item.name, item.status)
        for item in uses.choosing(session, segment.id)
    ]
    others = [(ids.encode("seg", s.id), s.name) for s in segments.used_by(session, segment)]
    return {"campaigns": campaigns, "segments": others}


def _mistakes(shown: Group) -> dict[str, str]:
    _, errors = rule_tree.read(to_rule(shown))
    found = mistakes(shown, errors)
    unchosen = {row.path: "Choose what this is about." for row in rows(shown) if not row.field}
    return found | unchosen


def _choices(session: Session, draft: Draft) -> dict[str, Any]:
    asked = list(rows(draft.tree))
    known = {item.name: item for item in rule_values.fields(session)}
    for row in asked:
        named = rule_tree.field_named(row.field)
        if named is not None:
            known.setdefault(row.field, named)
    kinds = {known[row.field].kind for row in asked if row.field in known}
    return {
        "fields": known,
        "groups": [(name, _of(known, name)) for name in GROUPS if _of(known, name)],
        "icons": _ICONS,
        "operators": OPERATORS,
        "where_operators": [(name, OPERATORS[name].label) for name in WHERE_OPERATORS],
        "platforms": list(PLATFORMS.items()),
        "channels": list(CHANNEL_WORDS.items()),
        "engagements": list(ENGAGEMENTS.items()),
        "segments": _segments(session, draft) if "segment" in kinds else [],
        "topics": _topics(session, asked) if "topic" in kinds else [],
        "campaigns": _campaigns(session, asked) if "engagement" in kinds else [],
    }


def _of(known: Mapping[str, Field], group: str) -> list[Field]:
    return [item for item in known.values() if item.group == group]


def _segments(session: Session, draft: Draft) -> list[tuple[str, str]]:
    offered = rule_values.values(session, FIELDS["segment"].name, "", OFFERED)
    return [(item.value, item.label) for item in offered if item.value != draft.public_id]


def _topics(session: Session, asked: Sequence[Row]) -> list[tuple[str, str]]:
    named = {row.extra.get("topic") for row in asked}
    every = topics.all_topics(session, archived=True)
    return [(t.key, t.name) for t in every if t.archived_at is None or t.key in named]


def _campaigns(session: Session, asked: Sequence[Row]) -> list[tuple[str, str]]:
    newest, _ = listing.page(session, listing.Filters(), 0, CAMPAIGNS)
    offered = {ids.encode("cmp", item.id): item.name for item in newest}
    for row in asked:
        chosen = row.extra.get("campaign")
        if chosen:
            offered.setdefault(chosen, chosen)
    return list(offered.items())


def _alike(session: Session, typed: str) -> Sequence[Contact]:
    return contact_search.search(session, typed, limit=2).page.items


def _person(contact: Contact) -> dict[str, str]:
    known = contact.external_id or ids.encode("con", contact.id)
    name = " ".join(part for part in (contact.first_name, contact.last_name) if part)
    place = ", ".join(part for part in (contact.country, contact.locale) if part)
    return {
        "id": ids.encode("con", contact.id),
        "name": name or known,
        "sub": place or known,
    }
