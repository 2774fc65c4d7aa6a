"""The words people read for states, channels and reasons (one table each).

Campaign and message states share names in the database but not always the word: a campaign
"failed", a message is "Undelivered". "Delivered" is only said when the provider confirmed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.sending.status import REASONS as SENTENCES


class Tone(StrEnum):
    """How a badge looks. Colour marks exceptions: finished and good states stay calm."""

    CALM = "calm"
    NEUTRAL = "neutral"
    INFO = "info"
    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Status:
    """What a state is called, its tone, its icon (None draws a dot) and one line of meaning."""

    word: str
    tone: Tone
    icon: str | None = None
    hint: str = ""


CAMPAIGN = {
    "draft": Status("Draft", Tone.NEUTRAL),
    "needs_approval": Status("Needs approval", Tone.WARN, "stamp"),
    "approved": Status("Approved", Tone.INFO, "circle-check"),
    "scheduled": Status("Scheduled", Tone.INFO, "clock"),
    "missed": Status("Missed its time", Tone.WARN, "triangle-alert", "Waits for a decision"),
    "preparing": Status("Preparing", Tone.LIVE),
    "sending": Status("Sending", Tone.LIVE),
    "paused": Status("Paused", Tone.WARN, "pause"),
    "sent": Status("Sent", Tone.CALM, "circle-check"),
    "cancelled": Status("Cancelled", Tone.NEUTRAL, "ban"),
    "failed": Status("Failed", Tone.BAD, "x"),
    "archived": Status("Archived", Tone.NEUTRAL, "archive"),
}

MESSAGE = {
    "queued": Status("Queued", Tone.NEUTRAL, "hourglass", "Waiting for a worker"),
    "held": Status("Held", Tone.NEUTRAL, "clock", "Waits for its time"),
    "sending": Status("Sending", Tone.LIVE, None, "On its way to the provider"),
    "retrying": Status("Retrying", Tone.WARN, "rotate-cw", "Will be tried again"),
    "accepted": Status("Accepted", Tone.INFO, "arrow-up-right", "The provider took it"),
    "delivered": Status("Delivered", Tone.CALM, "circle-check", "The provider confirmed it"),
    "opened": Status("Opened", Tone.CALM, "eye"),
    "clicked": Status("Clicked", Tone.CALM, "mouse-pointer-click"),
    "tapped": Status("Tapped", Tone.CALM, "mouse-pointer-click"),
    "bounced": Status("Bounced", Tone.BAD, "undo-2", "The other side sent it back"),
    "failed": Status("Undelivered", Tone.BAD, "x", "Given up"),
    "undelivered": Status("Undelivered", Tone.BAD, "x", "Given up"),
    "dead": Status("Dead letter", Tone.BAD, "skull", "Given up, waits for a decision"),
    "skipped": Status("Not sent", Tone.NEUTRAL, "circle-slash", "Herald chose not to send it"),
    "expired": Status("Not sent", Tone.NEUTRAL, "circle-slash", "Too late to be useful"),
    "cancelled": Status("Cancelled", Tone.NEUTRAL, "ban"),
    "unknown": Status("Unconfirmed", Tone.WARN, "circle-help", "No answer from the provider"),
}

OTHER = {
    "active": Status("Active", Tone.CALM, "circle-check"),
    "published": Status("Published", Tone.CALM, "circle-check"),
    "revoked": Status("Revoked", Tone.NEUTRAL, "ban"),
    "invited": Status("Invited", Tone.INFO, "mail"),
    "firing": Status("Firing", Tone.BAD, "flame"),
    "open": Status("Firing", Tone.BAD, "flame"),
    "acknowledged": Status("Acknowledged", Tone.WARN, "eye"),
    "resolved": Status("Resolved", Tone.CALM, "circle-check"),
    "connected": Status("Connected", Tone.CALM, "circle-check"),
    "sandbox": Status("Sandbox", Tone.NEUTRAL, "box"),
    "slow": Status("Slow", Tone.WARN, "triangle-alert"),
    "resting": Status("Asked for a pause", Tone.WARN, "timer"),
    "down": Status("Down", Tone.BAD, "circle-x"),
}

TABLES = {"campaign": CAMPAIGN, "message": MESSAGE, "other": OTHER}

#: Why a message was not sent, failed or waits: short, for tables and waterfalls. The full sentences
#: are `app.sending.status.REASONS`.
REASONS = {
    "no_topic_yet": "No topic chosen yet",
    "no_channel_yet": "No channel chosen yet",
    "no_address": "No usable address",
    "opted_out": "Opted out of this topic",
    "suppressed": "Address is suppressed",
    "over_cap": "Over the weekly cap",
    "quiet_hours": "Quiet hours",
    "expired": "Too late to be useful",
    "cancelled": "Cancelled",
    "campaign_cancelled": "Campaign cancelled",
    "unknown_contact": "Person not known",
    "erased": "Person erased",
    "device_gone": "App removed, token no longer valid",
    "duplicate_address": "Same address as someone else",
    "template_error": "Content could not be rendered",
    "no_content": "No content for this channel",
    "recipient_dead": "Address does not exist",
    "rejected": "Refused by the provider",
    "gave_up": "All tries used up",
    "no_answer": "No answer from the provider",
    "poison": "Parked after stopping a worker",
    "mailbox_unknown": "Mailbox does not exist",
    "mailbox_full": "Mailbox full",
    "refused": "Refused by the receiving side",
    "blocked": "Blocked by the receiving side",
    "provider_dropped": "Dropped by the provider",
    "unreachable": "Phone could not be reached",
    "not_mobile": "Number cannot get text messages",
    "carrier_busy": "Carrier too busy",
    "carrier_filtered": "Filtered by the carrier",
    "stopped": "Texted STOP",
    "undeliverable": "Could not be delivered",
    "scheduled": "Waits for its time",
    "throttled": "Provider asked to slow down",
    "domain": "Waits for its mail domain",
    "retry": "Will be tried again",
}


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel's name in running text and its glyph."""

    label: str
    icon: str


CHANNELS = {
    "email": Channel("Email", "mail"),
    "sms": Channel("SMS", "message-square-text"),
    "ios": Channel("iOS push", "ios"),
    "android": Channel("Android push", "android"),
}


def status(name: str, of: str = "message") -> Status:
    """The entry of one table, else of any table, else the name itself in sentence case."""
    for table in (TABLES.get(of, {}), MESSAGE, CAMPAIGN, OTHER):
        if name in table:
            return table[name]
    return Status(sentence(name), Tone.NEUTRAL)


def reason(code: str | None) -> str:
    """Why a message was not sent or waits: short if listed here, else its sentence."""
    if not code:
        return ""
    return REASONS.get(code) or SENTENCES.get(code, sentence(code)).rstrip(".")


def code(found: str | None) -> str:
    """How an attempt ended: our own word as words, a provider's code as it is."""
    return sentence(found) if found and found.islower() else found or ""


def said(found: str | None, detail: str | None) -> str:
    """A provider's code and its words; our own code goes without saying where words say it."""
    own = found and detail and found.islower()
    return " ".join(part for part in ("" if own else code(found), detail) if part)


def channel(name: str) -> Channel:
    """The channel's label and glyph; an unknown name keeps its own word."""
    return CHANNELS.get(name) or Channel(sentence(name), "send")


def sentence(code: str) -> str:
    """`two_words` becomes `Two words`."""
    words = code.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]
