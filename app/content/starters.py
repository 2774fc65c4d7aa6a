"""Beginnings for a new template, so that nobody starts from an empty page."""

from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).parent / "starters"

STARTERS: Final = (
    ("letter", "A simple letter", "Heading, a paragraph, a button; light and dark"),
    ("text", "A short text", "SMS and push, no e-mail"),
    ("blank", "Nothing", "An empty editor"),
)


def content(name: str, title: str) -> dict[str, Any]:
    """The content of a beginning; empty for `blank` and for unknown names."""
    if name == "letter":
        html = (_FOLDER / "letter.html").read_text(encoding="utf-8")
        return {"email": {"subject": title, "preheader": "", "html": html}}
    if name == "text":
        push = {"title": title, "body": "Say it in one sentence."}
        return {"sms": {"body": f"{title}: say it in one sentence."}, "ios": push, "android": push}
    return {}
