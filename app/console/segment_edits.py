"""What the buttons of the segment builder do to its tree: add, remove, move, turn round. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from app.console.segment_form import Group, Node, Row, Where, is_full, renumbered

_Parts = tuple[Node, ...]


def apply(tree: Group, act: str) -> tuple[Group, str]:
    """The tree after an act such as `remove:r.0.1`, and the path that gets the focus ("": none).

    An act that makes no sense (any more) leaves the tree as it is.
    """
    verb, _, path = act.partition(":")
    path, _, detail = path.partition(":")
    if verb in _GROUP_ACTS:
        if is_full(tree) or not _exists(tree, path):
            return tree, ""
        parts = _GROUP_ACTS[verb]
        changed = _in_group(tree, path, parts)
        focus = f"{path}.{_length(tree, path)}"
        return renumbered(changed), f"{focus}.0" if verb == "group" else focus
    if verb in _PART_ACTS:
        parent, _, last = path.rpartition(".")
        if not last.isdecimal() or not _exists(tree, parent):
            return tree, ""
        number = int(last)
        changed = _in_group(tree, parent, lambda g: _PART_ACTS[verb](g.parts, number))
        left = _length(changed, parent)
        place = {"up": max(number - 1, 0), "down": number + 1}.get(verb, number)
        return renumbered(changed), f"{parent}.{min(place, left - 1)}" if left else ""
    if verb in _ROW_ACTS:
        return _in_row(tree, path, lambda row: _ROW_ACTS[verb](row, detail)), path
    return tree, ""


def _in_group(group: Group, path: str, change: Callable[[Group], _Parts]) -> Group:
    if group.path == path:
        return replace(group, parts=change(group))
    parts = tuple(
        _in_group(part, path, change) if isinstance(part, Group) else part for part in group.parts
    )
    return replace(group, parts=parts)


def _in_row(group: Group, path: str, change: Callable[[Row], Row]) -> Group:
    def visit(part: Node) -> Node:
        if isinstance(part, Group):
            return _in_row(part, path, change)
        return change(part) if part.path == path else part

    return replace(group, parts=tuple(visit(part) for part in group.parts))


def _exists(group: Group, path: str) -> bool:
    return group.path == path or any(
        _exists(part, path) for part in group.parts if isinstance(part, Group)
    )


def _length(group: Group, path: str) -> int:
    if group.path == path:
        return len(group.parts)
    return sum(_length(part, path) for part in group.parts if isinstance(part, Group))


def _nest(group: Group) -> _Parts:
    if not group.may_nest:
        return group.parts
    kind = "any" if group.kind in ("all", "not_all") else "all"
    return (*group.parts, Group("", kind, (Row(""),)))


def _move(parts: _Parts, number: int, by: int) -> _Parts:
    to = number + by
    if not (0 <= number < len(parts) and 0 <= to < len(parts)):
        return parts
    moved = list(parts)
    moved[number], moved[to] = moved[to], moved[number]
    return tuple(moved)


def _drop_value(row: Row, detail: str) -> Row:
    return replace(row, values=tuple(v for n, v in enumerate(row.values) if str(n) != detail))


def _drop_where(row: Row, detail: str) -> Row:
    return replace(row, where=tuple(w for n, w in enumerate(row.where) if str(n) != detail))


def _drop_where_value(row: Row, detail: str) -> Row:
    place, _, number = detail.partition(":")
    return replace(
        row,
        where=tuple(
            replace(w, values=tuple(v for m, v in enumerate(w.values) if str(m) != number))
            if str(n) == place
            else w
            for n, w in enumerate(row.where)
        ),
    )


_GROUP_ACTS: Final[Mapping[str, Callable[[Group], _Parts]]] = {
    "add": lambda group: (*group.parts, Row("")),
    "segment": lambda group: (*group.parts, Row("", "segment", "in")),
    "group": _nest,
}
_PART_ACTS: Final[Mapping[str, Callable[[_Parts, int], _Parts]]] = {
    "remove": lambda parts, number: (*parts[:number], *parts[number + 1 :]),
    "up": lambda parts, number: _move(parts, number, -1),
    "down": lambda parts, number: _move(parts, number, 1),
}
_ROW_ACTS: Final[Mapping[str, Callable[[Row, str], Row]]] = {
    "turn": lambda row, _: replace(row, negated=not row.negated),
    "where": lambda row, _: replace(row, where=(*row.where, Where())[:5]),
    "drop": _drop_value,
    "unwhere": _drop_where,
    "unvalue": _drop_where_value,
}
