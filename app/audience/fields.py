"""What may be kept about a person: checks field by field, the same for API, console and import.

`check` turns what came in into a clean change; absent fields stay absent, None means "clear".
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from app.audience import addresses, places
from app.errors import FieldError

FIELDS: Final = (
    "email",
    "phone",
    "first_name",
    "last_name",
    "locale",
    "country",
    "timezone",
    "attributes",
    "tags",
)
EXTERNAL_ID_MAX: Final = 200
NAME_MAX: Final = 200
TAGS_MAX: Final = 100
TAG_MAX: Final = 64
ATTRIBUTES_MAX: Final = 200
ATTRIBUTES_BYTES: Final = 32_768
TEXT_MAX: Final = 4096
LIST_MAX: Final = 100

ATTRIBUTE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
# PostgreSQL stores no NUL; a lone surrogate is half a character and cannot be encoded.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

Refuse = Callable[[str, str, str], None]


def check(
    change: Mapping[str, Any], pointer: str = "", country: str | None = None
) -> tuple[dict[str, Any], list[FieldError]]:
    """Normalise a change of one contact.

    Returns the fields that are fine and an error for each that is not; `pointer` is put before
    the field names. A phone number without a code is read as one of the change's country, or else
    of `country`, where the person is known to live.
    """
    errors: list[FieldError] = []
    clean: dict[str, Any] = {}

    def refuse(field: str, code: str, message: str) -> None:
        errors.append(FieldError(f"{pointer}/{field}", code, message))

    for name, value in change.items():
        if name not in FIELDS:
            refuse(name, "unknown_field", f"People have no field called {name[:64]!r}.")
        elif name != "phone":
            _put(clean, name, value, refuse)
    if "phone" in change:
        _put_phone(clean, change["phone"], clean.get("country") or country, refuse)
    return clean, errors


def check_external_id(value: object) -> str | None:
    """Why this cannot be an external id, or None when it can."""
    if not isinstance(value, str) or not value.strip():
        return "The external id must be a text that is not empty."
    if len(value) > EXTERNAL_ID_MAX:
        return f"The external id is longer than {EXTERNAL_ID_MAX} characters."
    if "\ufffd" in value:  # %FC in an address: every such id would be the same person
        return "The external id has a broken character; addresses are percent-encoded as UTF-8."
    return unstorable(value)


def unstorable(value: str) -> str | None:
    """Why this text cannot be stored byte for byte, or None when it can."""
    found = _UNSTORABLE.search(value)
    if found is None:
        return None
    which = "NUL" if found[0] == "\x00" else "broken"
    return f"The text has a {which} character at position {found.start() + 1}."


def _put(clean: dict[str, Any], name: str, value: object, refuse: Refuse) -> None:
    if value is None:
        clean[name] = None
    elif name == "tags":
        _put_tags(clean, value, refuse)
    elif name == "attributes":
        _put_attributes(clean, value, refuse)
    elif not isinstance(value, str):
        refuse(name, "invalid_type", f"{_LABELS[name]} must be a text.")
    elif problem := unstorable(value):
        refuse(name, "invalid_character", problem)
    elif not value.strip():
        clean[name] = None
    else:
        _put_text(clean, name, value, refuse)


def _put_text(clean: dict[str, Any], name: str, value: str, refuse: Refuse) -> None:
    if name == "email":
        verdict = addresses.email(value)
        if verdict.ok:
            clean[name] = verdict.value
        else:
            refuse(name, verdict.code, verdict.message)
    elif name in _PLACES:
        normal = _PLACES[name](value)
        if normal is None:
            refuse(name, f"invalid_{name}", PLACE_WORDS[name])
        else:
            clean[name] = normal
    elif len(value) > NAME_MAX:
        refuse(name, "too_long", f"{_LABELS[name]} is longer than {NAME_MAX} characters.")
    else:
        clean[name] = value.strip()


def _put_phone(clean: dict[str, Any], value: object, country: str | None, refuse: Refuse) -> None:
    if value is None or (isinstance(value, str) and not value.strip()):
        clean["phone"] = None
    elif not isinstance(value, str):
        refuse("phone", "invalid_type", "The phone number must be a text such as +44 7911 123456.")
    else:
        verdict = addresses.phone(value, country)
        if verdict.ok:
            clean["phone"] = verdict.value
        else:
            refuse("phone", verdict.code, verdict.message)


def _put_tags(clean: dict[str, Any], value: object, refuse: Refuse) -> None:
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        refuse("tags", "invalid_type", "Tags must be a list of texts.")
        return
    if len(value) > TAGS_MAX:
        refuse("tags", "too_many", f"A person can have at most {TAGS_MAX} tags.")
        return
    problem = next((words for tag in value if (words := tag_problem(tag))), None)
    if problem:
        refuse("tags", "invalid_tag", problem)
    else:
        clean["tags"] = sorted({tag.strip() for tag in value if tag.strip()})


def tag_problem(tag: str) -> str | None:
    """Why this cannot be a tag, or None when it can."""
    if len(tag) > TAG_MAX:
        return f"A tag is longer than {TAG_MAX} characters."
    return unstorable(tag)


def _put_attributes(clean: dict[str, Any], value: object, refuse: Refuse) -> None:
    if not isinstance(value, Mapping):
        refuse("attributes", "invalid_type", "Attributes must be an object of names and values.")
        return
    if len(value) > ATTRIBUTES_MAX:
        refuse("attributes", "too_many", f"At most {ATTRIBUTES_MAX} attributes can be set at once.")
        return
    kept: dict[str, Any] = {}
    for name, item in value.items():
        problem = _name_problem(name) or value_problem(item)
        if problem:
            refuse(f"attributes/{_escape(name)}", "invalid_attribute", problem)
        else:
            kept[name] = item
    if len(orjson.dumps(kept)) > ATTRIBUTES_BYTES:
        refuse("attributes", "too_large", "The attributes of a person may have at most 32 kB.")
        return
    clean["attributes"] = kept


def _name_problem(name: object) -> str | None:
    if isinstance(name, str) and ATTRIBUTE_NAME.fullmatch(name):
        return None
    return (
        "The name of an attribute begins with a letter and has only letters, digits and "
        "underscores, at most 64 of them."
    )


def value_problem(value: object) -> str | None:
    """Why this cannot be the value of an attribute, or None when it can."""
    if isinstance(value, list):
        if len(value) > LIST_MAX:
            return f"A list may have at most {LIST_MAX} values."
        return next((words for item in value if (words := _scalar_problem(item))), None)
    return _scalar_problem(value)


def _scalar_problem(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return None if -(1 << 63) <= value < 1 << 63 else "The number is too large."
    if isinstance(value, float):
        return None if math.isfinite(value) else "The number is not finite."
    if isinstance(value, str):
        if len(value) > TEXT_MAX:
            return f"The text is longer than {TEXT_MAX} characters."
        return unstorable(value)
    return "An attribute is a text, a number, true or false, or a list of these."


def _escape(name: object) -> str:
    """A JSON pointer token (RFC 6901) that is not longer than a line."""
    safe = _UNSTORABLE.sub("?", str(name)[:64])
    return safe.replace("~", "~0").replace("/", "~1")


_LABELS: Final = {
    "email": "The e-mail address",
    "first_name": "The first name",
    "last_name": "The last name",
    "locale": "The locale",
    "country": "The country",
    "timezone": "The time zone",
}
_PLACES: Final[Mapping[str, Callable[[str], str | None]]] = {
    "locale": places.locale,
    "country": places.country,
    "timezone": places.timezone,
}
PLACE_WORDS: Final = {
    "locale": "This is not a locale. Write a language and perhaps a region, such as de or de-AT.",
    "country": "This is not a country. Write its two-letter ISO code, such as GB.",
    "timezone": "This is not a time zone. Write its IANA name, such as Europe/Berlin.",
}
