"""The shape of a content as it comes in: known channels and fields, texts of a sane size."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.content.compile import CHANNELS, FIELDS
from app.content.problems import CannotCompile, Problem
from app.errors import FieldError, Invalid

LONGEST: Final[Mapping[str, int]] = {
    "subject": 1_000,
    "preheader": 1_000,
    "html": 300_000,
    "text": 200_000,
    "body": 10_000,
    "title": 1_000,
    "subtitle": 1_000,
    "image": 2_000,
    "url": 2_000,
}
MAX_DATA_KEYS: Final = 50
MAX_SAMPLE_BYTES: Final = 100_000
# Keys that the push services or Herald itself use.
RESERVED_DATA: Final = frozenset({"t", "nid", "aps", "from", "message_type", "url", "image"})

Content = dict[str, Any]


def clean(raw: Mapping[str, Any]) -> Content:
    """The content with only what it says: empty fields and channels are left out.

    Raises Invalid with a JSON pointer per wrong field (`/email/subject`).
    """
    problems: list[FieldError] = []
    content: Content = {}
    for channel, part in raw.items():
        if channel not in CHANNELS:
            message = f"{channel} is not a channel; there are email, sms, ios and android."
            problems.append(FieldError(f"/{channel}", "unknown_field", message))
        elif not isinstance(part, Mapping):
            problems.append(FieldError(f"/{channel}", "invalid_type", "This must be an object."))
        else:
            content[channel] = _clean_part(channel, part, problems)
    if problems:
        raise Invalid(problems)
    return {channel: content[channel] for channel in CHANNELS if content.get(channel)}


def _clean_part(
    channel: str, part: Mapping[str, Any], problems: list[FieldError]
) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in part.items():
        pointer = f"/{channel}/{name}"
        if name == "data" and channel in ("ios", "android"):
            data = _clean_data(pointer, value, problems)
            if data:
                kept["data"] = data
        elif name not in FIELDS[channel]:
            known = ", ".join(FIELDS[channel])
            message = f"{name} is not a field of {channel}; there are {known}."
            problems.append(FieldError(pointer, "unknown_field", message))
        elif value is None or value == "":
            continue
        elif problem := _text_problem(value, LONGEST[name]):
            problems.append(FieldError(pointer, *problem))
        else:
            kept[name] = value.replace("\r\n", "\n")
    return kept


def _text_problem(value: Any, longest: int) -> tuple[str, str] | None:
    if not isinstance(value, str):
        return "invalid_type", "This must be a text."
    if len(value) > longest:
        return "too_long", f"This is longer than {longest:,} characters."
    if "\x00" in value:
        return "invalid_character", "This holds a NUL character, which cannot be stored."
    return None


def _clean_data(pointer: str, value: Any, problems: list[FieldError]) -> dict[str, str]:
    if value in (None, "", {}):
        return {}
    if not isinstance(value, Mapping):
        problems.append(FieldError(pointer, "invalid_type", "Data must be names with texts."))
        return {}
    if len(value) > MAX_DATA_KEYS:
        message = f"Data may have at most {MAX_DATA_KEYS} names."
        problems.append(FieldError(pointer, "too_long", message))
    for name, text in value.items():
        if name in RESERVED_DATA:
            message = f"The name {name} is used by Herald or the push service; choose another."
            problems.append(FieldError(f"{pointer}/{name}", "invalid_choice", message))
        elif problem := _text_problem(text, LONGEST["url"]):
            problems.append(FieldError(f"{pointer}/{name}", *problem))
    return {str(name): text for name, text in value.items() if isinstance(text, str)}


def clean_sample(raw: Any) -> dict[str, Any]:
    """Sample data: a JSON object of sane size. Raises Invalid at `/sample_data`."""
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        message = "Sample data must be a JSON object, such as {}."
        raise Invalid.one("/sample_data", "invalid_type", message)
    if len(orjson.dumps(raw)) > MAX_SAMPLE_BYTES:
        message = f"Sample data is larger than {MAX_SAMPLE_BYTES // 1000} kB."
        raise Invalid.one("/sample_data", "too_long", message)
    return raw


def require_fields(content: Mapping[str, Any]) -> list[Problem]:
    """What each channel cannot do without."""
    found: list[Problem] = []

    def need(channel: str, names: tuple[str, ...], message: str) -> None:
        part = content.get(channel)
        if part is not None and not any(str(part.get(name) or "").strip() for name in names):
            found.append(Problem("error", channel, names[0], 0, "missing_field", message))

    need("email", ("subject",), "The e-mail has no subject.")
    need("email", ("html", "text"), "The e-mail has no content.")
    need("sms", ("body",), "The text message is empty.")
    for channel in ("ios", "android"):
        need(channel, ("title", "body"), "The push notification has neither title nor message.")
    if not content:
        found.append(Problem("error", "email", "", 0, "empty", "There is no content yet."))
    return found


def refuse(problems: list[Problem]) -> None:
    """Raise CannotCompile when there are errors among the problems."""
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise CannotCompile(errors)
