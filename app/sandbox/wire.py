"""The words the wires speak: a request comes in, a call is what the provider made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson


@dataclass(slots=True)
class Request:
    """What came over HTTP; header names are lower case, the path has lost its provider prefix."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    query: str = ""


@dataclass(slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Recipient(NamedTuple):
    """One person of a call. `fingerprint` is the SHA-256 of what this person is to read."""

    to: str
    notification: str = ""
    attempt: str = ""
    fingerprint: str = ""


@dataclass(slots=True)
class Call:
    """A provider's verdict on one request, before any scripted fault.

    `verdict` is the answer in a word or two ("202", "410 Unregistered"); `message_id` is the
    provider's own id; `facts` is what the events need to know later.
    """

    provider: str
    channel: str
    answer: Answer
    accepted: bool
    verdict: str
    recipients: list[Recipient] = field(default_factory=list)
    message_id: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def json_answer(
    status: int, value: object, *headers: tuple[str, str], content_type: str = "application/json"
) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, orjson.dumps(value), (("Content-Type", content_type), *headers))


def parse_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in a body, or None when it is anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set of names."""
    return frozenset(text.split())
