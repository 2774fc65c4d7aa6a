"""An SMTP relay's judgement; the talking is done in `app.sandbox.doors.smtp`.

Recipients such as `ann+bounce@example.org` ask for an answer at RCPT: `bounce` 550 5.1.1,
`blocked` 550 5.7.1, `deferred` 451 4.7.1, `full` 552 5.2.2. Rules may be made for the stages
`ehlo`, `auth`, `mail` and `rcpt`; without a stage they are about the message after its final dot.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from app.sandbox import credentials
from app.sandbox.desk import Desk, suffer
from app.sandbox.faults import Rule
from app.sandbox.tags import tag
from app.sandbox.wire import Answer, Call, Recipient

TAKEN: Final = "250 2.0.0 OK: queued"
_MAGIC: Final = {
    "bounce": "550 5.1.1 The email account that you tried to reach does not exist",
    "blocked": "550 5.7.1 Message refused by policy",
    "deferred": "451 4.7.1 Greylisted, please try again later",
    "full": "552 5.2.2 Mailbox full",
}
_FIELD: Final = re.compile(
    rb"^(message-id|x-herald-id)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)", re.IGNORECASE | re.MULTILINE
)
_HERALD_ID: Final = re.compile(r"<([^@>]+)@")


class Verdict(NamedTuple):
    """What is said, and in which manner: an empty line breaks the session off."""

    line: str
    wait: float = 0.0


class Smtp:
    """What the relay thinks of log-ins, recipients and messages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def knows(self, login: bytes, password: bytes) -> bool:
        """Whether this is our account."""
        return (login, password) == _ACCOUNT

    def ruled(self, stage: str) -> Verdict | None:
        """What a rule for this stage wants; nothing of a message is there to journal."""
        rule = self._desk.faults.pick("smtp", [], stage)
        return Verdict(_scripted(rule)) if rule else None

    def recipient(self, address: str) -> Verdict | None:
        """Why a recipient is refused: by its tag, or by a rule for this stage."""
        line = _MAGIC.get(tag(address), "")
        rule = None
        if not line:
            rule = self._desk.faults.pick("smtp", [Recipient(address)], "rcpt")
            if rule is None:
                return None
            line = _scripted(rule)
        said = line or "421 4.3.0 Breaking off"
        person = Recipient(address)
        call = Call("smtp", "email", Answer(int(said[:3])), False, said[:9], [person])
        self._desk.write_down(call, b"", rule)
        return Verdict(line)

    def message(self, recipients: Sequence[str], body: bytes) -> Verdict:
        """Take the message, unless a rule says otherwise."""
        call = _call(recipients, body)
        rule = self._desk.faults.pick("smtp", call.recipients)
        if rule is None:
            self._desk.write_down(call, body)
            return Verdict(TAKEN)
        line = _scripted(rule)
        if line:
            call = suffer(call, rule, Answer(int(line[:3])))
        self._desk.write_down(call, body, rule)
        late = rule.kind in {"delay", "slow_loris"}
        return Verdict(line or (TAKEN if late else ""), rule.seconds)


_ACCOUNT: Final = (credentials.SMTP_USER.encode(), credentials.SMTP_PASSWORD.encode())


def _call(recipients: Sequence[str], body: bytes) -> Call:
    message_id, notification = _ids(body)
    fingerprint = hashlib.sha256(body).hexdigest()
    people = [Recipient(to, notification, "", fingerprint) for to in recipients]
    return Call("smtp", "email", Answer(250), True, "250", people, message_id, {"mime": body})


def _ids(body: bytes) -> tuple[str, str]:
    """The Message-ID and our own id, which it begins with when there is no header for it."""
    end = body.find(b"\r\n\r\n")
    found: dict[bytes, str] = {}
    for name, value in _FIELD.findall(body, 0, len(body) if end < 0 else end):
        text = value.replace(b"\r\n", b"").strip().decode("ascii", "replace")
        found.setdefault(name.lower(), text)
    message_id = found.get(b"message-id", "")
    ours = _HERALD_ID.search(message_id)
    return message_id, found.get(b"x-herald-id") or (ours[1] if ours else "")


def _scripted(rule: Rule) -> str:
    """The line of a scripted answer; empty for a fault by name."""
    answer = rule.script.get("answer")
    if answer is None:
        return "451 4.7.0 Too much mail from you" if rule.kind == "rate_limit" else ""
    return f"{answer['status']} {answer.get('code') or answer.get('body') or 'Scripted answer'}"
