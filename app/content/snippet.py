"""Rendering one line outside of any version: what a mailbox shows in its list."""

from collections.abc import Mapping
from typing import Any

from app.content import syntax
from app.content.compile import one_line
from app.content.program import Program
from app.content.sandbox import TEXT, Missing


def render_line(source: str, variables: Mapping[str, Any]) -> str:
    """The line with its values; empty when it cannot be rendered."""
    try:
        tree = syntax.parse(TEXT, source)
        names = sorted(syntax.roots(tree))
        row = tuple(variables.get(name, Missing.named(name)) for name in names)
        return one_line(Program(TEXT, [tree.body], names).run([row or (None,)])[0][0]).strip()
    except Exception:
        return ""
