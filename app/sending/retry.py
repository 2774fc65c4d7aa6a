"""The one place that decides whether and when a message is tried again.

Adapters only classify (`channels.base.Outcome`); this module knows attempts, budgets and expiry.
Delays double from 2 s to at most 15 min. Each is drawn between half and the whole of that, so that
messages which failed together do not return together, and an outage of 30 s is always outlived.
`Retry-After` is a floor: jitter is added after it, never subtracted.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.channels.base import Outcome, Result

FIRST_DELAY: Final = timedelta(seconds=2)
LONGEST_DELAY: Final = timedelta(minutes=15)
DEFAULT_ATTEMPTS: Final = 8
BUDGETS: Final = {
    "security": timedelta(hours=4),
    "transactional": timedelta(hours=4),
    "marketing": timedelta(hours=24),
}
# How long we look for evidence (a webhook with our id) before acting on silence.
EVIDENCE_WINDOW: Final = timedelta(seconds=60)
# A message whose answer was lost goes out once more when no evidence came; phones replace the
# first copy (collapse id, tag), mail programs fold equal Message-IDs.
RESENDS_AFTER_SILENCE: Final = 1


@dataclass(frozen=True, slots=True)
class Tried:
    """What retrying needs to know about a message that was just tried for the `attempts`th time."""

    attempts: int
    klass: str
    accepted_at: datetime
    expires_at: datetime | None
    allowed: int = DEFAULT_ATTEMPTS


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
        return _hold(tried, now, now + timedelta(seconds=30), "provider_setup")
    if tried.attempts >= tried.allowed:
        return Next("failed", "gave_up")
    earliest = result.not_before or now
    reason = "throttled" if result.outcome is Outcome.THROTTLED else "retry"
    return _hold(tried, now, earliest + _delay(tried.attempts), reason)


def after_silence(tried: Tried, silent: int, now: datetime) -> Next:
    """What becomes of a message whose answer was lost and for which no evidence came.

    `silent` counts its attempts that ended without an answer.
    """
    if silent > RESENDS_AFTER_SILENCE:
        return Next("failed", "no_answer")
    return _hold(tried, now, now, "retry")


def _hold(tried: Tried, now: datetime, until: datetime, reason: str) -> Next:
    if tried.expires_at is not None and until >= tried.expires_at:
        return Next("expired", "expired")
    if now - tried.accepted_at > BUDGETS[tried.klass]:
        return Next("failed", "gave_up")
    return Next("held", None, until, reason)


def _delay(attempts: int) -> timedelta:
    longest = min(FIRST_DELAY * (1 << min(attempts - 1, 12)), LONGEST_DELAY)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
