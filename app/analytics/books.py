"""The balance sheet: every message of an audience is in exactly one place. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from app.sending.status import FAILED, HANDED_OVER, NOT_SENT, OPEN

CHANNELS: Final = ("email", "ios", "android", "sms")  # in the order of charts
# Push services take a message or refuse it; they never say that it arrived.
CONFIRMING: Final = frozenset({"email", "sms"})

Totals = Mapping[tuple[str, str, str], int]  # (channel, status, reason) -> messages


@dataclass(slots=True)
class Sheet:
    """Where the messages are, of one channel or of all.

    audience = accepted + delivered + bounced + failed + not_sent + open, always.
    """

    accepted: int = 0  # the provider took it, and has said no more yet
    delivered: int = 0
    bounced: int = 0
    failed: int = 0
    not_sent: int = 0
    open: int = 0
    confirms: bool = False  # whether the provider reports deliveries

    @property
    def audience(self) -> int:
        """All of them."""
        return self.sent + self.failed + self.not_sent + self.open

    @property
    def sent(self) -> int:
        """Handed over: the provider took responsibility, whatever came of it."""
        return self.accepted + self.delivered + self.bounced

    @property
    def settled(self) -> int:
        """What will not change by our doing."""
        return self.audience - self.open

    @property
    def undelivered(self) -> int:
        """Bounced or given up."""
        return self.bounced + self.failed

    @property
    def reached(self) -> int:
        """The base of rates of people: delivered, or accepted where nobody reports deliveries."""
        return self.delivered if self.confirms else self.accepted + self.delivered

    def plus(self, other: "Sheet") -> "Sheet":
        """Both together."""
        return Sheet(
            self.accepted + other.accepted,
            self.delivered + other.delivered,
            self.bounced + other.bounced,
            self.failed + other.failed,
            self.not_sent + other.not_sent,
            self.open + other.open,
            self.confirms and other.confirms,
        )


@dataclass(frozen=True, slots=True)
class Cause:
    """How many messages of a channel ended in a state for one reason."""

    channel: str
    status: str
    reason: str
    messages: int


@dataclass(frozen=True, slots=True)
class Book:
    """The sheets of an audience, per channel, and why messages failed or were not sent."""

    channels: Mapping[str, Sheet]
    causes: tuple[Cause, ...] = field(default=())

    @property
    def all(self) -> Sheet:
        """All channels together."""
        total = Sheet(confirms=True)
        for sheet in self.channels.values():
            total = total.plus(sheet)
        return total

    @property
    def reached(self) -> int:
        """People's share is taken of this: the sum over channels, each by what it can know."""
        return sum(sheet.reached for sheet in self.channels.values())

    @property
    def confirmed_of(self) -> int:
        """What was sent on channels that report deliveries: the base of "delivered"."""
        return sum(sheet.sent for sheet in self.channels.values() if sheet.confirms)

    def failures(self) -> list[Cause]:
        """Bounced and given up, most frequent first."""
        return [cause for cause in self.causes if cause.status in (*FAILED, "bounced")]

    def not_sent(self) -> list[tuple[str, list[str], int]]:
        """Why we chose not to send: (reason, channels, messages), most frequent first."""
        channels: defaultdict[str, list[str]] = defaultdict(list)
        messages: defaultdict[str, int] = defaultdict(int)
        for cause in self.causes:
            if cause.status in NOT_SENT:
                reason = cause.reason or cause.status
                channels[reason].append(cause.channel)
                messages[reason] += cause.messages
        ordered = sorted(messages, key=lambda reason: (-messages[reason], reason))
        return [(reason, _in_order(channels[reason]), messages[reason]) for reason in ordered]


def book(totals: Totals) -> Book:
    """Make the balance sheet. Raises KeyError for a status that nobody knows."""
    sheets: defaultdict[str, Sheet] = defaultdict(Sheet)
    causes: list[Cause] = []
    for (channel, status, reason), number in totals.items():
        sheet = sheets[channel]
        name = _PLACE[status]
        setattr(sheet, name, getattr(sheet, name) + number)
        if name in ("bounced", "failed", "not_sent") and number:
            causes.append(Cause(channel, status, reason, number))
    for channel, sheet in sheets.items():
        sheet.confirms = channel in CONFIRMING and sheet.delivered > 0
    ordered = {channel: sheets[channel] for channel in _in_order(sheets)}
    return Book(ordered, tuple(sorted(causes, key=lambda cause: -cause.messages)))


def _in_order(channels: Iterable[str]) -> list[str]:
    present = set(channels)
    return [channel for channel in CHANNELS if channel in present]


_PLACE: Final = {
    **dict.fromkeys(OPEN, "open"),
    **dict.fromkeys(NOT_SENT, "not_sent"),
    **dict.fromkeys(FAILED, "failed"),
    **{status: status for status in HANDED_OVER},
}
