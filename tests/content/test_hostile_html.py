"""HTML made to take long: compiling and checking stay quick whatever it looks like."""

import time
from contextlib import suppress

import pytest

from app.content import lint
from app.content.compile import compile_content
from app.content.problems import CannotCompile

SIZE = 200_000


def fill(piece: str, tail: str = "") -> str:
    return piece * (SIZE // len(piece)) + tail


HOSTILE = {
    "unclosed anchors": fill("<a "),
    "anchors in quotes": fill('<a "'),
    "anchors without end": fill('<a href="https://a.example/">'),
    "different links": "".join(f'<a href="https://a.example/{n}">x</a>' for n in range(SIZE // 40)),
    "comments without end": fill("<!--"),
    "comments": fill("<!-- -->"),
    "styles without end": fill("<style"),
    "many styles": fill("<style></style>"),
    "images without end": fill("<img "),
    "images": fill("<img src=x>"),
    "quotes": "<a " + fill("\"'"),
    "single quotes": fill("<p '"),
    "spaces": "<a href" + " " * SIZE,
    "spaces in a link": '<a href="' + " " * SIZE + '">x</a>',
    "spaces between statements": fill("{% if a %}" + " " * 1000 + "{% endif %}"),
    "brackets": "https://" + "(" * SIZE,
    "open tags": fill("<div>"),
    "tables": fill("<table><tr><td>"),
    "less than": "<" * SIZE,
    "braces": "{" * SIZE,
    "bodies": fill("<body "),
    "bold": fill("<b><i>"),
    "rows in a drawing": "<svg>" + fill("<tr>"),
    "end tags that end nothing": fill("<div></p>"),
    "end tags out of reach": fill("<div><table></div>"),
    "fonts around blocks": fill("<font><div></font>"),
    "lists": fill("<ul><li>"),
    "paragraphs": fill("<p>"),
    "buttons": fill("<p><button>"),
    "templates": fill("<template><tr>"),
    "selects": fill("<select><option>"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_html_is_compiled_or_refused_quickly(name: str) -> None:
    content = {"email": {"subject": "x", "preheader": "y", "html": HOSTILE[name]}}
    started = time.process_time()
    lint.check(content, "marketing", {})
    with suppress(CannotCompile):
        compile_content(content, "http://herald.test")
    assert time.process_time() - started < 10
