"""The decision, as an ordered list of gates.

`decide` stops at the first gate that says no; `trace` asks every gate, which answers "why did she
(or will she) not get it?" with the same code that decides before a send.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.policy import quiet
from app.policy.facts import Facts, Rules


@dataclass(frozen=True, slots=True)
class Send:
    """Nothing stands against it."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Not now: ask again at `until`. `reason` is a hold reason (`quiet_hours`, `cap`)."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Never. `reason` is one of `app.sending.status.REASONS`."""

    reason: str


Decision = Send | Hold | Skip
SEND = Send()


@dataclass(frozen=True, slots=True)
class Gate:
    """One question of the trace and its answer; `sentence` can be shown to staff."""

    name: str
    passed: bool
    sentence: str


def decide(facts: Facts, rules: Rules, now: datetime) -> Decision:
    """Whether this message may go now."""
    for _, gate, _ in _GATES:
        verdict = gate(facts, rules, now)
        if verdict is not None:
            return verdict
    return SEND


def trace(facts: Facts, rules: Rules, now: datetime) -> Sequence[Gate]:
    """Every gate in order, with its answer in words."""
    answers = []
    for name, gate, sentence in _GATES:
        passed = gate(facts, rules, now) is None
        answers.append(Gate(name, passed, sentence(facts, rules, passed)))
    return answers


def _cancelled(facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    return Skip("campaign_cancelled") if facts.campaign_cancelled else None


def _erased(facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    return Skip("erased") if facts.erased else None


def _address(facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    return None if facts.address else Skip("no_address")


def _device(facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    return Skip("device_gone") if facts.device_gone else None


def _expiry(facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    return Skip("expired") if facts.expires_at and facts.expires_at <= now else None


def _consent(facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    """Security messages need no consent; others respect a choice, else the topic's default."""
    if facts.klass == "security":
        return None
    wanted = facts.opted_in_by_default if facts.opted_in is None else facts.opted_in
    return None if wanted else Skip("opted_out")


def _suppression(facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    if facts.suppressed_for is None:
        return None
    if facts.suppression_scope == "marketing" and facts.klass != "marketing":
        return None
    return Skip("suppressed")


def _cap(facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    if rules.cap is None or facts.klass != "marketing":
        return None
    if facts.sent_in_window + facts.rivals < rules.cap.messages:
        return None
    until = facts.room_at
    if rules.cap.when_full != "defer" or until is None or until <= now:
        return Skip("over_cap")
    if facts.expires_at is not None and facts.expires_at <= until:
        return Skip("over_cap")
    return Hold(until, "cap")


def _quiet_hours(facts: Facts, rules: Rules, now: datetime) -> Decision | None:
    if rules.quiet_hours is None or facts.klass != "marketing" or facts.ignores_quiet_hours:
        return None
    until = quiet.ends(rules.quiet_hours, facts.zone or rules.zone, now)
    if until is None:
        return None
    if facts.expires_at is not None and facts.expires_at <= until:
        return Skip("quiet_hours")
    return Hold(until, "quiet_hours")


def _say(yes: str, no: str) -> Callable[[Facts, Rules, bool], str]:
    return lambda facts, rules, passed: yes if passed else no


def _say_consent(facts: Facts, rules: Rules, passed: bool) -> str:
    if facts.klass == "security":
        return "Security messages need no opt-in."
    if facts.opted_in is None:
        choice = "in" if facts.opted_in_by_default else "out"
        return f"Never chose; the topic's default is opted {choice}."
    return "Opted in to this topic." if facts.opted_in else "Opted out of this topic."


def _say_suppression(facts: Facts, rules: Rules, passed: bool) -> str:
    if facts.suppressed_for is None:
        return "The address is not on the suppression list."
    if passed:
        return f"Suppressed for marketing ({facts.suppressed_for}), which this is not."
    return f"The address is on the suppression list: {facts.suppressed_for}."


def _say_cap(facts: Facts, rules: Rules, passed: bool) -> str:
    if rules.cap is None:
        return "No frequency cap is set."
    if facts.klass != "marketing":
        return "The frequency cap is for marketing only."
    had = f"{facts.sent_in_window} of {rules.cap.messages} in {rules.cap.days} days"
    return f"{had}, and {facts.rivals} more important wait." if facts.rivals else f"{had}."


_GATES: Sequence[
    tuple[
        str,
        Callable[[Facts, Rules, datetime], Decision | None],
        Callable[[Facts, Rules, bool], str],
    ]
] = (
    ("cancelled", _cancelled, _say("Not cancelled.", "The campaign was cancelled.")),
    ("person", _erased, _say("The person is known.", "The person was erased.")),
    ("address", _address, _say("There is an address.", "There is no address for this channel.")),
    (
        "device",
        _device,
        _say("The device is registered.", "The device is no longer registered for this person."),
    ),
    ("expiry", _expiry, _say("Not expired.", "The message has expired.")),
    ("consent", _consent, _say_consent),
    ("suppression", _suppression, _say_suppression),
    ("cap", _cap, _say_cap),
    ("quiet hours", _quiet_hours, _say("It is not night there.", "It is night there.")),
)
