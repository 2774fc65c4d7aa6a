"""Reading a segment rule: from JSON to a checked tree, with every mistake and where it is.

A rule is `{"all": […]}`, `{"any": […]}`, `{"not": {…}}` or a leaf such as
`{"field": "country", "op": "any_of", "value": ["DE", "AT"]}`. Pointers lead into it:
`/all/1/value`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from app.audience import rule_leaf
from app.audience.fields import ATTRIBUTE_NAME
from app.audience.rule_fields import (
    ATTRIBUTE_PREFIX,
    DEPTH_MAX,
    FIELDS,
    LEAVES_MAX,
    Field,
    attribute_field,
)
from app.audience.rule_leaf import Leaf
from app.errors import FieldError, Invalid


@dataclass(frozen=True, slots=True)
class Group:
    """`kind` all: everyone for whom all parts hold; any: at least one."""

    kind: str
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """Everyone for whom the part does not hold."""

    part: "Node"


Node: TypeAlias = Group | Not | Leaf

EVERYONE: Final = Group("all", ())


def parse(raw: object) -> Node:
    """The checked tree. Raises Invalid with all mistakes at once."""
    tree, errors = read(raw)
    if errors:
        raise Invalid(errors)
    return tree


def read(raw: object) -> tuple[Node, list[FieldError]]:
    """The tree without its unfinished or wrong parts, and what is wrong with those.

    For a builder that counts while somebody is still choosing.
    """
    reader = _Reader()
    tree = reader.node(raw, "", 1)
    if isinstance(tree, Leaf):
        tree = Group("all", (tree,))
    return tree or EVERYONE, reader.errors


def leaves(tree: Node) -> Iterator[Leaf]:
    """All leaves, in the order they are read."""
    if isinstance(tree, Leaf):
        yield tree
    elif isinstance(tree, Not):
        yield from leaves(tree.part)
    else:
        for part in tree.parts:
            yield from leaves(part)


@dataclass(slots=True)
class _Reader:
    errors: list[FieldError] = field(default_factory=list)
    count: int = 0

    def node(self, raw: object, pointer: str, depth: int, negated: bool = False) -> Node | None:
        if not isinstance(raw, Mapping):
            self._refuse(pointer, "invalid_type", "A rule is an object.")
            return None
        if "field" in raw:
            return self._leaf(raw, pointer)
        if len(raw) != 1 or (kind := next(iter(raw))) not in ("all", "any", "not"):
            words = "A rule has all, any, not, or a field."
            self._refuse(pointer, "unknown_rule", words)
            return None
        if kind == "not":
            if negated:
                words = "A not directly inside a not says nothing."
                self._refuse(f"{pointer}/not", "double_not", words)
                return None
            part = self.node(raw["not"], f"{pointer}/not", depth, negated=True)
            return Not(part) if part is not None else None
        return self._group(kind, raw[kind], pointer, depth)

    def _group(self, kind: str, raw: object, pointer: str, depth: int) -> Node | None:
        here = f"{pointer}/{kind}"
        if not isinstance(raw, list):
            self._refuse(here, "invalid_type", "A group is a list of rules.")
            return None
        if depth > DEPTH_MAX:
            words = f"Groups can be {DEPTH_MAX} deep, not deeper."
            self._refuse(here, "too_deep", words)
            return None
        if not raw and (kind == "any" or depth > 1):
            self._refuse(here, "empty_group", "Add a rule to this group.")
            return None
        parts = [self.node(part, f"{here}/{n}", depth + 1) for n, part in enumerate(raw)]
        found = tuple(part for part in parts if part is not None)
        return Group(kind, found) if found or not raw else None

    def _leaf(self, raw: Mapping[Any, Any], pointer: str) -> Leaf | None:
        self.count += 1
        if self.count > LEAVES_MAX:
            if self.count == LEAVES_MAX + 1:
                words = f"A segment can have {LEAVES_MAX} rules, not more."
                self._refuse(pointer, "too_many", words)
            return None
        found = field_named(raw["field"])
        if found is None:
            words = f"There is no field called {str(raw['field'])[:80]!r}."
            self._refuse(f"{pointer}/field", "unknown_field", words)
            return None
        leaf, errors = rule_leaf.read(found, raw, pointer)
        self.errors += errors
        return leaf

    def _refuse(self, pointer: str, code: str, message: str) -> None:
        self.errors.append(FieldError(pointer, code, message))


def field_named(name: object) -> Field | None:
    """The field with this name, built in or a custom attribute."""
    if not isinstance(name, str):
        return None
    if name.startswith(ATTRIBUTE_PREFIX):
        attribute = name.removeprefix(ATTRIBUTE_PREFIX)
        return attribute_field(attribute) if ATTRIBUTE_NAME.fullmatch(attribute) else None
    return FIELDS.get(name)
