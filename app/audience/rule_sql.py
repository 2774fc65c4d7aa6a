"""From a checked rule to SQL: a condition on `contact`, with every value bound.

Shapes are chosen for the planner: equality and ranges on columns, EXISTS and NOT EXISTS for other
tables (semi- and anti-joins), and the trigram index as a first sieve for parts of texts. No
condition is ever NULL where it is turned round.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, false, func, or_, true

from app.audience import rule_behaviour, rule_json
from app.audience.models import Contact, Device, Preference, Suppression
from app.audience.rule_leaf import Leaf
from app.audience.rule_tree import Node, Not
from app.audience.topics import TopicFacts

Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule refers to: topics by key, trees of other segments by id, and the moment."""

    topics: Mapping[str, TopicFacts]
    segments: Mapping[int, Node]
    now: datetime


def condition(tree: Node, context: Context, negated: bool = False) -> Condition:
    """The condition for a contact to be in; never NULL. Who was erased is not excluded here."""
    if isinstance(tree, Leaf):
        return leaf_condition(tree, context, negated)
    if isinstance(tree, Not):
        return condition(tree.part, context, not negated)
    parts = [condition(part, context, negated) for part in tree.parts]
    if (tree.kind == "all") != negated:
        return and_(true(), *parts)
    return or_(false(), *parts)


def leaf_condition(leaf: Leaf, context: Context, negated: bool = False) -> Condition:
    """The condition of one leaf."""
    turned = leaf.negated != negated
    if leaf.field.kind == "segment":
        return condition(context.segments[leaf.value], context, turned)
    plain = _KINDS[leaf.field.kind](leaf, context)
    if not turned:
        return plain
    # EXISTS is never NULL, and NOT EXISTS is an anti-join; a comparison may be NULL.
    return ~plain if leaf.field.kind in _NEVER_NULL else plain.is_not(true())


def moment(value: date | datetime) -> datetime:
    """The beginning of a day (UTC), or the moment itself."""
    if isinstance(value, datetime):
        return value
    return datetime.combine(value, time(), ZoneInfo("UTC"))


def _text(leaf: Leaf, _context: Context) -> Condition:
    column = getattr(Contact, leaf.field.name)
    if leaf.op == "exists":
        return known(column)
    if leaf.op in ("is", "any_of"):
        return _equals_text(leaf, column)
    value = str(leaf.value)
    if leaf.op == "contains":
        return and_(_sieve(value), func.lower(column).contains(value.lower(), autoescape=True))
    return and_(_sieve(value), func.lower(column).startswith(value.lower(), autoescape=True))


def _equals_text(leaf: Leaf, column: Any) -> Condition:
    values = _listed(leaf.value)
    if leaf.field.name == "external_id":
        return column.in_(values)  # type: ignore[no-any-return]
    return func.lower(column).in_([value.lower() for value in values])


def _email(leaf: Leaf, context: Context) -> Condition:
    if leaf.op != "domain_is":
        return _text(leaf, context)
    ends = [f"@{domain.lower().lstrip('@')}" for domain in leaf.value]
    return or_(
        *(
            and_(_sieve(end), func.lower(Contact.email).endswith(end, autoescape=True))
            for end in ends
        )
    )


def _phone(leaf: Leaf, _context: Context) -> Condition:
    if leaf.op == "exists":
        return known(Contact.phone)
    number = "".join(letter for letter in str(leaf.value) if letter in "+0123456789")
    if leaf.op == "is":
        return Contact.phone == number
    return Contact.phone.startswith(number, autoescape=True)


def _choice(leaf: Leaf, _context: Context) -> Condition:
    column = getattr(Contact, leaf.field.name)
    if leaf.op == "exists":
        return known(column)
    return column.in_(_listed(leaf.value))  # type: ignore[no-any-return]


def _language(leaf: Leaf, _context: Context) -> Condition:
    if leaf.op == "exists":
        return known(Contact.locale)
    return func.split_part(Contact.locale, "-", 1).in_(_listed(leaf.value))


def _tags(leaf: Leaf, _context: Context) -> Condition:
    if leaf.op == "exists":
        return func.cardinality(Contact.tags) > 0
    if leaf.op == "all_of":
        return Contact.tags.contains(leaf.value)
    return Contact.tags.overlap(leaf.value)  # type: ignore[no-any-return]


def _date(leaf: Leaf, context: Context) -> Condition:
    column = getattr(Contact, leaf.field.name)
    if leaf.op == "exists":
        return known(column)
    if leaf.op == "in_last":
        return column >= context.now - timedelta(days=leaf.value)  # type: ignore[no-any-return]
    if leaf.op == "before":
        return column < moment(leaf.value)  # type: ignore[no-any-return]
    return column >= moment(leaf.value)  # type: ignore[no-any-return]


def _attribute(leaf: Leaf, context: Context) -> Condition:
    return rule_json.attribute(leaf, context.now)


def _device(leaf: Leaf, _context: Context) -> Condition:
    wanted = [Device.contact_id == Contact.id, Device.disabled_at.is_(None)]
    if leaf.extra["platform"] != "any":
        wanted.append(Device.platform == leaf.extra["platform"])
    if leaf.extra["app"]:
        wanted.append(Device.app == leaf.extra["app"])
    return rule_behaviour.there_is(Device.id, *wanted)


def _topic(leaf: Leaf, context: Context) -> Condition:
    """Opted in, including by default; security topics always are."""
    topic = context.topics[leaf.extra["topic"]]
    if topic.klass == "security":
        return true()
    chose = [
        Preference.contact_id == Contact.id,
        Preference.topic_id == topic.id,
        Preference.channel == leaf.extra["channel"],
    ]
    if topic.opted_in_by_default:
        return ~rule_behaviour.there_is(
            Preference.contact_id, *chose, Preference.opted_in.is_(False)
        )
    return rule_behaviour.there_is(Preference.contact_id, *chose, Preference.opted_in.is_(True))


def _suppressed(leaf: Leaf, _context: Context) -> Condition:
    return suppressed(leaf.extra["channel"])


def _behaviour(leaf: Leaf, context: Context) -> Condition:
    if leaf.field.kind == "event":
        return rule_behaviour.product_event(leaf.extra, context.now)
    return rule_behaviour.engagement(leaf.extra, context.now)


def suppressed(channel: str) -> Condition:
    """Is the contact's address of this channel (email or sms) on the suppression list?"""
    if channel == "email":
        same = Suppression.address == func.lower(Contact.email)
        return rule_behaviour.there_is(Suppression.id, Suppression.kind == "email", same)
    same = Suppression.address == Contact.phone
    return rule_behaviour.there_is(Suppression.id, Suppression.kind == "phone", same)


def known(column: Any) -> Condition:
    """Is anything there?"""
    return column.is_not(None)  # type: ignore[no-any-return]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _sieve(value: str) -> Condition:
    """The trigram index over all names and addresses; the exact condition stands beside it."""
    return Contact.search.contains(value.lower(), autoescape=True)


_KINDS: Final[Mapping[str, Callable[[Leaf, Context], Condition]]] = {
    "text": _text,
    "email": _email,
    "phone": _phone,
    "choice": _choice,
    "language": _language,
    "tags": _tags,
    "date": _date,
    "attribute": _attribute,
    "device": _device,
    "topic": _topic,
    "suppressed": _suppressed,
    "engagement": _behaviour,
    "event": _behaviour,
}
_NEVER_NULL: Final = frozenset({"device", "topic", "suppressed", "engagement", "event"})
