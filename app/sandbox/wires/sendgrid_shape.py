"""The shape SendGrid wants a mail to have; words and limits of its Mail Send reference."""

import re
from typing import Any, Final, NamedTuple

from app.sandbox.wire import words

PEOPLE: Final = 1000
CUSTOM_ARGS_BYTES: Final = 10_000
SUBSTITUTIONS: Final = 10_000
_ADDRESS: Final = re.compile(r"[^\s@<>(),;:\\\"\[\]]+@[^\s@.<>]+(\.[^\s@.<>]+)+")
_RESERVED: Final = words(
    "x-sg-id x-sg-eid received dkim-signature content-type content-transfer-encoding to from "
    "subject reply-to cc bcc"
)
_KNOWN: Final = words(
    "personalizations from reply_to reply_to_list subject content attachments template_id headers "
    "categories custom_args send_at batch_id asm ip_pool_name mail_settings tracking_settings "
    "sections"
)
_TEXT: Final = frozenset({str})
_NONE: Final[dict[str, str]] = {}
_USUAL: Final = words("to substitutions custom_args headers")
_INVALID: Final = "Does not contain a valid address."


class Problem(NamedTuple):
    """What is wrong, and with which field."""

    message: str
    field: str


def check_message(mail: dict[str, Any]) -> Problem | None:
    """The first thing wrong with the message as a whole; None when it is fit to be sent."""
    if not mail:
        return Problem("Bad Request", "")
    for check in (_check_people, _check_from, _check_content, _check_extras):
        problem = check(mail)
        if problem is not None:
            return problem
    return _check_custom_args(mail)


def check_person(person: Any) -> Problem | None:
    """The first thing wrong with one personalization; the field is relative to it."""
    if not isinstance(person, dict):
        return Problem("Invalid type. Expected: object.", "")
    if _is_usual(person):
        return None
    to = person.get("to")
    if not isinstance(to, list) or not to:
        return Problem("The to array is required for all personalization objects.", "to")
    for at, address in enumerate(to):
        if not _is_address(address):
            return Problem(_INVALID, f"to.{at}.email")
        name = address.get("name") or ""
        if not isinstance(name, str) or ";" in name or "," in name:
            return Problem("The name may not contain a comma or a semicolon.", f"to.{at}.name")
    return _check_person_parts(person)


def _is_usual(person: dict[str, Any]) -> bool:
    """Whether there is certainly nothing wrong: one address, and texts; else look closely."""
    to = person.get("to")
    if not _USUAL.issuperset(person) or not isinstance(to, list) or len(to) != 1:
        return False
    if not _is_address(to[0]):
        return False
    name = to[0].get("name", "")
    if not isinstance(name, str) or ";" in name or "," in name:
        return False
    headers, swaps = person.get("headers", _NONE), person.get("substitutions", _NONE)
    for texts in (headers, swaps, person.get("custom_args", _NONE)):
        if not isinstance(texts, dict) or not _TEXT.issuperset(map(type, texts.values())):
            return False
    return len(swaps) <= SUBSTITUTIONS and _RESERVED.isdisjoint(map(str.lower, headers))


def _check_person_parts(person: dict[str, Any]) -> Problem | None:
    if "subject" in person and not _is_text(person["subject"]):
        return Problem("The subject must be at least one character.", "subject")
    for name in ("substitutions", "custom_args", "headers"):
        problem = _check_strings(person.get(name), name)
        if problem is not None:
            return problem
    if len(person.get("substitutions") or ()) > SUBSTITUTIONS:
        return Problem("There are too many substitutions.", "substitutions")
    return _check_headers(person.get("headers"))


def _check_people(mail: dict[str, Any]) -> Problem | None:
    people = mail.get("personalizations")
    if not isinstance(people, list) or not people:
        return Problem(
            "The personalizations field is required and must have at least one personalization.",
            "personalizations",
        )
    if len(people) > PEOPLE:
        return Problem("There may be at most 1000 personalizations.", "personalizations")
    total = sum([_recipients(person) for person in people if isinstance(person, dict)])
    if total > PEOPLE:
        return Problem("There may be at most 1000 recipients.", "personalizations")
    return None


def _recipients(person: dict[str, Any]) -> int:
    count = 0
    for name in ("to", "cc", "bcc"):
        found = person.get(name)
        if isinstance(found, list):
            count += len(found)
    return count


