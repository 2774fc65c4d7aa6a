"""Strict reading of what callers send: one reading of a body, or a clear refusal, never a guess.

Python's JSON takes NaN, lone surrogates and the last of two equal keys; here they are refused.
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import orjson
from flask import request

from app.api.problems import Refused
from app.errors import FieldError

LARGEST_BODY: Final = 5 * 1024 * 1024
DEEPEST: Final = 64
_LARGEST_INTEGER: Final = 2**63
_MOST_NAMED: Final = 100


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
    if _is_storable(document):
        return
    faults = islice(_faults([document], []), _MOST_NAMED)
    wrong = [FieldError(pointer(path[1:]), code, words) for path, code, words in faults]
    raise Refused(422, "Some values cannot be stored.", wrong)


def _is_storable(document: Any) -> bool:
    """Level by level and without paths: a body may hold millions of values."""
    level, sound = [document], True
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is list:
                below += value
            elif kind is dict:
                if any("\x00" in key for key in value):
                    raise Refused(400, "A key must not contain the character NUL.")
                below += value.values()
            elif sound and _fault(value):
                sound = False
        if not below:
            return sound
        level = below
    raise Refused(400, f"JSON may be nested at most {DEEPEST} levels deep.")


def _faults(within: Any, path: list[str | int]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """What is wrong below an object or array: path, code and sentence."""
    for step, value in within.items() if isinstance(within, dict) else enumerate(within):
        if isinstance(value, dict | list):
            path.append(step)
            yield from _faults(value, path)
            path.pop()
        elif fault := _fault(value):
            yield (*path, step), *fault


def _fault(value: Any) -> tuple[str, str] | None:
    """What is wrong with a text or number: code and sentence."""
    if type(value) is str and "\x00" in value:
        return "invalid_character", "The character NUL cannot be stored."
    if type(value) is int and not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
        return "out_of_range", "Numbers have at most 64 bits."
    return None
