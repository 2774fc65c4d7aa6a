"""Which messages share one SendGrid call, and the JSON body of a call (provider contract §1).

Messages of the same shell and sender go together, one personalization each: the shell travels once
and every recipient brings substitutions. All others travel alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from app.channels.base import EmailMessage, EmailShell
from app.channels.headers import substituted, tokens_in

MOST_RECIPIENTS: Final = 500
# "All custom args together" stay below 10,000 bytes; counted as the JSON of a whole call, which is
# the strictest reading.
CUSTOM_ARGS_BYTES: Final = 9_999
_CUSTOM_ARGS_OVERHEAD: Final = len('{"nid":"","att":""},')
# A whole mail stays below 30 MB; the text of a call far below that.
CALL_BYTES: Final = 15_000_000

# Set by SendGrid or by fields of their own: a header of this name makes the call fail.
_RESERVED_HEADERS: Final = frozenset(
    {
        "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type",
        "content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc",
    }
)  # fmt: skip

_TRACKING_OFF: Final = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
}


class Call:
    """Messages (with their places in the send) that go out in one request."""

    __slots__ = ("members",)

    def __init__(self, members: Sequence[tuple[int, EmailMessage]]) -> None:
        self.members = members

    def body(self) -> bytes:
        """The request body. Raises orjson.JSONEncodeError when a text is not valid Unicode."""
        first = self.members[0][1]
        content: EmailShell | EmailMessage = first.shell or first
        payload: dict[str, Any] = {
            "personalizations": self._personalizations(first.shell),
            "from": _address(first.from_email, first.from_name),
            "subject": content.subject,
            "content": _content(content),
            "tracking_settings": _TRACKING_OFF,
        }
        if first.reply_to:
            payload["reply_to"] = {"email": first.reply_to}
        return orjson.dumps(payload)

    def halves(self) -> Iterator["Call"]:
        """The same messages as two calls."""
        middle = len(self.members) // 2
        yield Call(self.members[:middle])
        yield Call(self.members[middle:])

    def _personalizations(self, shell: EmailShell | None) -> list[dict[str, Any]]:
        shared = _SharedHeaders(shell, self.members[0][1].substitutions)
        people = []
        for _, message in self.members:
            person: dict[str, Any] = {
                "to": [_address(message.to, _plain_name(message.to_name))],
                "custom_args": {"nid": message.ref, "att": str(message.attempt)},
            }
            if shell is not None:
                person["substitutions"] = _as_dict(message.substitutions)
            headers = shared.for_message(message)
            if headers:
                person["headers"] = headers
            people.append(person)
        return people


class _SharedHeaders:
    """A shell's headers; which tokens stand in which is found once, not per recipient."""

    def __init__(self, shell: EmailShell | None, substitutions: Mapping[str, str]) -> None:
        headers = _allowed(shell.headers) if shell is not None else {}
        self._plain = headers
        self._dynamic = [
            (name, value, tokens)
            for name, value in headers.items()
            if (tokens := tokens_in(value, substitutions))
        ]

    def for_message(self, message: EmailMessage) -> dict[str, str]:
        if not self._plain:
            return _as_dict(_allowed(message.headers))
        headers = dict(self._plain)
        for name, value, tokens in self._dynamic:
            headers[name] = substituted(value, tokens, message.substitutions)
        if message.headers:
            headers.update(_allowed(message.headers))
        return headers


def plan(messages: Sequence[tuple[int, EmailMessage]]) -> list[Call]:
    """Group what may travel together, within SendGrid's limits and in order."""
    groups: dict[object, list[tuple[int, EmailMessage]]] = {}
    calls = []
    for place, message in messages:
        if message.shell is None:
            calls.append(Call([(place, message)]))
            continue
        sender = (id(message.shell), message.from_email, message.from_name, message.reply_to)
        groups.setdefault(sender, []).append((place, message))
    for members in groups.values():
        calls.extend(Call(part) for part in _portions(members))
    return calls


def _portions(
    members: list[tuple[int, EmailMessage]],
) -> Iterator[list[tuple[int, EmailMessage]]]:
    """Equal parts, each within the limits on recipients and custom arguments."""
    longest = max([len(message.ref) + len(str(message.attempt)) for _, message in members])
    most = min(MOST_RECIPIENTS, CUSTOM_ARGS_BYTES // (longest + _CUSTOM_ARGS_OVERHEAD))
    parts = -(-len(members) // max(1, most))
    size = -(-len(members) // parts)
    for start in range(0, len(members), size):
        yield members[start : start + size]


def _content(content: EmailShell | EmailMessage) -> list[dict[str, str]]:
    """text/plain has to stand before text/html, and neither may be empty."""
    parts = (("text/plain", content.text), ("text/html", content.html))
    return [{"type": kind, "value": value} for kind, value in parts if value]


def _address(email: str, name: str) -> dict[str, str]:
    return {"email": email, "name": name} if name else {"email": email}


def _plain_name(name: str) -> str:
    """SendGrid takes neither `;` nor `,` in a recipient's name."""
    if ";" in name or "," in name:
        return " ".join(name.replace(";", " ").replace(",", " ").split())
    return name


def _allowed(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Nearly always all of them, which are then not copied."""
    if _RESERVED_HEADERS.isdisjoint(map(str.lower, headers)):
        return headers
    return {name: value for name, value in headers.items() if name.lower() not in _RESERVED_HEADERS}


def _as_dict(values: Mapping[str, str]) -> dict[str, str]:
    """orjson writes only real dicts; a copy is made only of what is not one."""
    return values if isinstance(values, dict) else dict(values)