def _check_from(mail: dict[str, Any]) -> Problem | None:
    if not _is_address(mail.get("from")):
        return Problem("The from email does not contain a valid address.", "from.email")
    if "reply_to" in mail and "reply_to_list" in mail:
        return Problem("Use either reply_to or reply_to_list, not both.", "reply_to")
    if "reply_to" in mail and not _is_address(mail["reply_to"]):
        return Problem(_INVALID, "reply_to.email")
    return None


def _check_content(mail: dict[str, Any]) -> Problem | None:
    content = mail.get("content")
    if not isinstance(content, list) or not content:
        return Problem("Unless a valid template_id is provided, content is required.", "content")
    types = []
    for at, part in enumerate(content):
        if not isinstance(part, dict) or not _is_text(part.get("type")):
            return Problem("The content type is required.", f"content.{at}.type")
        if not _is_text(part.get("value")):
            return Problem(
                "The content value must be a string at least one character in length.",
                f"content.{at}.value",
            )
        types.append(part["type"])
    if "text/plain" in types and types[0] != "text/plain":
        return Problem("If present, text/plain and text/html must be in that order.", "content")
    return _check_subject(mail)


def _check_subject(mail: dict[str, Any]) -> Problem | None:
    if _is_text(mail.get("subject")):
        return None
    people = [person for person in mail["personalizations"] if isinstance(person, dict)]
    if "subject" not in mail and all(_is_text(person.get("subject")) for person in people):
        return None
    return Problem("The subject is required.", "subject")


def _check_extras(mail: dict[str, Any]) -> Problem | None:
    unknown = set(mail) - _KNOWN
    if unknown:
        name = min(unknown)
        return Problem(f"Additional property {name} is not allowed.", name)
    for check in (_check_categories, _check_settings):
        problem = check(mail)
        if problem is not None:
            return problem
    if "send_at" in mail and not isinstance(mail["send_at"], int):
        return Problem("Invalid type. Expected: integer.", "send_at")
    return (
        _check_strings(mail.get("custom_args"), "custom_args")
        or _check_strings(mail.get("headers"), "headers")
        or _check_headers(mail.get("headers"))
    )


def _check_categories(mail: dict[str, Any]) -> Problem | None:
    categories = mail.get("categories") or []
    if not isinstance(categories, list) or not all(_is_text(name) for name in categories):
        return Problem("Invalid type. Expected: array of strings.", "categories")
    if len(categories) > 10 or len(set(categories)) != len(categories):
        return Problem("There may be at most 10 categories, each once.", "categories")
    return None


def _check_settings(mail: dict[str, Any]) -> Problem | None:
    for group in ("mail_settings", "tracking_settings", "asm"):
        value = mail.get(group) or {}
        if not isinstance(value, dict):
            return Problem("Invalid type. Expected: object.", group)
    for name, value in (mail.get("mail_settings") or {}).items():
        if not isinstance(value, dict):
            return Problem("Invalid type. Expected: object.", f"mail_settings.{name}")
    return None


def _check_custom_args(mail: dict[str, Any]) -> Problem | None:
    """Those of the message and of one personalization together, keys and values."""
    common = _size(mail.get("custom_args"))
    for person in mail["personalizations"]:
        own = _size(person.get("custom_args")) if isinstance(person, dict) else 0
        if common + own >= CUSTOM_ARGS_BYTES:
            return Problem("The custom arguments must be under 10,000 bytes.", "custom_args")
    return None


def _size(args: Any) -> int:
    if not isinstance(args, dict):
        return 0
    return len("".join([*args, *map(str, args.values())]).encode())


def _check_strings(value: Any, field: str) -> Problem | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        return Problem("Invalid type. Expected: object.", field)
    if _TEXT.issuperset(map(type, value.values())):
        return None
    for name, text in value.items():
        if not isinstance(text, str):
            return Problem("Invalid type. Expected: string.", f"{field}.{name}")
    return None


def _check_headers(headers: dict[str, str] | None) -> Problem | None:
    if not headers or _RESERVED.isdisjoint(map(str.lower, headers)):
        return None
    for name in headers:
        if name.lower() in _RESERVED:
            return Problem(f"The header {name} is reserved.", f"headers.{name}")
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_address(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    email = value.get("email")
    return isinstance(email, str) and len(email) <= 320 and bool(_ADDRESS.fullmatch(email))
