"""Splitting a template into a shell that all share and slots that differ per person.

The dynamic parts at the top level of the tree become slots; the shell holds an unguessable token
for each. Identical expressions share a slot. A template that sets variables at its top level
cannot be split, because its parts are not independent.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from jinja2 import nodes


@dataclass(slots=True)
class Slots:
    """The slots of one dialect, filled while its parts are split."""

    secret: str = field(default_factory=lambda: secrets.token_hex(8))
    letter: str = "t"
    tokens: list[str] = field(default_factory=list)
    bodies: list[Sequence[nodes.Node]] = field(default_factory=list)
    _known: dict[str, str] = field(default_factory=dict)

    def shell(self, tree: nodes.Template) -> str | None:
        """The tree's text with tokens for its dynamic parts; None when it cannot be split."""
        pieces: list[str] = []
        for node in tree.body:
            if isinstance(node, nodes.Output):
                pieces += [self._piece(child) for child in node.nodes]
            elif isinstance(node, nodes.If | nodes.For) and not _leaks(node):
                pieces.append(self._token(repr(node), [node]))
            else:
                return None
        return "".join(pieces)

    def _piece(self, node: nodes.Expr) -> str:
        if isinstance(node, nodes.TemplateData):
            return node.data
        return self._token(repr(node), [nodes.Output([node], lineno=node.lineno)])

    def _token(self, key: str, body: Sequence[nodes.Node]) -> str:
        if key not in self._known:
            self._known[key] = f"hr{self.secret}{self.letter}{len(self.tokens)}z"
            self.tokens.append(self._known[key])
            self.bodies.append(body)
        return self._known[key]


def _leaks(node: nodes.Node) -> bool:
    """Whether an `{% if %}` sets a variable that later parts can see (a loop's stay inside)."""
    if isinstance(node, nodes.Assign):
        return True
    if isinstance(node, nodes.For):
        return False
    return any(_leaks(child) for child in node.iter_child_nodes())
