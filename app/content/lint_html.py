"""Lint of an e-mail's HTML: images, links, size, the way out, styles that get lost."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from app.content import links, markup, syntax
from app.content.compile import read
from app.content.problems import Problem, Severity

MOST: Final = 50  # findings of one kind; each costs a walk through the text
GMAIL_CLIP: Final = 102 * 1024
_IMAGE: Final = re.compile(r"<img\b" + markup.REST_OF_TAG, re.IGNORECASE)
_SRC: Final = re.compile(r"\ssrc\s*=\s*[\"']?([^\"'\s>]+)", re.IGNORECASE)
_ALT: Final = re.compile(r"\salt\s*=", re.IGNORECASE)
_SCHEME: Final = re.compile(r"(?:https?://[^/\s]+|mailto:|tel:|sms:|#|\{\{|hrld\d)", re.IGNORECASE)
_FORBIDDEN: Final = re.compile(r"<(script|iframe|form|object|embed|link)\b", re.IGNORECASE)
_UNSUBSCRIBE: Final = ("unsubscribe_url", "preferences_url")


def check(content: Mapping[str, Any], klass: str) -> Iterator[Problem]:
    """Problems of the e-mail's HTML (and of its way out, wherever that is)."""
    email = content.get("email") or {}
    html = str(email.get("html") or "")
    if klass == "marketing" and email and not _has_way_out(email):
        message = (
            "Marketing mail needs a way out: "
            'put <a href="{{ unsubscribe_url }}">Unsubscribe</a> in it.'
        )
        yield Problem("error", "email", "html", 0, "no_unsubscribe", message)
    if not html:
        return
    for look in (_images, _links, _elements):
        yield from islice(look(html), MOST)
    yield from _weight(html)


def _has_way_out(email: Mapping[str, Any]) -> bool:
    html, text = str(email.get("html") or ""), str(email.get("text") or "")
    shown = [part for part in (html, text) if part]
    return all(any(name in part for name in _UNSUBSCRIBE) for part in shown)


def _images(html: str) -> Iterator[Problem]:
    for match in _IMAGE.finditer(html):
        line = _line(html, match.start())
        if not _ALT.search(match[0]):
            message = "This image has no alt text; screen readers would read its file name."
            fix = (match[0], match[0].replace("<img", '<img alt=""', 1))
            yield Problem("warning", "email", "html", line, "no_alt", message, fix)
        source = _SRC.search(match[0])
        if source and not source[1].startswith(("https://", "{{", "data:", "cid:")):
            secure = source[1].startswith("http://")
            message = (
                "Load images over https; many mailboxes block http."
                if secure
                else "An image in a mail needs a full address with https://."
            )
            severity: Severity = "warning" if secure else "error"
            yield Problem(severity, "email", "html", line, "image_address", message)


def _links(html: str) -> Iterator[Problem]:
    for match in links.anchors(html):
        target = match.target
        line = _line(html, match.start)
        if not target or target == "#":
            message = "This link leads nowhere."
            yield Problem("warning", "email", "html", line, "empty_link", message)
        elif not _SCHEME.match(target) and not target.startswith("{%"):
            message = f"This link has no host: {target[:60]}. Write it in full, with https://."
            fix = None
            if re.match(r"[\w-]+(\.[\w-]+)*\.[a-z]{2,}(/|$)", target):
                fix = (f'"{target}"', f'"https://{target}"')
            yield Problem("error", "email", "html", line, "link_without_host", message, fix)


def _elements(html: str) -> Iterator[Problem]:
    for match in _FORBIDDEN.finditer(html):
        name = match[1].lower()
        message = f"<{name}> does not work in mail; mailboxes remove it."
        severity: Severity = "error" if name == "script" else "warning"
        line = _line(html, match.start())
        yield Problem(severity, "email", "html", line, "element_not_in_mail", message)


def _weight(html: str) -> Iterator[Problem]:
    try:
        read("html", html)
    except syntax.Refused:
        return
    inlined = markup.inline_styles(markup.protect(html))
    if inlined is None:
        message = (
            "Styles could not be moved into the elements, because a template part stands where "
            "HTML does not allow it. Some mailboxes will ignore the style sheet."
        )
        yield Problem("warning", "email", "html", 0, "styles_stay", message)
    size = len((inlined or html).encode())
    if size > GMAIL_CLIP:
        message = f"The mail has {size // 1024} KB; Gmail cuts it off after 102 KB."
        yield Problem("warning", "email", "html", 0, "too_heavy", message)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
