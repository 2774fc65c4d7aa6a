"""Reading a template: which parts of Jinja are allowed, and which variables it uses."""

import difflib
import re
from collections.abc import Iterator
from typing import Final

from jinja2 import TemplateSyntaxError, meta, nodes

from app.content import filters
from app.content.sandbox import TESTS, ContentEnvironment, budget

MAX_SOURCE: Final = 300_000  # characters
MAX_NODES: Final = 20_000
MAX_DEPTH: Final = 40
MAX_LOOP_DEPTH: Final = 2

_ALLOWED: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign,
    nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword,
    nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Getattr, nodes.Getitem, nodes.Slice,
    nodes.Concat, nodes.Compare, nodes.Operand, nodes.BinExpr, nodes.UnaryExpr,
)  # fmt: skip
_REFUSED: Final = {
    nodes.Call: "Templates cannot call anything; use a filter, such as {{ name|upper }}.",
    nodes.Macro: "{% macro %} is not part of this language.",
    nodes.Extends: "{% extends %} is not part of this language.",
    nodes.Include: "{% include %} is not part of this language.",
    nodes.Block: "{% block %} is not part of this language.",
    nodes.AssignBlock: "Write {% set name = value %} on one line.",
}
# `{{ "\x00" }}`: what neither the database nor a provider can take may hide in an escape.
_UNSENDABLE: Final = re.compile("[\x00\ud800-\udfff]")


class Refused(Exception):
    """The source is not a template that Herald accepts; `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def parse(environment: ContentEnvironment, source: str, *, ours: bool = False) -> nodes.Template:
    """The checked tree of a source. Raises Refused.

    `ours`: the source was checked before and now holds Herald's own `__token` as well.
    """
    if len(source) > MAX_SOURCE:
        raise Refused(f"This is longer than {MAX_SOURCE:,} characters.", 0)
    try:
        with budget():
            tree = environment.parse(source)
            _check(tree, ours=ours)
    except TemplateSyntaxError as error:
        raise Refused(_sentence(error.message or "This cannot be read."), error.lineno) from error
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
        raise Refused("This is nested too deeply.", 0) from error
    _limit_loops(tree, environment)
    return tree


def roots(tree: nodes.Template) -> frozenset[str]:
    """Names that must come from outside: `order` of `{{ order.number }}`."""
    try:
        return frozenset(meta.find_undeclared_variables(tree))
    except TemplateSyntaxError as error:
        raise Refused(_sentence(error.message or ""), error.lineno) from error


def paths(tree: nodes.Node) -> Iterator[str]:
    """Every dotted variable as written, those of loops included: `order.number`, `item.name`."""
    for node in tree.iter_child_nodes():
        path = path_of(node)
        if path:
            yield path
        else:
            yield from paths(node)


def path_of(node: nodes.Node) -> str:
    """`order.number` of `{{ order.number }}`; empty for anything that is not a plain variable."""
    if isinstance(node, nodes.Name) and node.ctx == "load":
        return node.name
    if isinstance(node, nodes.Getattr):
        front = path_of(node.node)
        return f"{front}.{node.attr}" if front else ""
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        front = path_of(node.node)
        return f"{front}.{node.arg.value}" if front and isinstance(node.arg.value, str) else ""
    return ""


def _check(tree: nodes.Template, *, ours: bool) -> None:
    """Walk the tree without recursion, so that depth can be measured before it hurts."""
    waiting: list[tuple[nodes.Node, int, int]] = [(tree, 0, 0)]
    seen = 0
    while waiting:
        node, depth, loops = waiting.pop()
        seen += 1
        if seen > MAX_NODES:
            raise Refused("This template has too many parts.", node.lineno)
        if depth > MAX_DEPTH:
            raise Refused("This is nested too deeply.", node.lineno)
        if isinstance(node, nodes.For):
            loops += 1
            if loops > MAX_LOOP_DEPTH:
                raise Refused("Loops may be nested only once.", node.lineno)
        _check_node(node, loops, ours=ours)
        waiting.extend((child, depth + 1, loops) for child in node.iter_child_nodes())


def _check_node(node: nodes.Node, loops: int, *, ours: bool) -> None:
    if not isinstance(node, _ALLOWED):
        message = _REFUSED.get(type(node), "This statement is not part of this language.")
        raise Refused(message, node.lineno)
    match node:
        case nodes.Name(name=name):
            if name.startswith("_") and not ours:
                raise Refused(f"{name}: names cannot begin with an underscore.", node.lineno)
            if name == "loop" and not loops:
                raise Refused("loop is only known inside {% for %}.", node.lineno)
        case nodes.Const(value=str(text)) if _UNSENDABLE.search(text):
            raise Refused("This text holds a character that cannot be sent.", node.lineno)
        case nodes.Filter(name=name) if name not in filters.NAMES:
            raise Refused(_unknown("filter", name, filters.NAMES), node.lineno)
        case nodes.Test(name=name) if name not in TESTS:
            raise Refused(_unknown("test", name, TESTS), node.lineno)
        case nodes.For(recursive=True):
            raise Refused("{% for … recursive %} is not part of this language.", node.lineno)
        case nodes.List() | nodes.Tuple(ctx="load") | nodes.Dict():
            _check_literal(node)
        case _:
            pass


def _check_literal(node: nodes.Node) -> None:
    """Only constants in lists: a list that holds variables could double itself for ever."""
    for child in node.iter_child_nodes():
        if not isinstance(child, nodes.Const | nodes.Pair | nodes.List | nodes.Tuple | nodes.Neg):
            raise Refused("A list written in a template may hold only fixed values.", child.lineno)


def _limit_loops(tree: nodes.Template, environment: ContentEnvironment) -> None:
    for loop in tree.find_all(nodes.For):
        limited = nodes.Filter(loop.iter, "__each", [], [], None, None, lineno=loop.lineno)
        loop.iter = limited.set_environment(environment)


def _unknown(kind: str, name: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"There is no {kind} called {name}.{hint}"


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")
