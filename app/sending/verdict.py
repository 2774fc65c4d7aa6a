"""What became of a message, in one sentence for staff and one for the customer.

Pure: the story of a message goes in, words come out. "Delivered" is only said when the provider
confirmed it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from app.sending.status import REASONS
from app.sending.vocabulary import (
    CHANNEL_WORDS,
    NOUNS,
    PLACES,
    RETRYING,
    SILENT,
    provider_name,
    reason_sentence,
)

Tone = Literal["ok", "warn", "bad", "mute"]
Say = Callable[[datetime], str]


@dataclass(frozen=True, slots=True)
class Try:
    """One call to a provider and its answer."""

    number: int
    at: datetime
    provider: str
    outcome: str
    code: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """One event that came back; `verdict` is human, machine, unclear or None."""

    kind: str
    at: datetime
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """A message as far as its verdict goes. Moments are UTC."""

    channel: str
    status: str
    accepted_at: datetime
    reason: str | None = None
    hold_reason: str | None = None
    send_after: datetime | None = None
    handed_at: datetime | None = None
    final_at: datetime | None = None
    from_campaign: bool = False
    follows: bool = False  # made because the one before did not reach the person
    obstacle: str = ""  # why it cannot go now, as a sentence
    tries: Sequence[Try] = ()
    events: Sequence[Heard] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """`lead` stands in bold, `rest` follows it; `customer` can be pasted into a reply."""

    tone: Tone
    lead: str
    rest: str
    customer: str


def unanswered(tries: Sequence[Try]) -> Sequence[Try]:
    """The tries whose answer was lost: each may have arrived."""
    return [tried for tried in tries if tried.outcome == "ambiguous"]


def verdict(story: Story, say: Say, say_span: Callable[[timedelta], str]) -> Verdict:
    """The verdict on a message. `say` words a moment, `say_span` a length of time."""
    words = _Words(story, say, say_span)
    return _TELLERS.get(story.status, _waiting)(story, words)


@dataclass(frozen=True, slots=True)
class _Words:
    story: Story
    say: Say
    span: Callable[[timedelta], str]

    @property
    def by(self) -> str:
        return CHANNEL_WORDS.get(self.story.channel, self.story.channel)

    @property
    def our(self) -> str:
        """`Our text message of Mon 23 Nov 2026 at 17:47:19`."""
        noun = NOUNS.get(self.story.channel, "message")
        return f"Our {noun} of {self.say(self.story.accepted_at)}"

    @property
    def asked(self) -> str:
        if self.story.follows:
            return "the message before it had failed"
        return "the campaign began" if self.story.from_campaign else "your system asked"

    def after(self, moment: datetime | None) -> str:
        if moment is None or moment < self.story.accepted_at:
            return "."
        return f", {self.span(moment - self.story.accepted_at)} after {self.asked}."

    def event(self, *kinds: str) -> Heard | None:
        return next((event for event in self.story.events if event.kind in kinds), None)

    def trouble(self) -> str:
        """What went wrong on the way although it went well in the end."""
        failed = [item for item in self.story.tries if item.outcome != "accepted"]
        if not failed or len(failed) == len(self.story.tries):
            return ""
        who = provider_name(failed[0].provider)
        times = "the first try" if len(failed) == 1 else f"{len(failed)} tries"
        return f" {who} {_did_not(failed[0])} {times}{_coded(failed[0])}, so Herald tried again."

    def read(self) -> str:
        """The first opening and the first click by a person."""
        found = [
            (word, event)
            for kind, word in (("opened", "Opened"), ("clicked", "A link was followed"))
            if (event := self._human(kind))
        ]
        return "".join(f" {word} on {self.say(event.at)}." for word, event in found)

    def _human(self, kind: str) -> Heard | None:
        return next(
            (e for e in self.story.events if e.kind == kind and e.verdict in (None, "human")), None
        )

    def last(self) -> str:
        """The last answer: `Twilio answered 30001: Queue overflow.`"""
        if not self.story.tries:
            return ""
        last = self.story.tries[-1]
        if last.outcome == "ambiguous":
            return f" {provider_name(last.provider)} did not answer."
        said = ": ".join(part for part in (last.code or "", last.detail.strip()) if part)
        if not said:
            return ""
        return f" {provider_name(last.provider)} answered {said.rstrip('.')}."


def _did_not(item: Try) -> str:
    return "did not answer" if item.outcome == "ambiguous" else "did not take"


def _coded(item: Try) -> str:
    return f" ({item.code})" if item.code else ""


def _delivered(story: Story, words: _Words) -> Verdict:
    arrived = words.event("delivered")
    at = arrived.at if arrived else story.final_at or story.handed_at or story.accepted_at
    place = PLACES.get(story.channel, "you")
    return Verdict(
        "ok",
        f"Delivered by {words.by} on {words.say(at)}",
        words.after(at) + words.trouble() + words.read(),
        f"{words.our} was delivered to {place} on {words.say(at)}.",
    )


def _accepted(story: Story, words: _Words) -> Verdict:
    at = story.handed_at or story.accepted_at
    who = provider_name(story.tries[-1].provider if story.tries else None)
    if read := words.read():
        rest = words.after(at) + words.trouble() + read
        return Verdict(
            "ok",
            f"Handed to {_lower(who)} on {words.say(at)}",
            rest,
            f"{words.our} reached you: it was opened.",
        )
    if story.channel in SILENT:
        missing = f" {who} does not report whether the device showed it."
    else:
        missing = f" {who} has not confirmed the delivery yet."
    return Verdict(
        "mute",
        f"Handed to {_lower(who)} on {words.say(at)}",
        words.after(at) + words.trouble() + missing,
        f"{words.our} was sent on {words.say(at)}. "
        f"It should be {_in(story.channel)} {PLACES.get(story.channel, 'inbox')}.",
    )


def _bounced(story: Story, words: _Words) -> Verdict:
    event = words.event("bounced", "dropped", "failed")
    at = event.at if event else story.final_at or story.accepted_at
    why = REASONS.get(story.reason or "", "The other side sent it back.")
    return Verdict(
        "bad",
        f"Not delivered: it came back on {words.say(at)}.",
        f" {why}{words.last() if not story.handed_at else ''}",
        f"{words.our} could not be delivered. {why} Please check the address we have for you.",
    )


def _failed(story: Story, words: _Words) -> Verdict:
    at = story.final_at or story.accepted_at
    count = len(story.tries)
    tries = f" after {count} tries" if count > 1 else ""
    why = reason_sentence(story.reason) or "Nothing more is tried."
    if unanswered(story.tries):
        return Verdict(
            "bad",
            f"Unconfirmed: given up on {words.say(at)}{tries}.",
            f" {why}{words.last()} It may have gone out.",
            _PERHAPS.format(our=words.our),
        )
    return Verdict(
        "bad",
        f"Not delivered: given up on {words.say(at)}{tries}.",
        f" {why}{words.last()}",
        f"{words.our} could not be delivered. We are looking into it.",
    )


def _not_sent(story: Story, words: _Words) -> Verdict:
    if lost := unanswered(story.tries):
        return _perhaps_sent(lost[-1], story, words)
    why = reason_sentence(story.reason) or "Herald chose not to send it."
    at = story.final_at or story.accepted_at
    last = story.tries[-1] if story.tries else None
    decided = f" Herald decided this on {words.say(at)}; nothing was handed over."
    if last is not None and last.outcome == "suppressed":
        decided = (
            f" {provider_name(last.provider)} refused it on {words.say(last.at)}.{words.last()}"
        )
    return Verdict(
        "mute",
        f"Not sent: {_inside(why)}",
        decided,
        _not_sent_customer(story, words),
    )


def _perhaps_sent(lost: Try, story: Story, words: _Words) -> Verdict:
    """One that was given to a provider who never answered may have arrived all the same."""
    who, at = provider_name(lost.provider), words.say(lost.at)
    why = reason_sentence(story.reason, unconfirmed=True) or "Herald chose not to."
    return Verdict(
        "warn",
        f"Unconfirmed: {_lower(who)} did not answer on {at}.",
        f" It may have gone out. Herald does not try again: {_inside(why)}",
        _PERHAPS.format(our=words.our),
    )


_PERHAPS: Final = "{our} may have been sent; we have no confirmation."


def _not_sent_customer(story: Story, words: _Words) -> str:
    because = _FOR_CUSTOMERS.get(story.reason or "")
    return f"{words.our} was not sent{f' because {because}' if because else ''}."


_FOR_CUSTOMERS: Final = {
    "opted_out": "you chose not to get messages of this kind",
    "suppressed": "we were asked not to use this address, or messages to it came back",
    "no_address": "we have no address of yours for it",
    "over_cap": "you had already got several messages from us",
    "quiet_hours": "it was night where you live",
    "expired": "it would have come too late to be useful",
    "device_gone": "the app on that device is no longer used with your account",
}


def _cancelled(story: Story, words: _Words) -> Verdict:
    if lost := unanswered(story.tries):
        return _perhaps_sent(lost[-1], story, words)
    at = story.final_at or story.accepted_at
    campaign = story.reason == "campaign_cancelled"
    return Verdict(
        "mute",
        f"Cancelled on {words.say(at)}",
        " with the rest of its campaign, before it was handed over."
        if campaign
        else " before it was handed over.",
        f"{words.our} was withdrawn before it was sent.",
    )


def _held(story: Story, words: _Words) -> Verdict:
    until = f" until {words.say(story.send_after)}" if story.send_after else ""
    why = _HELD.get(story.hold_reason or "", "It waits for its time.")
    retried = story.hold_reason in RETRYING
    planned = f"for {words.say(story.send_after)}" if story.send_after else "soon"
    lead = f"Will be tried again{until.replace(' until', ' on')}." if retried else f"Held{until}."
    return Verdict(
        "warn" if retried else "mute",
        lead,
        f" {why}{words.last() if retried else ''}",
        f"{words.our} may have been sent already. Another try is planned {planned}."
        if unanswered(story.tries)
        else f"{words.our} has not been sent yet. It is planned {planned}.",
    )


_HELD: Final = {
    "quiet_hours": "It is night where the person lives.",
    "cap": "The person already got as many messages as the cap allows; it goes when there is room.",
    "retry": "The last try failed in a way that may pass.",
    "throttled": "The provider asked to slow down.",
    "provider_setup": "The provider refuses our set-up, so everything for it waits.",
    "scheduled": "It was asked for a later time.",
    "domain": "The mail domain refuses our mail by its policy, so its messages wait a while.",
}


def _unknown(story: Story, words: _Words) -> Verdict:
    who = provider_name(story.tries[-1].provider if story.tries else None)
    at = story.tries[-1].at if story.tries else story.accepted_at
    until = f" until {words.say(story.send_after)}" if story.send_after else ""
    return Verdict(
        "warn",
        f"Unconfirmed: {_lower(who)} did not answer on {words.say(at)}.",
        f" It may have gone out. Herald waits for news{until} before it tries again.",
        f"{words.our} may have been sent; we are waiting for confirmation.",
    )


def _waiting(story: Story, words: _Words) -> Verdict:
    since = f"Waiting in the queue since {words.say(story.accepted_at)}."
    if story.obstacle:
        customer = f"{words.our} has not been sent yet. It is kept, and goes as soon as it can."
        return Verdict("warn", since, f" {story.obstacle}", customer)
    return Verdict(
        "mute",
        since,
        " A worker takes it as soon as those before it are gone.",
        f"{words.our} is about to be sent.",
    )


def _in(channel: str) -> str:
    return "in" if channel == "email" else "on"


def _inside(sentence: str) -> str:
    """A sentence as it reads after a colon."""
    return sentence[:1].lower() + sentence[1:]


def _lower(name: str) -> str:
    return name.replace("The ", "the ", 1)


_TELLERS: Final[dict[str, Callable[[Story, _Words], Verdict]]] = {
    "delivered": _delivered,
    "accepted": _accepted,
    "bounced": _bounced,
    "failed": _failed,
    "skipped": _not_sent,
    "expired": _not_sent,
    "cancelled": _cancelled,
    "held": _held,
    "unknown": _unknown,
    "queued": _waiting,
    "sending": _waiting,
}
