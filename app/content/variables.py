"""Which variables a content uses, where their values come from, and which must be given.

A variable is required when the content cannot be rendered without it whatever the other values
are: used outside of any condition and without `default`. The rest may be left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from jinja2 import nodes

from app.content import syntax

if TYPE_CHECKING:
    from app.content.compile import CompiledVersion

Origin = Literal["person", "system", "data"]

PERSON_FIELDS: Final = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "locale",
    "country",
    "timezone",
    "external_id",
)
PERSON_GROUPS: Final = ("attributes", "tags", "person")
SYSTEM: Final = ("unsubscribe_url", "preferences_url", "campaign")
_FALLBACKS: Final = frozenset({"default", "d"})
_PRESENCE: Final = frozenset({"defined", "undefined", "none"})


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a variable is used. `path` as written: `order.number`."""

    path: str
    line: int
    required: bool
    # Whether an empty value would show: neither a condition nor a fallback looks at it first.
    bare: bool = False

    @property
    def origin(self) -> Origin:
        """Where its value comes from."""
        return origin(self.path)


def origin(path: str) -> Origin:
    """Who gives a variable its value: the person, Herald itself, or the caller's data."""
    root = path.partition(".")[0]
    if root in PERSON_FIELDS or root in PERSON_GROUPS:
        return "person"
    return "system" if root in SYSTEM else "data"


def uses(tree: nodes.Template) -> list[Use]:
    """Every use of a variable from outside, in order of lines."""
    return sorted(_Reader().read(tree.body), key=lambda use: (use.line, use.path))


def missing(version: "CompiledVersion", data: Mapping[str, Any]) -> list[str]:
    """The required variables that neither the person nor Herald nor `data` gives."""
    return [
        path for path in version.required if origin(path) == "data" and not resolves(path, data)
    ]


def resolves(path: str, values: Mapping[str, Any]) -> bool:
    """Whether a dotted path leads somewhere in nested groups."""
    value: Any = values
    for step in path.split("."):
        if not isinstance(value, Mapping) or step not in value:
            return False
        value = value[step]
    return True


class _Reader:
    """Walks statements in order, knowing which names the template made itself."""

    def __init__(self) -> None:
        self._local: set[str] = {"loop"}
        # Asked for by an `{% if %}` around: known to have a value.
        self._asked: set[str] = set()

    def read(self, body: list[nodes.Node], *, sure: bool = True) -> Iterator[Use]:
        for node in body:
            match node:
                case nodes.Output():
                    for child in node.nodes:
                        yield from self._expression(child, sure=sure, bare=True)
                case nodes.If():
                    yield from self._condition(node, sure=sure)
                case nodes.For():
                    yield from self._loop(node, sure=sure)
                case nodes.Assign():
                    yield from self._expression(node.node, sure=sure)
                    self._local |= _names(node.target)
                case _:
                    yield from self._expression(node, sure=sure)

    def _condition(self, node: nodes.If, *, sure: bool) -> Iterator[Use]:
        yield from self._test(node.test, sure=sure)
        outside = set(self._asked)
        self._asked |= set(_asked(node.test))
        yield from self.read(node.body, sure=False)
        self._asked = outside
        for branch in node.elif_:
            yield from self._condition(branch, sure=False)
        yield from self.read(node.else_, sure=False)

    def _loop(self, node: nodes.For, *, sure: bool) -> Iterator[Use]:
        yield from self._expression(node.iter, sure=sure)
        outside = set(self._local)
        self._local |= _names(node.target)
        yield from self.read(node.body, sure=False)
        self._local = outside
        yield from self.read(node.else_, sure=False)

    def _test(self, node: nodes.Node, *, sure: bool) -> Iterator[Use]:
        """A condition: a bare variable in it asks whether there is one, so it may be missing."""
        bare = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.And, nodes.Or, nodes.Not)
        if not isinstance(node, bare):
            yield from self._expression(node, sure=sure)
        elif isinstance(node, nodes.And | nodes.Or | nodes.Not):
            for index, child in enumerate(node.iter_child_nodes()):
                yield from self._test(child, sure=sure and not index)
        else:
            yield from self._expression(node, sure=False)

    def _expression(self, node: nodes.Node, *, sure: bool, bare: bool = False) -> Iterator[Use]:
        path = syntax.path_of(node)
        if path:
            if path.partition(".")[0] not in self._local:
                yield Use(path, node.lineno, sure, bare and path not in self._asked)
        elif isinstance(node, nodes.CondExpr):
            yield from self._test(node.test, sure=sure)
            yield from self._all([node.expr1, node.expr2], sure=False)
        elif isinstance(node, nodes.And | nodes.Or):
            yield from self._expression(node.left, sure=sure)
            yield from self._expression(node.right, sure=False)
        else:
            excused = _looks_for_absence(node)
            passes_on = isinstance(node, nodes.Filter) and not excused
            children = list(node.iter_child_nodes())
            yield from self._all(children, sure=sure and not excused, bare=bare and passes_on)

    def _all(
        self, children: Sequence[nodes.Node | None], *, sure: bool, bare: bool = False
    ) -> Iterator[Use]:
        for child in children:
            if child is not None:
                yield from self._expression(child, sure=sure, bare=bare)


def _asked(test: nodes.Node) -> Iterator[str]:
    """The variables that have a value wherever this condition holds."""
    path = syntax.path_of(test)
    if path:
        yield path
    elif isinstance(test, nodes.And):
        yield from _asked(test.left)
        yield from _asked(test.right)


def _looks_for_absence(node: nodes.Node) -> bool:
    """`default` and `is defined` are made for values that are not there."""
    return (isinstance(node, nodes.Filter) and node.name in _FALLBACKS) or (
        isinstance(node, nodes.Test) and node.name in _PRESENCE
    )


def _names(target: nodes.Node) -> set[str]:
    if isinstance(target, nodes.Name):
        return {target.name}
    return {name.name for name in target.find_all(nodes.Name)}
