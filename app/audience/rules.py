"""Segment rules: who matches, how many, why not, and what it says in English.

A rule is plain JSON (see `rule_tree`). Everything here takes that JSON, checks it, and asks the
database with bound values; Invalid says what is wrong and where.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Select, Text, column, func, select, table, true
from sqlalchemy.orm import Session

from app import clock
from app.audience import rule_tree, rule_words, topics
from app.audience.models import Contact, Device, Segment
from app.audience.rule_behaviour import there_is
from app.audience.rule_leaf import Leaf
from app.audience.rule_sql import Condition, Context, condition, leaf_condition, suppressed
from app.audience.rule_tree import Group, Node
from app.audience.rule_words import Names, Sentence
from app.errors import FieldError, Invalid

SEGMENTS_DEEP: Final = 5
_SAMPLED: Final = 1000
_CAMPAIGN: Final = table("campaign", column("id", BigInteger), column("name", Text))


@dataclass(frozen=True, slots=True)
class Answer:
    """Does one leaf hold for a person? `pointer` leads into the rule."""

    pointer: str
    words: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Membership:
    """Is a person in, and what every leaf says about them."""

    inside: bool
    answers: Sequence[Answer]


def check(session: Session, raw: object, segment_id: int | None = None) -> Node:
    """The checked tree of a rule that may be saved as this segment. Raises Invalid."""
    tree = rule_tree.parse(raw)
    _context(session, tree, clock.now(), segment_id)
    return tree


def matching(session: Session, raw: object, now: datetime | None = None) -> Select[int]:
    """A statement that selects the keys of all people who match; erased people never do."""
    return _keys(_condition(session, rule_tree.parse(raw), now or clock.now()))


def count(session: Session, raw: object, now: datetime) -> int:
    """How many people match."""
    return _count(session, _condition(session, rule_tree.parse(raw), now))


def sample(session: Session, raw: object, number: int, now: datetime) -> list[Contact]:
    """Some people who match, others each time."""
    first = _keys(_condition(session, rule_tree.parse(raw), now)).limit(_SAMPLED)
    keys = session.scalars(first).all()
    chosen = random.sample(keys, min(number, len(keys)))
    found = session.scalars(select(Contact).where(Contact.id.in_(chosen))).all()
    return sorted(found, key=lambda contact: chosen.index(contact.id))


def contains(session: Session, raw: object, contact_id: int, now: datetime) -> Membership:
    """Is this person in, and which leaves hold for them? One query."""
    tree = rule_tree.parse(raw)
    context = _context(session, tree, now)
    found = list(rule_tree.leaves(tree))
    columns = [leaf_condition(leaf, context).label(f"leaf_{n}") for n, leaf in enumerate(found)]
    whole = condition(tree, context).label("inside")
    row = session.execute(
        select(whole, *columns).where(Contact.id == contact_id, Contact.erased_at.is_(None))
    ).first()
    names = _names(session, tree)
    answers = [
        Answer(leaf.pointer, rule_words.leaf_words(leaf, names), bool(row and row[n + 1]))
        for n, leaf in enumerate(found)
    ]
    return Membership(bool(row and row.inside), answers)


def reach(session: Session, raw: object, now: datetime) -> dict[str, int]:
    """How many of the people who match can be written to on each channel, for marketing."""
    wanted = _condition(session, rule_tree.parse(raw), now)
    return {
        "email": _count(session, wanted, Contact.email.is_not(None), ~suppressed("email")),
        "sms": _count(session, wanted, Contact.phone.is_not(None), ~suppressed("sms")),
        "ios": _count(session, wanted, _has_device("ios")),
        "android": _count(session, wanted, _has_device("android")),
    }


def narrowing(session: Session, raw: object, now: datetime) -> list[int]:
    """People left after each part of the outermost group: with "all" ever fewer, else per part."""
    tree, _ = rule_tree.read(raw)
    if not isinstance(tree, Group):
        return [_count(session, _condition(session, tree, now))]
    together = tree.kind == "all"
    groups = [
        Group("all", tree.parts[: n + 1]) if together else Group("all", (tree.parts[n],))
        for n in range(len(tree.parts))
    ]
    return [_count(session, _condition(session, group, now)) for group in groups]


def describe(session: Session, raw: object) -> Sentence:
    """The rule in English; of a rule with mistakes, what can be understood."""
    return describe_all(session, [raw])[0]


def describe_all(session: Session, raws: Iterable[object]) -> list[Sentence]:
    """Many rules in English, for lists: as many queries as for one."""
    trees = [rule_tree.read(raw)[0] for raw in raws]
    names = _names(session, *trees)
    return [rule_words.sentence(tree, names) for tree in trees]


def segments_used(raw: object) -> set[int]:
    """Keys of the segments that a rule refers to directly."""
    tree, _ = rule_tree.read(raw)
    return {leaf.value for leaf in rule_tree.leaves(tree) if leaf.field.kind == "segment"}


def attributes_used(raw: object) -> set[str]:
    """Names of the custom attributes that a rule asks about."""
    tree, _ = rule_tree.read(raw)
    asked = (leaf.field for leaf in rule_tree.leaves(tree) if leaf.field.kind == "attribute")
    return {field.name.partition(".")[2] for field in asked}


def _keys(wanted: Condition) -> Select[int]:
    return select(Contact.id).where(Contact.erased_at.is_(None), wanted)


def _count(session: Session, wanted: Condition, *also: Condition) -> int:
    statement = select(func.count()).select_from(Contact)
    found = session.scalar(statement.where(Contact.erased_at.is_(None), wanted, *also))
    return int(found or 0)


def _has_device(platform: str) -> Condition:
    living = Device.disabled_at.is_(None)
    return there_is(Device.id, Device.contact_id == Contact.id, Device.platform == platform, living)


def _condition(session: Session, tree: Node, now: datetime) -> Condition:
    if isinstance(tree, Group) and not tree.parts:
        return true()
    return condition(tree, _context(session, tree, now))


def _context(session: Session, tree: Node, now: datetime, segment_id: int | None = None) -> Context:
    """Load what the rule refers to. Raises Invalid for unknown topics, segments, and circles."""
    segments = _load_segments(session, tree, segment_id)
    known = topics.facts(session)
    errors = [
        FieldError(f"{leaf.pointer}/topic", "unknown_topic", "There is no such topic.")
        for part in (tree, *segments.values())
        for leaf in rule_tree.leaves(part)
        if leaf.field.kind == "topic" and leaf.extra["topic"] not in known
    ]
    if errors:
        raise Invalid(errors)
    return Context(known, segments, now)


def _load_segments(session: Session, tree: Node, segment_id: int | None) -> dict[int, Node]:
    """The trees of all segments below a rule: one query per level, at most five levels."""
    found: dict[int, Node] = {}
    edges: dict[int | None, set[int]] = {segment_id: set()}
    level: dict[int | None, Node] = {segment_id: tree}
    for _ in range(SEGMENTS_DEEP + 1):
        wanted: set[int] = set()
        for owner, part in level.items():
            edges[owner] = {leaf.value for leaf in _segment_leaves(part)}
            wanted |= edges[owner]
        missing = wanted - set(found) - {segment_id}
        if not missing:
            _refuse_circles(edges, segment_id)
            return found
        rows = session.execute(select(Segment.id, Segment.rule).where(Segment.id.in_(missing)))
        fresh = {row.id: rule_tree.parse(row.rule) for row in rows}
        _refuse_unknown(tree, missing - set(fresh))
        found.update(fresh)
        level = dict(fresh)
    words = f"Segments refer to segments more than {SEGMENTS_DEEP} deep."
    raise Invalid.one("", "too_deep", words)


def _segment_leaves(tree: Node) -> Iterable[Leaf]:
    return (leaf for leaf in rule_tree.leaves(tree) if leaf.field.kind == "segment")


def _refuse_unknown(tree: Node, unknown: set[int]) -> None:
    if not unknown:
        return
    pointers = [leaf.pointer for leaf in _segment_leaves(tree) if leaf.value in unknown]
    raise Invalid(
        [
            FieldError(f"{pointer}/value", "unknown_segment", "There is no such segment.")
            for pointer in pointers or [""]
        ]
    )


def _refuse_circles(edges: dict[int | None, set[int]], start: int | None) -> None:
    """Walk from the rule down; to meet a segment that is being walked is a circle."""
    done: set[int | None] = set()

    def walk(key: int | None, path: tuple[int | None, ...]) -> None:
        if key in path:
            words = "This segment would refer to itself through another one."
            raise Invalid.one("", "circular_segment", words)
        if key not in done:
            for below in edges.get(key, ()):
                walk(below, (*path, key))
            done.add(key)

    walk(start, ())


def _names(session: Session, *trees: Node) -> Names:
    """What is called how, as far as the rules refer to it."""
    found = [leaf for tree in trees for leaf in rule_tree.leaves(tree)]
    segments = {leaf.value for leaf in found if leaf.field.kind == "segment"}
    campaigns = {leaf.extra.get("campaign") for leaf in found} - {None}
    asks_topics = any(leaf.field.kind == "topic" for leaf in found)
    return Names(
        {key: fact.name for key, fact in topics.facts(session).items()} if asks_topics else {},
        _named(session, segments, Segment.id, Segment.name),
        _named(session, campaigns, _CAMPAIGN.c.id, _CAMPAIGN.c.name),
    )


def _named(session: Session, keys: set[Any], key: Any, name: Any) -> dict[int, str]:
    if not keys:
        return {}
    rows = session.execute(select(key.label("id"), name.label("name")).where(key.in_(keys)))
    return {row.id: row.name for row in rows}
