"""The one place that decides whether and when a message is tried again.

Adapters only classify (`channels.base.Outcome`); this module knows attempts, budgets and expiry.
Delays are drawn between nothing and a limit that doubles from 1 s to 15 min (full jitter), so that
messages which failed together do not return together; the budget of the message's class ends it.
`Retry-After` is a floor: jitter is added after it, never subtracted. But the budget comes first: a
later time than its end is asked for in vain, unless the whole account has to wait.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.channels.base import Outcome, Result

FIRST_DELAY: Final = timedelta(seconds=1)
LONGEST_DELAY: Final = timedelta(minutes=15)
BUDGETS: Final = {
    "security": timedelta(hours=4),
    "transactional": timedelta(hours=4),
    "marketing": timedelta(hours=24),
}
# The last try comes when the budget ends, however long the provider asked us to wait; but not
# sooner after the one before than this.
LAST_WAIT: Final = timedelta(minutes=1)
SET_UP_PAUSE: Final = timedelta(seconds=10)
# How long we look for evidence (a webhook with our id) before acting on silence.
EVIDENCE_WINDOW: Final = timedelta(seconds=60)
# For so long marketing waits for a sign that silence means "not taken".
EVIDENCE_LIMIT: Final = timedelta(minutes=10)
# A message whose answer was lost goes out once more when no evidence came. Marketing only when
# silence is evidence itself, or a second copy does no harm: better once less than twice.
RESENDS_AFTER_SILENCE: Final = 1


@dataclass(frozen=True, slots=True)
class Tried:
    """What retrying needs to know about a message that was just tried for the `attempts`th time.

    `since` is when it was tried first: the budget of its class runs from there.
    """

    attempts: int
    klass: str
    since: datetime
    expires_at: datetime | None
    allowed: int | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """An answer that never came. `times`: how many of the message's tries ended so.

    `harmless`: a second copy replaces the first (push). `proven`: the provider has reported about
    other messages of that time, so that it would have reported about this one.
    """

    times: int
    since: datetime
    harmless: bool
    proven: bool


@dataclass(frozen=True, slots=True)
class Next:
    """The state that follows; `send_after` is when `held` or `unknown` is looked at again."""

    status: str
    reason: str | None = None
    send_after: datetime | None = None
    hold_reason: str | None = None


_FINAL: Final = {
    Outcome.ACCEPTED: Next("accepted"),
    Outcome.RECIPIENT_DEAD: Next("failed", "recipient_dead"),
    Outcome.SUPPRESSED: Next("skipped", "suppressed"),
    Outcome.REJECTED: Next("failed", "rejected"),
}


def after(result: Result, tried: Tried, now: datetime) -> Next:
    """What becomes of a message after this answer."""
    final = _FINAL.get(result.outcome)
    if final is not None:
        return final
    if result.outcome is Outcome.AMBIGUOUS:
        return Next("unknown", None, now + EVIDENCE_WINDOW)
    if result.outcome is Outcome.CONFIG_ERROR:
        return _waiting_for_set_up(tried, now)
    if tried.allowed is not None and tried.attempts >= tried.allowed:
        return Next("failed", "gave_up")
    throttled = result.outcome is Outcome.THROTTLED
    until = (result.not_before or now) + _delay(tried.attempts)
    if not (throttled and result.scope == "lane"):
        until = min(until, _last_try(tried, now))
    return _hold(tried, now, until, "throttled" if throttled else "retry")


def after_silence(tried: Tried, silence: Silence, now: datetime) -> Next:
    """What becomes of a message whose answer was lost and for which no evidence came."""
    if silence.times > RESENDS_AFTER_SILENCE:
        return Next("failed", "no_answer")
    if tried.klass != "marketing" or silence.harmless or silence.proven:
        return _hold(tried, now, now, "retry")
    if now - silence.since < EVIDENCE_LIMIT:
        return Next("unknown", None, now + EVIDENCE_WINDOW)
    return Next("failed", "no_answer")


def _waiting_for_set_up(tried: Tried, now: datetime) -> Next:
    """Nothing is given up because our set-up is wrong: only its own expiry ends a message."""
    until = now + SET_UP_PAUSE
    if tried.expires_at is not None and until >= tried.expires_at:
        return Next("expired", "expired")
    return Next("held", None, until, "provider_setup")


def _hold(tried: Tried, now: datetime, until: datetime, reason: str) -> Next:
    if tried.expires_at is not None and until >= tried.expires_at:
        return Next("expired", "expired")
    if now > _budget_end(tried):
        return Next("failed", "gave_up")
    return Next("held", None, until, reason)


def _last_try(tried: Tried, now: datetime) -> datetime:
    return max(_budget_end(tried), now + LAST_WAIT)


def _budget_end(tried: Tried) -> datetime:
    return tried.since + BUDGETS[tried.klass]


def _delay(attempts: int) -> timedelta:
    longest = min(FIRST_DELAY * (1 << min(attempts - 1, 12)), LONGEST_DELAY)
    return longest * random.random()  # noqa: S311 - spreads load, guards nothing
