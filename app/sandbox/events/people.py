"""People who read: they load the pictures of a message and follow a link in it, for real."""

import html
import random
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from app.sandbox import letters
from app.sandbox.events.poster import Post
from app.sandbox.letters import Letter
from app.sandbox.wire import Call

_IMAGE: Final = re.compile(r"""<img\b[^>]*?\bsrc\s*=\s*["']([^"']+)""", re.IGNORECASE)
_LINK: Final = re.compile(r"""<a\b[^>]*?\bhref\s*=\s*["']([^"']+)""", re.IGNORECASE)
_PLAIN_LINK: Final = re.compile(r"https?://[^\s<>\"']+")
_BROWSERS: Final = (
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1"
    ),
    (
        "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/141.0.0.0 Mobile Safari/537.36"
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/141.0.0.0 Safari/537.36"
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/19.1 Safari/605.1.15"
    ),
)


def letter_of(call: Call, at: int) -> Letter | None:
    """What the reader at this place of an accepted call has before them."""
    facts: dict[str, Any] = call.facts
    if "mail" in facts:
        return letters.from_mail(facts["mail"], at)
    if "mime" in facts:
        return letters.from_mime(facts["mime"])
    return Letter("sms", text=facts["Body"]) if "Body" in facts else None


def visits(
    letter: Letter, callback_url: str, dice: random.Random, *, opens: bool, clicks: bool
) -> Iterator[Post]:
    """The requests one reader's browser makes; only our own pixel and links are visited."""
    headers = (
        ("User-Agent", dice.choice(_BROWSERS)),
        ("Accept", "text/html,image/avif,image/webp,*/*;q=0.8"),
        ("Accept-Language", "en-GB,en;q=0.9"),
    )
    if opens:
        for path in _paths(_IMAGE.findall(letter.html), "/o/"):
            yield Post(callback_url + path, b"", headers, method="GET")
    links = _LINK.findall(letter.html) or _PLAIN_LINK.findall(letter.text)
    ours = _paths(links, "/c/")
    if clicks and ours:
        yield Post(callback_url + dice.choice(ours), b"", headers, method="GET")


def _paths(urls: list[str], prefix: str) -> list[str]:
    """Path and query of the addresses under a prefix of Herald's."""
    found = []
    for url in urls:
        try:
            parts = urlsplit(html.unescape(url))
        except ValueError:
            continue
        if parts.path.startswith(prefix):
            found.append(f"{parts.path}?{parts.query}" if parts.query else parts.path)
    return found
