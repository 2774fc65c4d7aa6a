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
from app.content.markup import Marked

_TABLE: Final = re.compile(r"<(/?)(?:table|tbody|thead|tfoot|tr|td|th)\b[^>]*>", re.IGNORECASE)
_HIDDEN: Final = re.compile(r"<(style|script|title)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_OPEN_LINK: Final = re.compile(
    r"<a\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*?\shref\s*=\s*(?:\"([^\"]*)\"|'([^']*)')"
    r"(?:[^>\"']|\"[^\"]*\"|'[^']*')*>(.*?)</a\s*>",
    re.IGNORECASE | re.DOTALL,
)
_STATEMENT: Final = re.compile(r"<!--(hrld\d+q)-->")
_BETWEEN_BLOCKS: Final = re.compile(r"(?<=>)(\s*)<!--(hrld\d+q)-->(?=\s*<)")
_COMMENT: Final = re.compile(r"<!--(?!hrld\d+q-->).*?-->", re.DOTALL)
_IMAGE: Final = re.compile(
    r"<img\b[^>]*?\salt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')[^>]*>", re.IGNORECASE
)
_CONFIG: Final = ParserConfig(css=CSS_PROFILES["strict"].copy())


def from_html(marked: Marked) -> str:
    """Plain text with the marks of the HTML in it."""
    html = _HIDDEN.sub("", _COMMENT.sub("", marked.html))
    html = _OPEN_LINK.sub(lambda match: _with_target(match, marked), html)
    html = _IMAGE.sub(lambda match: match[1] or match[2] or "", html)
    html = _TABLE.sub(lambda match: f"<{match[1]}div>", html)
    html = _BETWEEN_BLOCKS.sub(r"\1<div>\2</div>", html)
    html = _STATEMENT.sub(r"\1", html)
    if not html.strip():
        return ""
    return _tidy(get_text(html, _CONFIG), marked)


def _with_target(match: re.Match[str], marked: Marked) -> str:
    target = match[1] or match[2] or ""
    words = match[3]
    if NO_TRACK.search(match[0][: match.start(3) - match.start()]):
        target = marked.mark(target)  # a mark is never taken for an address to count
    if not target or target.startswith("#") or target in words:
        return words
    return f"{words} ({target}) "


def _tidy(text: str, marked: Marked) -> str:
    """No margins, no more than one empty line, none after a line that will be gone."""
    statements = {f"hrld{number}q" for number in marked.statements}
    kept: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        last = next((one for one in reversed(kept) if one not in statements), "")
        if line or last:
            kept.append(line)
    return "\n".join(kept).strip() + "\n"
