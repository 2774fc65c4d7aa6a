"""A segment rule as the fields of a form, and back: `r` is the outermost group, `r.0.1` a row.

Pure: the rule's JSON, a form, and what stands between them. Nothing is checked here but shape;
what a rule may say is the business of `app.audience`. Unfinished rows are kept.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeAlias

from app.audience.rule_fields import DEPTH_MAX, LEAVES_MAX, OPERATORS, PARAMETERS, WHERE_OPERATORS
from app.audience.rule_tree import field_named
from app.errors import FieldError

ROOT: Final = "r"
# "none" is not any of them, "not_all" is not all of them: a group with its `not` in one choice.
KINDS: Final[Mapping[str, tuple[str, bool]]] = {
    "all": ("all", False),
    "any": ("any", False),
    "none": ("any", True),
    "not_all": ("all", True),
}
_NODE: Final = re.compile(r"(r(?:\.\d{1,3}){0,6})\.(kind|field)")
_WHERE: Final = re.compile(r"where\.(\d{1,2})\.property")
_WHOLE: Final = frozenset({"times", "days"})
_LISTS: Final = frozenset({"texts"})
_WHERE_MAX: Final = 5


class Form(Protocol):
    """What is read of a submitted form."""

    def __iter__(self) -> Iterator[str]: ...

    def getlist(self, key: str) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on a property of an event."""

    property: str = ""
    op: str = "is"
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One question. `extra` has the parameters of the field, as texts."""

    path: str
    field: str = ""
    op: str = ""
    values: tuple[str, ...] = ()
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)
    where: tuple[Where, ...] = ()
    negated: bool = False

    @property
    def shape(self) -> str:
        """What kind of value the operator asks for (`rule_fields.Operator.value`)."""
        return OPERATORS[self.op].value if self.op in OPERATORS else "none"

    @property
    def is_list(self) -> bool:
        """Whether several values may be given."""
        return self.shape in _LISTS


@dataclass(frozen=True, slots=True)
class Group:
    """`kind` is one of KINDS."""

    path: str
    kind: str = "all"
    parts: "tuple[Node, ...]" = ()

    @property
    def depth(self) -> int:
        """1 for the outermost group."""
        return self.path.count(".") + 1

    @property
    def may_nest(self) -> bool:
        """Whether a group may be put into this one."""
        return self.depth < DEPTH_MAX


Node: TypeAlias = Group | Row


def read(form: Form) -> Group:
    """The tree of a submitted form; an empty group when there is none."""
    present = {match[1]: match[2] for name in form if (match := _NODE.fullmatch(name))}
    below: dict[str, list[str]] = {}
    for path in present:
        below.setdefault(path.rpartition(".")[0], []).append(path)
    tree = _read_group(form, ROOT, present, below)
    return renumbered(tree)


def from_rule(rule: object) -> Group:
    """The tree of a rule's JSON."""
    node = _node(rule, ROOT)
    tree = node if isinstance(node, Group) else Group(ROOT, "all", (node,))
    return renumbered(tree)


def to_rule(node: Node) -> dict[str, Any]:
    """The rule's JSON, with unfinished rows as they are."""
    if isinstance(node, Row):
        leaf = _leaf(node)
        return {"not": leaf} if node.negated else leaf
    kind, negated = KINDS[node.kind]
    group = {kind: [to_rule(part) for part in node.parts]}
    return {"not": group} if negated else group


def fields(node: Node) -> list[tuple[str, str]]:
    """Names and values that `read` reads back."""
    if isinstance(node, Group):
        nested = [pair for part in node.parts for pair in fields(part)]
        return [(f"{node.path}.kind", node.kind), *nested]
    found = [("field", node.field), ("was", node.field), ("op", node.op)]
    found += [("not", "1")] if node.negated else []
    found += [("value", value) for value in node.values]
    found += [(key, value) for key, value in node.extra.items() if value]
    for number, where in enumerate(node.where):
        here = f"where.{number}"
        found += [(f"{here}.property", where.property), (f"{here}.op", where.op)]
        found += [(f"{here}.value", value) for value in where.values]
    return [(f"{node.path}.{name}", value) for name, value in found]


def rows(node: Node) -> Iterator[Row]:
    """All rows, in the order they are read."""
    if isinstance(node, Row):
        yield node
    else:
        for part in node.parts:
            yield from rows(part)


def is_full(tree: Group) -> bool:
    """Whether no rule may be added."""
    return sum(1 for _ in rows(tree)) >= LEAVES_MAX


def mistakes(tree: Group, errors: Iterable[FieldError]) -> dict[str, str]:
    """Path of a row or group -> what is wrong with it, from pointers into `to_rule(tree)`."""
    pointers = sorted(_pointers(tree, ""), key=lambda item: -len(item[1]))
    found: dict[str, str] = {}
    for error in errors:
        for path, pointer in pointers:
            if error.pointer == pointer or error.pointer.startswith(f"{pointer}/"):
                found.setdefault(path, error.message)
                break
    return found


def without(tree: Group, paths: Iterable[str]) -> Group:
    """The tree without these rows and without groups that are empty then; paths stay."""
    return replace(tree, parts=_kept(tree, frozenset(paths)))


def renumbered(tree: Group) -> Group:
    """The same tree with paths that count from 0 in every group."""
    return replace(tree, parts=tuple(_placed(part, n, ROOT) for n, part in enumerate(tree.parts)))


def _placed(node: Node, number: int, parent: str) -> Node:
    path = f"{parent}.{number}"
    if isinstance(node, Row):
        return replace(node, path=path)
    parts = tuple(_placed(part, n, path) for n, part in enumerate(node.parts))
    return replace(node, path=path, parts=parts)


