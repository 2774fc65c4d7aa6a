"""Working on HTML that still has template parts in it.

An HTML parser would move `{% for %}` out of a table and drop what it does not know. So the template
parts are replaced by marks that survive: comments between tags, plain words elsewhere. Afterwards
the marks are replaced back; if one got lost on the way, the result is refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import css_inline

from app.content.sandbox import HTML, TEXT, ContentEnvironment

_MARK: Final = re.compile(r"(?:<!--|/\*)?hrld(\d+)q(?:=\"\")?(?:-->|\*/)?")
# The rest of a tag after its name. Possessive and bounded, so that no input takes long.
REST_OF_TAG: Final = r"((?:[^<>\"']++|\"[^\"]*+\"|'[^']*+'){0,200}+)>"
_TAG: Final = re.compile(r"<[a-z]" + REST_OF_TAG, re.IGNORECASE)
_BODY: Final = re.compile(r"<body\b" + REST_OF_TAG, re.IGNORECASE)
_TAG_BEGINS: Final = re.compile(r"<!--|</?([a-zA-Z][\w:-]*)|<!")
_TAG_GOES_ON: Final = re.compile(r"[>\"']")
_TAG_NAME: Final = re.compile(r"<(/?)([a-zA-Z][\w:-]*)")
_FOREIGN: Final = re.compile(r"<(?:svg|math)\b", re.IGNORECASE)
_VOID: Final = frozenset({"br", "img", "hr", "meta", "link", "input", "col", "area", "wbr", "base"})
_ENDS_BY_ITSELF: Final = frozenset(
    {
        *("p", "li", "td", "th", "tr", "tbody", "thead", "tfoot", "dt", "dd", "option"),
        *("html", "head", "body", "colgroup", "caption"),
    }
)
_RAW_TAGS: Final = ("style", "script", "title", "textarea")
_INLINER: Final = css_inline.CSSInliner(
    keep_at_rules=True, keep_style_tags=False, load_remote_stylesheets=False
)


@dataclass(slots=True)
class Marked:
    """HTML with marks, and what each mark stands for."""

    html: str
    sources: list[str] = field(default_factory=list)
    # Numbers of marks that must be found again, once and in order: the statements.
    statements: list[int] = field(default_factory=list)
    # How many marks the HTML itself has; later ones belong to other parts.
    inside: int = 0

    def mark(self, source: str) -> str:
        """A new mark for a piece of template, as a plain word."""
        self.sources.append(source)
        return f"hrld{len(self.sources) - 1}q"

    def restore(self, text: str) -> str:
        """The text with every mark replaced by its source."""
        return _MARK.sub(self._source, text)

    def _source(self, match: re.Match[str]) -> str:
        number = int(match[1])
        return self.sources[number] if number < len(self.sources) else match[0]

    def survived(self, html: str) -> bool:
        """Whether all marks are in `html`: statements once and in order, values at least once."""
        found = [int(match[1]) for match in _MARK.finditer(html)]
        statements = set(self.statements)
        in_order = [number for number in found if number in statements]
        return in_order == self.statements and set(found) == set(range(self.inside))


def has_mark(text: str) -> bool:
    """Whether a piece of marked HTML has a template part in it."""
    return _MARK.search(text) is not None


def chunks(environment: ContentEnvironment, source: str) -> Iterable[tuple[str, str]]:
    """`("data" | "value" | "statement", text)` in order; comments of the language are left out.

    The source must have been parsed before.
    """
    kinds = {"variable": "value", "raw": "value", "block": "statement", "comment": "comment"}
    open_kind, held = "", ""
    for _line, kind, text in environment.lex(source):
        name, _, edge = kind.rpartition("_")
        if not open_kind and kind == "data":
            yield "data", text
        elif not open_kind:
            open_kind, held = name, text
        else:
            held += text
            if edge == "end" and name == open_kind:
                if name != "comment":
                    yield kinds[name], held
                open_kind, held = "", ""


def protect(source: str) -> Marked:
    """Replace every template part of an HTML source by a mark."""
    marked = Marked("")
    state = _State()
    pieces: list[str] = []
    for kind, text in chunks(HTML, source):
        if kind == "data":
            state.read(text)
            pieces.append(text)
        elif kind == "statement":
            marked.statements.append(len(marked.sources))
            pieces.append(state.wrap(marked.mark(text)))
        else:
            pieces.append(marked.mark(text))
    marked.html = "".join(pieces)
    marked.inside = len(marked.sources)
    return marked


def protect_text(source: str, marked: Marked, environment: ContentEnvironment = TEXT) -> str:
    """Replace every template part of a plain text by a mark of `marked`; returns the text."""
    return "".join(
        text if kind == "data" else marked.mark(text) for kind, text in chunks(environment, source)
    )


class _State:
    """Where in the HTML we are: between tags, in a tag, in a quoted value, a comment, a style."""

    def __init__(self) -> None:
        self._where = "text"
        self._tag = ""

    def wrap(self, mark: str) -> str:
        """A mark in the form that a parser leaves in place here."""
        if self._where == "text":
            return f"<!--{mark}-->"
        if self._where == "style":
            return f"/*{mark}*/"
        return f" {mark} " if self._where == "tag" else mark

    def read(self, text: str) -> None:
        """Move on over a piece of HTML."""
        position = 0
        while position < len(text):
            position = self._step(text, position)

    def _step(self, text: str, at: int) -> int:
        if self._where == "text":
            return self._find_tag(text, at)
        if self._where == "comment":
            return self._until(text, at, "-->")
        if self._where in _RAW_TAGS:
            return self._until(text, at, f"</{self._where}")
        if self._where in "\"'":
            end = text.find(self._where, at)
            if end >= 0:
                self._where = "tag"
            return len(text) if end < 0 else end + 1
        return self._in_tag(text, at)

    def _find_tag(self, text: str, at: int) -> int:
        found = _TAG_BEGINS.search(text, at)
        if not found:
            return len(text)
        self._where = "comment" if found[0] == "<!--" else "tag"
        self._tag = "" if found[0].startswith("</") else (found[1] or "").lower()
        return found.end()

    def _in_tag(self, text: str, at: int) -> int:
        found = _TAG_GOES_ON.search(text, at)
        if not found:
            return len(text)
        if found[0] == ">":
            self._where = self._tag if self._tag in _RAW_TAGS else "text"
        else:
            self._where = found[0]
        return found.end()

    def _until(self, text: str, at: int, end: str) -> int:
        found = re.compile(end, re.IGNORECASE).search(text, at)
        if not found:
            return len(text)
        self._where = "text" if end == "-->" else "tag"
        self._tag = ""
        return found.end()


def inline_styles(marked: Marked) -> str | None:
    """The marked HTML with its style sheets moved into style attributes.

    At-rules (`@media`) stay in a style element. None when a template part would be lost or moved.
    """
    if any(_is_conditional(tag[0]) for tag in _TAG.finditer(marked.html)):
        return None
    try:
        html = _INLINER.inline(marked.html)
    except (css_inline.InlineError, ValueError):
        return None
    if "<tbody" not in marked.html.lower():
        # The parser adds it in places where a loop begins outside and ends inside.
        html = re.sub(r"</?tbody>", "", html)
    return html if marked.survived(html) else None


def _is_conditional(tag: str) -> bool:
    """Whether attributes of this tag depend on a statement in a way that inlining would break."""
    if "hrld" not in tag:
        return False
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", '""', tag)
    if not _MARK.search(re.sub(r"=\s*hrld\d+q", "", bare)):
        return False
    names = re.findall(r"\s([a-z][\w:-]*)\s*=", bare.lower())
    return "style" in names or len(names) != len(set(names))


def nesting(html: str) -> int:
    """About how deep elements stand in each other, at most; a table counts for its row and cell.

    The inliner works recursively and would end the process on HTML that is nested thousands deep.
    Elements whose end tag may be left out do not count, except inside SVG, where they nest.
    """
    ignored = _VOID if _FOREIGN.search(html) else _VOID | _ENDS_BY_ITSELF
    open_tags: dict[str, int] = {}
    depth = deepest = 0
    for match in _TAG_NAME.finditer(html):
        name = match[2].lower()
        if name in ignored:
            continue
        weight = 4 if name == "table" else 1
        if not match[1]:
            open_tags[name] = open_tags.get(name, 0) + 1
            depth += weight
            deepest = max(deepest, depth)
        elif open_tags.get(name):
            open_tags[name] -= 1
            depth -= weight
    return deepest


def prepend(html: str, piece: str) -> str:
    """Put a piece at the start of the body."""
    found = _BODY.search(html)
    at = found.end() if found else 0
    return html[:at] + piece + html[at:]


def append(html: str, piece: str) -> str:
    """Put a piece at the end of the body."""
    at = html.lower().rfind("</body")
    return html + piece if at < 0 else html[:at] + piece + html[at:]
