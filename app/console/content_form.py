"""The part of a content that an editor shows at a time, and reading it from the form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from werkzeug.datastructures import MultiDict

from app.content import shape
from app.errors import Invalid

Content = dict[str, Any]

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("html", "text", "subject"),
    "sms": ("body",),
    "ios": ("push",),
    "android": ("push",),
}
PART_LABELS: Final = {"html": "HTML", "text": "Text", "subject": "Subject"}
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "html": ("html",),
    "text": ("text",),
    "subject": ("subject", "preheader"),
    "body": ("body",),
    "push": ("title", "subtitle", "body", "image", "url"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """What is open in the editor: a channel and one of its parts."""

    channel: str
    part: str

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the text fields shown here."""
        return _FIELDS[self.part]

    @property
    def key(self) -> str:
        """`email.html`: how the place is written in forms and links."""
        return f"{self.channel}.{self.part}"

    def holds(self, channel: str, field: str) -> bool:
        """Whether a field of a problem is in the form here."""
        name = "data" if field.startswith("data.") else field
        here = (*self.fields, "data") if self.part == "push" else self.fields
        return channel == self.channel and name in here


def place(key: str) -> Place:
    """The place of `email.html`; the first one for anything unknown."""
    channel, _, part = key.partition(".")
    if channel not in PARTS:
        return Place("email", "html")
    return Place(channel, part if part in PARTS[channel] else PARTS[channel][0])


def place_of(channel: str, field: str) -> Place:
    """Where a field is edited."""
    for part in PARTS.get(channel, ()):
        if field in _FIELDS[part] or (part == "push" and field.startswith("data")):
            return Place(channel, part)
    return place(channel)


def merge(content: Mapping[str, Any], at: Place, form: "MultiDict[str, str]") -> Content:
    """The content with what was typed at this place; other places stay. Raises Invalid."""
    merged = {channel: dict(part) for channel, part in content.items()}
    part = merged.setdefault(at.channel, {})
    for name in at.fields:
        if name in form:
            part[name] = form[name]
    if at.part == "push" and "data" in form:
        part["data"] = read_data(form["data"])
    return shape.clean(merged)


def read_data(text: str) -> dict[str, str]:
    """Push data from lines `name: value`. Raises Invalid at `/data`."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            message = f"Write data as “name: value”, one per line, not “{line.strip()[:40]}”."
            raise Invalid.one("/data", "invalid_format", message)
        found[name.strip()] = value.strip()
    return found


def write_data(data: Mapping[str, str]) -> str:
    """Push data as lines."""
    return "\n".join(f"{name}: {value}" for name, value in data.items())


def read_sample(text: str | None) -> dict[str, Any] | None:
    """Sample data from JSON; None when the form has none. Raises Invalid at `/sample_data`."""
    if text is None:
        return None
    try:
        return shape.clean_sample(json.loads(text or "{}"))
    except json.JSONDecodeError as error:
        message = f"The sample data is not JSON. Line {error.lineno}: {error.msg}."
        raise Invalid.one("/sample_data", "invalid_format", message) from error
    except RecursionError as error:
        message = "The sample data is nested too deeply."
        raise Invalid.one("/sample_data", "invalid_format", message) from error


def write_sample(data: Mapping[str, Any]) -> str:
    """Sample data as people edit it."""
    return json.dumps(data, indent=2, ensure_ascii=False) if data else "{}"
