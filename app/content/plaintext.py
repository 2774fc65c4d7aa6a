"""The text part of an e-mail, made from its HTML when none was written.

`inscriptis` lays the text out. Layout tables become plain blocks first, so that cells follow each
other instead of standing side by side, and link targets are written after the link's words.
"""

import re
from typing import Final

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig

from app.content.links import NO_TRACK
from app.content.markup import REST_OF_TAG, Marked

_TABLE: Final = re.compile(
    r"<(/?)(?:table|tbody|thead|tfoot|tr|td|th)\b" + REST_OF_TAG, re.IGNORECASE
)
_HIDDEN: Final = ("style", "script", "title")
_LINK: Final = re.compile(r"<a\b" + REST_OF_TAG + r"|</a\s{0,9}>", re.IGNORECASE)
_HREF: Final = re.compile(
    r"\shref\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE
)
_STATEMENT: Final = re.compile(r"<!--(hrld\d+q)-->")
_BETWEEN_BLOCKS: Final = re.compile(r"(?<=>)(\s*+)<!--(hrld\d+q)-->(?=\s*+<)")
_IMAGE: Final = re.compile(r"<img\b" + REST_OF_TAG, re.IGNORECASE)
_ALT: Final = re.compile(r"\salt\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_CONFIG: Final = ParserConfig(css=CSS_PROFILES["strict"].copy())


def from_html(marked: Marked) -> str:
    """Plain text with the marks of the HTML in it."""
    html = _without_comments(marked.html)
    for name in _HIDDEN:
        html = _without(html, re.compile(rf"<{name}\b", re.IGNORECASE), f"</{name}")
    html = _with_targets(html, marked)
    html = _IMAGE.sub(_alternative, html)
    html = _TABLE.sub(lambda match: f"<{match[1]}div>", html)
    html = _BETWEEN_BLOCKS.sub(r"\1<div>\2</div>", html)
    html = _STATEMENT.sub(r"\1", html)
    if not html.strip():
        return ""
    return _tidy(get_text(html, _CONFIG), marked)


def _without_comments(html: str) -> str:
    """Without comments, except those that stand for statements."""
    return _without(html, re.compile(r"<!--(?!hrld\d+q-->)"), "--")


def _without(html: str, begin: re.Pattern[str], end: str) -> str:
    """Without everything from `begin` to the `>` that follows `end`; unclosed: to the very end."""
    closing = re.compile(re.escape(end) + r"\s{0,9}>", re.IGNORECASE)
    kept, at = [], 0
    while found := begin.search(html, at):
        kept.append(html[at : found.start()])
        close = closing.search(html, found.end())
        at = close.end() if close else len(html)
    return "".join([*kept, html[at:]])


def _with_targets(html: str, marked: Marked) -> str:
    """Each link's target in brackets after its words."""
    pieces: list[str] = []
    at, target, words_from = 0, "", 0
    for match in _LINK.finditer(html):
        pieces.append(html[at : match.end()])
        if match[1] is not None:
            target, words_from = _target(match[1], marked), match.end()
        elif target and target not in html[words_from : match.start()]:
            pieces.append(f" ({target}) ")
            target = ""
        at = match.end()
    return "".join([*pieces, html[at:]])


def _target(attributes: str, marked: Marked) -> str:
    found = _HREF.search(attributes)
    target = (found[1] or found[2] or found[3] or "").strip() if found else ""
    if target.startswith("#"):
        return ""
    if target and NO_TRACK.search(attributes):
        return marked.mark(target)  # a mark is never taken for an address to count
    return target


def _alternative(image: re.Match[str]) -> str:
    found = _ALT.search(image[1])
    return (found[1] or found[2] or "") if found else ""


def _tidy(text: str, marked: Marked) -> str:
    """No margins, no more than one empty line, none after a line that will be gone."""
    statements = {f"hrld{number}q" for number in marked.statements}
    kept: list[str] = []
    last = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line or last:
            kept.append(line)
        if line not in statements:
            last = line
    return "\n".join(kept).strip() + "\n"
