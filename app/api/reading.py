"""Strict reading of what callers send: one reading of a body, or a clear refusal, never a guess.

Python's JSON takes NaN, lone surrogates and the last of two equal keys; here they are refused.
"""

import json
from typing import Any, Final

import orjson
from flask import request

from app.api.problems import Refused
from app.errors import FieldError

LARGEST_BODY: Final = 5 * 1024 * 1024
DEEPEST: Final = 64
_LARGEST_INTEGER: Final = 2**63


class _Repeated(ValueError):
    """An object has the same key twice."""


def body() -> Any:
    """The request's JSON document. Raises Refused with 400, 413, 415 or 422."""
    _check_type()
    request.max_content_length = LARGEST_BODY
    raw = request.get_data(cache=False)
    if not raw.strip():
        raise Refused(400, "The body is empty; send a JSON document.")
    try:
        orjson.loads(raw)
        found = json.loads(raw, object_pairs_hook=_unique)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"The body is not valid JSON: {error}.") from error
    except _Repeated as error:
        raise Refused(400, str(error)) from error
    except (RecursionError, ValueError) as error:
        raise Refused(400, f"JSON may be nested at most {DEEPEST} levels deep.") from error
    _inspect(found)
    return found


def pointer(path: tuple[str | int, ...]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def _check_type() -> None:
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise Refused(415, "Send JSON, with Content-Type: application/json.")
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8"):
        raise Refused(415, "JSON is always UTF-8; leave the charset out.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "Compressed bodies are not taken; send the JSON as it is.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Repeated(f"The key {key[:80]!r} is given twice in the same object.")
            seen.add(key)
    return found


def _inspect(document: Any) -> None:
    """Refuse what PostgreSQL cannot keep, and what is nested without end."""
    wrong: list[FieldError] = []
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > DEEPEST:
            raise Refused(400, f"JSON may be nested at most {DEEPEST} levels deep.")
        if isinstance(value, dict):
            for key, inner in value.items():
                if "\x00" in key:
                    raise Refused(400, "A key must not contain the character NUL.")
                waiting.append(((*path, key), inner))
        elif isinstance(value, list):
            waiting.extend(((*path, index), inner) for index, inner in enumerate(value))
        else:
            wrong += _inspect_leaf(path, value)
    if wrong:
        raise Refused(422, "Some values cannot be stored.", wrong)


def _inspect_leaf(path: tuple[str | int, ...], value: Any) -> list[FieldError]:
    if isinstance(value, str) and "\x00" in value:
        message = "The character NUL cannot be stored."
        return [FieldError(pointer(path), "invalid_character", message)]
    if type(value) is int and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        return [FieldError(pointer(path), "out_of_range", "Numbers have at most 64 bits.")]
    return []
