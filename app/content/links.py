"""Links: which of them are counted, and under which number.

A link is counted when its target is fixed text with a host. What differs per person (the
unsubscribe and preference addresses above all), `mailto:` and `tel:` are left as they are, and so
is a link with `data-track="no"`.
"""

import html
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from app.content.markup import REST_OF_TAG, has_mark
from app.content.syntax import Refused

_ANCHOR: Final = re.compile(r"<(a|area|v:roundrect)\b" + REST_OF_TAG, re.IGNORECASE)
_HREF: Final = re.compile(r"(\shref\s{0,9}=\s{0,9})(\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE)
NO_TRACK: Final = re.compile(r"\sdata-track\s*=\s*[\"']?no\b", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")
_CLOSE: Final = re.compile(r"</a\b", re.IGNORECASE)
_ALT: Final = re.compile(r"<img\b[^<>]*\salt\s*=\s*[\"']([^\"']*)", re.IGNORECASE)
_TEXT_URL: Final = re.compile(r"https?://(?:[^\s<>\"'()]|\([^\s<>\"'()]*\))+", re.IGNORECASE)
_TRAILING: Final = ".,;:!?)]}"
MAX_LINKS: Final = 500
_MAX_URL: Final = 2_000
_LONGEST_LABEL: Final = 3_000  # characters between <a …> and </a>


@dataclass(frozen=True, slots=True)
class CompiledLink:
    """A counted target: `/c/<token>/<number>` leads to `url`."""

    number: int
    url: str
    label: str


@dataclass(slots=True)
class LinkTable:
    """Targets of one version in order of appearance; the same target has one number.

    `known` are numbers given before (`url -> number`): what was mailed once keeps leading there.
    """

    known: Mapping[str, int] = field(default_factory=dict)
    found: dict[str, CompiledLink] = field(default_factory=dict)
    _last: int = 0

    def number(self, url: str, label: str) -> int:
        """The number of a target, new or known."""
        link = self.found.get(url)
        if link is None:
            number = self.known.get(url) or self._next()
            link = self.found[url] = CompiledLink(number, url, label)
        elif label and not link.label:
            self.found[url] = CompiledLink(link.number, url, label)
        return link.number

    def _next(self) -> int:
        if len(self.found) >= MAX_LINKS:
            raise Refused(f"There are more than {MAX_LINKS} different links.", 0)
        if not self._last:
            self._last = max(self.known.values(), default=0)
        self._last += 1
        return self._last


def rewrite_html(marked_html: str, table: LinkTable, address: Callable[[int], str]) -> str:
    """Point counted links of (marked) HTML at `address(number)`."""

    def anchor(match: re.Match[str]) -> str:
        attributes = match[2]
        href = _HREF.search(attributes)
        if not href or NO_TRACK.search(attributes):
            return match[0]
        target = html.unescape(href[2].strip("\"'")).strip()
        if not countable(target):
            return match[0]
        number = table.number(target, _label(marked_html, match.end()))
        changed = attributes[: href.start(2)] + f'"{address(number)}"' + attributes[href.end(2) :]
        return f"<{match[1]}{changed}>"

    return _ANCHOR.sub(anchor, marked_html)


def rewrite_text(marked_text: str, table: LinkTable, address: Callable[[int], str]) -> str:
    """Point counted addresses in (marked) plain text at `address(number)`."""

    def replace(match: re.Match[str]) -> str:
        target = match[0].rstrip(_TRAILING)
        if not countable(target):
            return match[0]
        return address(table.number(target, "")) + match[0][len(target) :]

    return _TEXT_URL.sub(replace, marked_text)


def countable(target: str) -> bool:
    """Whether clicks on this target can be counted: fixed, over http(s), with a host."""
    found = re.match(r"https?://([^/?#\s]+)", target, re.IGNORECASE)
    return bool(found) and not has_mark(target) and len(target) <= _MAX_URL


@dataclass(frozen=True, slots=True)
class Anchor:
    """A link in a source: where it begins and its target as written, template parts included."""

    start: int
    target: str


def anchors(source: str) -> Iterator[Anchor]:
    """Every link of an HTML source."""
    for match in _ANCHOR.finditer(source):
        href = _HREF.search(match[2])
        if href:
            yield Anchor(match.start(), html.unescape(href[2].strip("\"'")).strip())


def _label(marked_html: str, start: int) -> str:
    """What the link shows: its text, else the alternative text of its image."""
    close = _CLOSE.search(marked_html, start, start + _LONGEST_LABEL)
    inside = marked_html[start : close.start()] if close else ""
    text = " ".join(html.unescape(_TAG.sub(" ", inside)).split())
    if not text:
        alt = _ALT.search(inside)
        text = html.unescape(alt[1]).strip() if alt else ""
    return "" if has_mark(text) else text[:80]
