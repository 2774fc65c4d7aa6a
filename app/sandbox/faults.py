"""Scripted faults: rules that make a provider answer wrongly, late, or not at all.

A rule says whom it is for (`provider`, `match`), how long (`for`) and what happens: a scripted
`answer`, or a `fault` by name. The first rule that fits a request decides.
"""

import fnmatch
import itertools
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

from app.sandbox.wire import Recipient

PROVIDERS: Final = (
    "sendgrid", "twilio", "twilio_look_up", "apns", "fcm", "fcm_token", "smtp", "*"
)  # fmt: skip
_NO_MESSAGES: Final = frozenset({"fcm_token", "twilio_look_up"})  # doors for other questions

# A fault by name → whether the provider has taken the message by then.
FAULTS: Final = {
    "delay": True,  # the right answer, `seconds` late
    "slow_loris": True,  # the right answer, spread over `seconds`
    "accept_then_reset": True,  # taken, then the connection breaks before the answer is there
    "reset_mid_body": True,  # half an answer, then the connection breaks
    "wrong_length": True,  # Content-Length says less than there is
    "truncated_json": True,  # a complete answer with half of its JSON
    "html_200": True,  # 200, but a web page
    "rate_limit": False,  # `per_second`, then the provider's own 429
    "reset": False,  # the connection breaks, nothing was taken
    # At the gate, over HTTP/2; the front door breaks the answer off instead.
    "goaway": True,  # answered, then GOAWAY: this stream was processed
    "goaway_unprocessed": False,  # GOAWAY with a last stream before this one
    "refused_stream": False,  # RST_STREAM with REFUSED_STREAM
}


class BadRuleError(ValueError):
    """A rule that cannot be understood; the message names the field."""


@dataclass(slots=True)
class Rule:
    """One rule; `script` is the JSON it was made from."""

    number: int
    script: dict[str, Any]
    provider: str
    kind: str
    accepted: bool
    stage: str = ""
    to: str = ""
    every: int = 1
    after: int = 0
    probability: float = 1.0
    dice: random.Random = field(default_factory=random.Random)
    requests: int | None = None
    until: float | None = None
    seconds: float = 0.0
    per_second: float = 0.0
    tokens: float = 0.0
    filled_at: float = 0.0
    seen: int = 0
    hits: int = 0

    def is_over(self) -> bool:
        """Whether this rule has done all it was made for."""
        if self.until is not None and time.monotonic() > self.until:
            return True
        return self.requests is not None and self.hits >= self.requests

    def fits(self, provider: str, people: list[Recipient], stage: str) -> bool:
        """Whether this request is to suffer; counts it either way."""
        if self.is_over() or self.stage != stage or not self._is_for(provider):
            return False
        if self.to and not any(fnmatch.fnmatchcase(person.to, self.to) for person in people):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.seen - self.after) % self.every:
            return False
        if self.probability < 1 and self.dice.random() >= self.probability:
            return False
        if self.kind == "rate_limit" and self._has_token(len(people)):
            return False
        self.hits += 1
        return True

    def describe(self) -> dict[str, Any]:
        """The rule as the control API shows it."""
        return {"id": self.number, **self.script, "seen": self.seen, "hits": self.hits}

    def _is_for(self, provider: str) -> bool:
        """`*` is every provider's door for messages, not those for tokens and look-ups."""
        if self.provider == "*":
            return provider not in _NO_MESSAGES
        return self.provider == provider

    def _has_token(self, wanted: int) -> bool:
        now = time.monotonic()
        burst = max(self.per_second, 1.0)
        self.tokens = min(burst, self.tokens + (now - self.filled_at) * self.per_second)
        self.filled_at = now
        if self.tokens < 1:
            return False
        self.tokens -= wanted
        return True


class Faults:
    """The rules in force, in the order they were made."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def add(self, script: dict[str, Any]) -> Rule:
        """Put a rule in force. Raises BadRuleError."""
        rule = _read(next(self._numbers), script)
        with self._lock:
            self._rules.append(rule)
        return rule

    def show(self) -> list[dict[str, Any]]:
        """Every rule, those that are over too."""
        with self._lock:
            return [rule.describe() for rule in self._rules]

    def clear(self, number: int | None = None) -> int:
        """Take one rule or all of them out of force; how many there were."""
        with self._lock:
            kept = [r for r in self._rules if number is not None and r.number != number]
            gone = len(self._rules) - len(kept)
            self._rules = kept
            return gone

    def pick(self, provider: str, people: list[Recipient], stage: str = "") -> Rule | None:
        """The rule this request has to suffer, if any. SMTP alone has stages."""
        if not self._rules:
            return None
        with self._lock:
            for rule in self._rules:
                if rule.fits(provider, people, stage):
                    return rule
        return None


def _read(number: int, script: dict[str, Any]) -> Rule:
    provider = script.get("provider", "*")
    if provider not in PROVIDERS:
        raise BadRuleError(f"provider: one of {', '.join(PROVIDERS)}, not {provider!r}.")
    match = _object(script, "match")
    span = _object(script, "for")
    kind, accepted = _kind(script)
    seconds = _number(span, "seconds")
    per_second = _number(script, "per_second") or 0.0
    if kind == "rate_limit" and per_second <= 0:
        raise BadRuleError("per_second: a rate limit needs a number above 0.")
    return Rule(
        number,
        script,
        provider,
        kind,
        accepted,
        stage=str(script.get("stage", "")),
        to=str(match.get("to", "")),
        every=max(1, int(_number(match, "every") or 1)),
        after=int(_number(match, "after") or 0),
        probability=_probability(match),
        dice=random.Random(match.get("seed", 0)),  # noqa: S311
        requests=None if span.get("requests") is None else int(_number(span, "requests") or 0),
        until=None if seconds is None else time.monotonic() + seconds,
        seconds=_number(script, "seconds") or 0.0,
        per_second=per_second,
        tokens=max(per_second, 1.0),
        filled_at=time.monotonic(),
    )


def _kind(script: dict[str, Any]) -> tuple[str, bool]:
    answer, fault = script.get("answer"), script.get("fault")
    if (answer is None) == (fault is None):
        raise BadRuleError("answer, fault: give one of the two.")
    if answer is not None:
        status = answer.get("status") if isinstance(answer, dict) else None
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise BadRuleError("answer.status: a number from 200 to 599 is needed.")
        return "answer", bool(script.get("accepted", status < 300))
    if fault not in FAULTS:
        raise BadRuleError(f"fault: one of {', '.join(FAULTS)}, not {fault!r}.")
    return fault, bool(script.get("accepted", FAULTS[fault]))


def _object(script: dict[str, Any], name: str) -> dict[str, Any]:
    value = script.get(name) or {}
    if not isinstance(value, dict):
        raise BadRuleError(f"{name}: an object is needed.")
    return value


def _number(values: dict[str, Any], name: str) -> float | None:
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadRuleError(f"{name}: a number of 0 or more is needed.")
    return value


def _probability(match: dict[str, Any]) -> float:
    value = _number(match, "probability")
    if value is None:
        return 1.0
    if value > 1:
        raise BadRuleError("probability: a number from 0 to 1 is needed.")
    return value
