"""A segment rule as an English sentence, for people who never see the tree.

A sentence is a list of spans; what matters is strong: "People whose country is **Germany**".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.audience import places
from app.audience.rule_fields import CHANNEL_WORDS, PLATFORMS
from app.audience.rule_leaf import Leaf
from app.audience.rule_tree import Node, Not

Span = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Names:
    """What topics, segments and campaigns are called."""

    topics: Mapping[str, str] = field(default_factory=dict)
    segments: Mapping[int, str] = field(default_factory=dict)
    campaigns: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sentence:
    """Spans of text; the second part of each says whether it is strong."""

    spans: Sequence[Span]

    def __str__(self) -> str:
        return "".join(text for text, _ in self.spans)


def sentence(tree: Node, names: Names) -> Sentence:
    """The whole rule as one sentence."""
    spans = _phrase(tree, names)
    if not spans:
        return Sentence([("Everyone.", False)])
    return Sentence([("People ", False), *spans, (".", False)])


def leaf_words(leaf: Leaf, names: Names) -> str:
    """One leaf as a clause: "whose country is Germany"."""
    return "".join(text for text, _ in _leaf(leaf, names))


def _phrase(tree: Node, names: Names) -> list[Span]:
    if isinstance(tree, Leaf):
        return _leaf(tree, names)
    if isinstance(tree, Not):
        return [("except those ", False), *_phrase(tree.part, names)]
    phrases = [found for part in tree.parts if (found := _nested(part, names))]
    return _join(phrases, "and" if tree.kind == "all" else "or")


def _nested(tree: Node, names: Names) -> list[Span]:
    spans = _phrase(tree, names)
    if isinstance(tree, (Leaf, Not)) or len(tree.parts) < 2:
        return spans
    before = "either " if tree.kind == "any" else "both "
    return [(before, False), *spans]


def _join(phrases: Sequence[list[Span]], word: str) -> list[Span]:
    joined: list[Span] = []
    for number, phrase in enumerate(phrases):
        if number:
            last = number == len(phrases) - 1
            joined.append((f" {word} " if last else ", ", False))
        joined += phrase
    return joined


def _leaf(leaf: Leaf, names: Names) -> list[Span]:
    return _KINDS.get(leaf.field.kind, _plain)(leaf, names)


_PLAIN: Final = {
    "is": "is ",
    "is_not": "is not ",
    "any_of": "is ",
    "none_of": "is not ",
    "contains": "contains ",
    "not_contains": "does not contain ",
    "starts_with": "starts with ",
    "domain_is": "is at ",
    "domain_is_not": "is not at ",
    "at_least": "is at least ",
    "more_than": "is more than ",
    "at_most": "is at most ",
    "less_than": "is less than ",
    "includes": "includes ",
    "not_includes": "does not include ",
    "before": "is before ",
    "after": "is on or after ",
}


def _plain(leaf: Leaf, _names: Names) -> list[Span]:
    noun = leaf.field.noun or leaf.field.label.lower()
    if leaf.said in ("exists", "missing"):
        return [(f"whose {noun} ", False), (f"is {_not(leaf)}known", True)]
    if leaf.op == "in_last":
        return [
            (f"whose {noun} is {_not(leaf)}in ", False),
            (f"the last {_days(leaf.value)}", True),
        ]
    values = [_shown(leaf, value) for value in _listed(leaf.value)]
    return [(f"whose {noun} {_PLAIN[leaf.said]}", False), (_any(values), True)]


def _tags(leaf: Leaf, _names: Names) -> list[Span]:
    if leaf.op == "exists":
        return [("without tags" if leaf.negated else "with any tag", True)]
    joined = _list(leaf.value, "and" if leaf.op == "all_of" else "or")
    return [(f"{_not(leaf)}tagged ", False), (joined, True)]


def _date(leaf: Leaf, _names: Names) -> list[Span]:
    verb = {"created_at": "added", "last_seen_at": "seen"}[leaf.field.name]
    if leaf.op == "exists":
        return [("never seen" if leaf.negated else "seen at least once", True)]
    if leaf.op == "in_last":
        return [(f"{_not(leaf)}{verb} in ", False), (f"the last {_days(leaf.value)}", True)]
    word = "before" if leaf.op == "before" else "on or after"
    last = "last " if verb == "seen" else ""
    return [(f"{last}{verb} {word} ", False), (leaf.value.isoformat(), True)]


def _device(leaf: Leaf, _names: Names) -> list[Span]:
    what = PLATFORMS[leaf.extra["platform"]]
    if leaf.extra["app"]:
        what += f" with {leaf.extra['app']}"
    return [("without " if leaf.negated else "with ", False), (what, True)]


def _topic(leaf: Leaf, names: Names) -> list[Span]:
    name = names.topics.get(leaf.extra["topic"], leaf.extra["topic"])
    way = "opted out of " if leaf.negated else "opted in to "
    return [(way, False), (f"{name} by {CHANNEL_WORDS[leaf.extra['channel']]}", True)]


def _suppressed(leaf: Leaf, _names: Names) -> list[Span]:
    what = "e-mail address" if leaf.extra["channel"] == "email" else "phone number"
    return [(f"whose {what} ", False), (f"is {_not(leaf)}suppressed", True)]


def _segment(leaf: Leaf, names: Names) -> list[Span]:
    name = names.segments.get(leaf.value, "a segment that is gone")
    return [(f"who are {_not(leaf)}in ", False), (name, True)]


_DID: Final = {
    "sent": ("were sent", "sent"),
    "delivered": ("received", "received"),
    "opened": ("opened", "opened"),
    "clicked": ("clicked in", "clicked in"),
    "bounced": ("had a bounce of", "had a bounce of"),
}


def _engagement(leaf: Leaf, names: Names) -> list[Span]:
    verb, past = _DID[leaf.extra["event"]]
    kind = CHANNEL_WORDS[leaf.extra["channel"]] + " " if leaf.extra["channel"] else ""
    campaign = leaf.extra["campaign"]
    of = f" of {names.campaigns.get(campaign, 'a campaign that is gone')}" if campaign else ""
    when = _within(leaf.extra["days"])
    if leaf.said == "never":
        were = "were never sent" if verb == "were sent" else f"never {past}"
        return [("who ", False), (f"{were} {_a(kind)}message{of}{when}", True)]
    return [("who ", False), (f"{verb} {_messages(leaf, kind)}{of}{when}", True)]


def _messages(leaf: Leaf, kind: str) -> str:
    if leaf.said == "did_at_most":
        most = leaf.extra["times"] - 1
        return f"at most {most:,} {kind}message{'' if most == 1 else 's'}"
    times = leaf.extra["times"]
    return f"{_a(kind)}message" if times == 1 else f"at least {times:,} {kind}messages"


def _event(leaf: Leaf, _names: Names) -> list[Span]:
    name, when = leaf.extra["name"], _within(leaf.extra["days"])
    conditions = [_condition(item) for item in leaf.extra["where"]]
    where = f" where {' and '.join(conditions)}" if conditions else ""
    if leaf.said == "never":
        return [("who never did ", False), (f"{name}{where}{when}", True)]
    often = f" at least {_times(leaf.extra['times'])}" if leaf.extra["times"] > 1 else ""
    if leaf.said == "did_at_most":
        often = f" at most {_times(leaf.extra['times'] - 1)}"
    return [("who did ", False), (f"{name}{where}{often}{when}", True)]


_KINDS: Final[Mapping[str, Callable[[Leaf, Names], list[Span]]]] = {
    "tags": _tags,
    "date": _date,
    "device": _device,
    "topic": _topic,
    "suppressed": _suppressed,
    "segment": _segment,
    "engagement": _engagement,
    "event": _event,
}


def _condition(item: Mapping[str, Any]) -> str:
    values = [str(value) for value in _listed(item["value"])]
    return f"{'.'.join(item['path'])} {_PLAIN[item['op']]}{_any(values)}"


def _shown(leaf: Leaf, value: Any) -> str:
    if leaf.field.name == "country":
        return places.countries().get(str(value), str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:,}"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _any(values: Sequence[str]) -> str:
    return _list(values, "or")


def _list(values: Sequence[str], word: str) -> str:
    if len(values) > 6:
        return f"{', '.join(values[:5])} {word} {len(values) - 5:,} more"
    if len(values) < 2:
        return "".join(values)
    return f"{', '.join(values[:-1])} {word} {values[-1]}"


def _not(leaf: Leaf) -> str:
    return "not " if leaf.negated else ""


def _a(kind: str) -> str:
    return "an " + kind if kind[:1] in ("e", "i", "A", "S") else "a " + kind


def _days(number: int) -> str:
    return "day" if number == 1 else f"{number:,} days"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def _within(days: int | None) -> str:
    return f" in the last {_days(days)}" if days else ""
