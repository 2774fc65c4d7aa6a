"""What an SMTP reply means, by the stage it came at (provider contract §6, RFC 3463)."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from app.channels.base import Concern, Outcome, Result
from app.channels.exchange import Row

# Postfix's own pauses: 300 s at first, doubled each time, 4000 s at most.
GREYLIST_PAUSE: Final = timedelta(seconds=300)
LONGEST_PAUSE: Final = timedelta(seconds=4000)
# At the beginning of a line (RFC 2034), of whichever; some servers put a sign before it.
_ENHANCED: Final = re.compile(r"^[#(\[]?([245]\.\d{1,3}\.\d{1,3})\b", re.MULTILINE)


class Stage(StrEnum):
    """Where in the session a reply came."""

    OPEN = "open"  # greeting and EHLO
    LOGIN = "login"  # STARTTLS and AUTH
    SENDER = "sender"  # MAIL FROM
    RECIPIENT = "recipient"  # RCPT TO
    CONTENT = "content"  # DATA, before the first byte of the message
    END = "end"  # after the final dot


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; `text` is its lines without the codes, joined by newlines."""

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        """`5.1.1`, or an empty string."""
        found = _ENHANCED.search(self.text)
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.code} {self.enhanced}".strip()


_DEAD: Final = Row(Outcome.RECIPIENT_DEAD, "The mail server knows no such mailbox.")
_FULL: Final = Row(Outcome.REJECTED, "The mailbox is full or disabled.", concern=Concern.FULL)
_CONTENT: Final = Row(Outcome.REJECTED, "The mail server refused the content or its size.")
_POLICY: Final = Row(
    Outcome.REJECTED, "The mail server's policy refused the message.", concern=Concern.POLICY
)
_SENDER: Final = Row(
    Outcome.CONFIG_ERROR, "The mail server does not accept the sender's address.", "lane"
)
_LOGIN: Final = Row(
    Outcome.CONFIG_ERROR, "The mail server does not accept the user name and password.", "lane"
)
_CLOSED: Final = Row(Outcome.CONFIG_ERROR, "The mail server refuses to talk to Herald.", "lane")
_LATER: Final = Row(Outcome.RETRY, "The mail server asks to try again later.")
_CLOSING: Final = Row(Outcome.RETRY, "The mail server closed the connection.")
_SYNTAX: Final = Row(
    Outcome.REJECTED, "The mail server did not understand Herald.", concern=Concern.ADAPTER
)
_REFUSED: Final = Row(Outcome.REJECTED, "The mail server refused the message.")

LOGIN_CODES: Final = frozenset({530, 534, 535, 538})
SYNTAX_CODES: Final = frozenset({500, 501, 502, 503, 504, 555})
NO_MAILBOX_CODES: Final = frozenset({550, 551, 553})

# Enhanced codes that mean the same at every stage but the recipient's own.
BY_ENHANCED: Final[dict[str, Row]] = {
    "5.1.7": _SENDER,
    "5.1.8": _SENDER,
    "5.2.1": _FULL,
    "5.2.2": _FULL,
    "5.3.4": _CONTENT,
}
NO_MAILBOX: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
BY_CLASS: Final[dict[str, Row]] = {"5.6": _CONTENT, "5.7": _POLICY}


def judge(stage: Stage, reply: Reply, now: datetime, attempt: int = 1) -> Result:
    """The Result for a reply that is not a success to the message's `attempt`th try."""
    row = _row(stage, reply)
    not_before = now + _pause(attempt) if row is _LATER else None
    return Result(
        row.outcome, None, str(reply), row.detail, not_before, row.scope, concern=row.concern
    )


def _pause(attempt: int) -> timedelta:
    return min(GREYLIST_PAUSE * (1 << min(attempt - 1, 4)), LONGEST_PAUSE)


def _row(stage: Stage, reply: Reply) -> Row:
    if reply.code == 421:
        return _CLOSING
    if 400 <= reply.code < 500:
        return _LATER
    if reply.code in LOGIN_CODES or stage is Stage.LOGIN:
        return _LOGIN
    if stage is Stage.OPEN:
        return _CLOSED
    return _permanent(stage, reply)


def _permanent(stage: Stage, reply: Reply) -> Row:
    enhanced = reply.enhanced
    unknown = reply.code in NO_MAILBOX_CODES and (not enhanced or enhanced in NO_MAILBOX)
    if stage is Stage.RECIPIENT and unknown:
        return _DEAD
    row = BY_ENHANCED.get(enhanced) or BY_CLASS.get(enhanced.rpartition(".")[0])
    if row is not None:
        return row
    return _SYNTAX if reply.code in SYNTAX_CODES else _REFUSED


def unreachable() -> Result:
    """No session could be opened: certainly nothing was sent."""
    detail = "The mail server could not be reached; nothing was sent."
    return Result(Outcome.RETRY, None, "unreachable", detail)


def broken_off() -> Result:
    """The session ended before the message was complete: certainly not accepted."""
    detail = "The mail server broke off before the message was handed over."
    return Result(Outcome.RETRY, None, "broken_off", detail)


def no_answer() -> Result:
    """The final dot may have arrived, its reply did not."""
    detail = "The message left Herald, but the mail server's answer never came."
    return Result(Outcome.AMBIGUOUS, None, "no_answer", detail)