def _kept(group: Group, gone: frozenset[str]) -> tuple[Node, ...]:
    kept: list[Node] = []
    for part in group.parts:
        if part.path in gone and isinstance(part, Row):
            continue
        if isinstance(part, Row):
            kept.append(part)
        elif below := _kept(part, gone):
            kept.append(replace(part, parts=below))
    return tuple(kept)


def _pointers(node: Node, pointer: str) -> Iterator[tuple[str, str]]:
    negated = node.negated if isinstance(node, Row) else KINDS[node.kind][1]
    here = f"{pointer}/not" if negated else pointer
    yield node.path, here
    if isinstance(node, Group):
        for number, part in enumerate(node.parts):
            yield from _pointers(part, f"{here}/{KINDS[node.kind][0]}/{number}")


def _read_group(
    form: Form, path: str, present: Mapping[str, str], below: Mapping[str, list[str]]
) -> Group:
    kind = _one(form, f"{path}.kind")
    children = sorted(below.get(path, ()), key=lambda child: int(child.rpartition(".")[2]))
    parts = [
        _read_group(form, child, present, below)
        if present[child] == "kind"
        else _read_row(form, child)
        for child in children
    ]
    return Group(path, kind if kind in KINDS else "all", tuple(parts))


def _read_row(form: Form, path: str) -> Row:
    name = _one(form, f"{path}.field")
    known = field_named(name)
    negated = bool(_one(form, f"{path}.not"))
    if known is None:
        return Row(path, "", negated=negated)
    op = _one(form, f"{path}.op")
    if name != _one(form, f"{path}.was") or op not in known.operators:
        return Row(path, name, known.operators[0], negated=negated)
    keys = [key for key in PARAMETERS.get(known.kind, ()) if key != "where"]
    extra = {key: _one(form, f"{path}.{key}") for key in keys}
    return Row(path, name, op, _values(form, path), extra, _read_where(form, path), negated)


def _read_where(form: Form, path: str) -> tuple[Where, ...]:
    start = f"{path}."
    numbers = [
        int(match[1])
        for name in form
        if name.startswith(start) and (match := _WHERE.fullmatch(name.removeprefix(start)))
    ]
    return tuple(
        Where(
            _one(form, f"{path}.where.{number}.property"),
            _one(form, f"{path}.where.{number}.op") or "is",
            _values(form, f"{path}.where.{number}"),
        )
        for number in sorted(numbers)[:_WHERE_MAX]
    )


def _values(form: Form, path: str) -> tuple[str, ...]:
    """Values as given, and the one that is being added; each once."""
    given = [*form.getlist(f"{path}.value"), *form.getlist(f"{path}.add")]
    return tuple(dict.fromkeys(value.strip() for value in given if value.strip()))


def _one(form: Form, name: str) -> str:
    return next((value.strip() for value in form.getlist(name)), "")


def _node(rule: object, path: str) -> Node:
    if not isinstance(rule, Mapping):
        return Row(path)
    if "field" in rule:
        return _row(rule, path)
    for kind in ("all", "any"):
        if isinstance(rule.get(kind), list):
            return Group(path, kind, tuple(_node(part, path) for part in rule[kind]))
    inner = _node(rule.get("not"), path)
    if isinstance(inner, Row):
        return replace(inner, negated=True)
    turned = {"all": "not_all", "any": "none"}
    return replace(inner, kind=turned.get(inner.kind, inner.kind))


def _row(leaf: Mapping[Any, Any], path: str) -> Row:
    known = field_named(leaf.get("field"))
    parameters = PARAMETERS.get(known.kind, ()) if known else ()
    extra = {key: _text(leaf[key]) for key in parameters if key != "where" and key in leaf}
    where = tuple(
        Where(str(item.get("property", "")), str(item.get("op", "is")), _texts(item.get("value")))
        for item in leaf.get("where") or ()
    )
    name, op = str(leaf.get("field")), str(leaf.get("op", ""))
    return Row(path, name, op, _texts(leaf.get("value")), extra, where)


def _leaf(row: Row) -> dict[str, Any]:
    known = field_named(row.field)
    leaf: dict[str, Any] = {"field": row.field, "op": row.op}
    if known is None:
        return leaf
    if row.shape not in ("none", "times"):
        leaf["value"] = _value(row.values, row.shape)
    for key, value in row.extra.items():
        if value:
            leaf[key] = _number(value) if key in _WHOLE else value
    conditions = [_condition(item) for item in row.where]
    return leaf | ({"where": conditions} if conditions else {})


def _value(values: Sequence[str], shape: str) -> Any:
    if shape in _LISTS:
        return list(values)
    value = values[0] if values else ""
    return _number(value) if shape in ("number", "days") else value


def _condition(item: Where) -> dict[str, Any]:
    first = item.values[0] if item.values else ""
    value: Any = list(item.values) if item.op == "any_of" else first
    if item.op in ("at_least", "at_most"):
        value = _number(first)
    op = item.op if item.op in WHERE_OPERATORS else "is"
    return {"property": item.property, "op": op, "value": value}


def _number(value: str) -> Any:
    """A number when it is one; otherwise the text, about which the domain will complain."""
    if re.fullmatch(r"-?\d{1,15}", value):
        return int(value)
    return float(value) if re.fullmatch(r"-?\d{1,15}\.\d{1,9}", value) else value


def _texts(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(_text(item) for item in listed if item is not None and item != "")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
