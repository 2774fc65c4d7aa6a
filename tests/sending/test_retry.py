"""When a message is tried again: attempts, budgets, Retry-After, expiry."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.channels.base import Outcome, Result
from app.sending import retry
from app.sending.retry import Next, Silence, Tried

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SILENCE = Silence(times=1, since=NOW, harmless=False, proven=False)
TRIED = Tried(attempts=1, klass="transactional", since=NOW, expires_at=None)


@pytest.mark.parametrize(
    ("outcome", "status", "reason"),
    [
        (Outcome.ACCEPTED, "accepted", None),
        (Outcome.RECIPIENT_DEAD, "failed", "recipient_dead"),
        (Outcome.SUPPRESSED, "skipped", "suppressed"),
        (Outcome.REJECTED, "failed", "rejected"),
        (Outcome.AMBIGUOUS, "unknown", None),
        (Outcome.RETRY, "held", None),
        (Outcome.THROTTLED, "held", None),
        (Outcome.CONFIG_ERROR, "held", None),
    ],
)
def test_every_outcome_has_its_consequence(outcome: Outcome, status: str, reason: str) -> None:
    following = retry.after(Result(outcome), TRIED, NOW)
    assert (following.status, following.reason) == (status, reason)


def test_delays_grow_and_stay_below_a_quarter_of_an_hour() -> None:
    for attempts, longest in [(1, 1), (2, 2), (5, 16), (20, 900)]:
        tried = replace(TRIED, attempts=attempts)
        delays = [delay(retry.after(Result(Outcome.RETRY), tried, NOW)) for _ in range(200)]
        assert 0 <= min(delays) < longest / 2 < max(delays) <= longest


def delay(following: Next) -> float:
    """Seconds until the next try."""
    assert following.send_after is not None
    return (following.send_after - NOW).total_seconds()


@pytest.mark.parametrize(("klass", "hours"), [("transactional", 4), ("marketing", 24)])
def test_tries_end_with_the_budget_of_the_class(klass: str, hours: int) -> None:
    tried = replace(TRIED, klass=klass, attempts=30)
    late = NOW + timedelta(hours=hours)
    assert retry.after(Result(Outcome.RETRY), tried, late).status == "held"
    assert (
        retry.after(Result(Outcome.RETRY), tried, late + timedelta(seconds=1)).reason == "gave_up"
    )


def test_retry_after_is_a_floor() -> None:
    until = NOW + timedelta(minutes=5)
    following = retry.after(Result(Outcome.THROTTLED, not_before=until), TRIED, NOW)
    assert following.send_after is not None
    assert following.send_after >= until


@pytest.mark.parametrize(("klass", "hours"), [("security", 4), ("marketing", 24)])
@pytest.mark.parametrize("outcome", [Outcome.RETRY, Outcome.THROTTLED])
def test_the_last_try_is_made_when_the_budget_ends_whatever_time_was_named(
    klass: str, hours: int, outcome: Outcome
) -> None:
    tried = replace(TRIED, klass=klass)
    now = NOW + timedelta(hours=3)
    far = Result(outcome, not_before=now + timedelta(hours=hours))
    assert retry.after(far, tried, now).send_after == NOW + timedelta(hours=hours)


def test_the_last_try_is_drawn_no_later_than_the_end_of_the_budget() -> None:
    end = NOW + timedelta(hours=4)
    tried = replace(TRIED, attempts=30)
    for _ in range(200):
        following = retry.after(Result(Outcome.RETRY), tried, end - timedelta(minutes=5))
        assert following.send_after is not None
        assert following.send_after <= end


def test_the_last_try_leaves_the_provider_a_minute() -> None:
    end = NOW + timedelta(hours=4)
    for short in (timedelta(seconds=2), timedelta(0)):
        now = end - short
        far = Result(Outcome.RETRY, not_before=now + timedelta(hours=1))
        assert retry.after(far, TRIED, now).send_after == now + timedelta(minutes=1)


def test_a_message_waits_for_its_account_however_long_that_takes() -> None:
    until = NOW + timedelta(hours=20)
    slower = Result(Outcome.THROTTLED, not_before=until, scope="lane")
    following = retry.after(slower, TRIED, NOW)
    assert following.send_after is not None
    assert following.send_after >= until


def test_a_named_time_after_the_budget_and_an_earlier_expiry_end_it() -> None:
    far = Result(Outcome.RETRY, not_before=NOW + timedelta(hours=20))
    short = replace(TRIED, expires_at=NOW + timedelta(hours=4))
    assert retry.after(far, short, NOW).status == "expired"
    enough = replace(TRIED, expires_at=NOW + timedelta(hours=5))
    assert retry.after(far, enough, NOW).send_after == NOW + timedelta(hours=4)


def test_the_last_try_ends_among_the_dead_letters() -> None:
    spent = replace(TRIED, attempts=8, allowed=8)
    assert retry.after(Result(Outcome.RETRY), spent, NOW).reason == "gave_up"


def test_a_message_is_not_tried_after_its_expiry() -> None:
    short = replace(TRIED, expires_at=NOW)
    assert retry.after(Result(Outcome.RETRY), short, NOW).status == "expired"


def test_a_set_up_error_uses_up_no_tries() -> None:
    spent = replace(TRIED, attempts=8, allowed=8)
    late = NOW + timedelta(days=2)
    assert retry.after(Result(Outcome.CONFIG_ERROR), spent, late).status == "held"


def test_silence_leads_to_one_more_try_and_then_to_a_dead_letter() -> None:
    assert retry.after_silence(TRIED, SILENCE, NOW).status == "held"
    assert retry.after_silence(TRIED, replace(SILENCE, times=2), NOW).reason == "no_answer"


MARKETING = replace(TRIED, klass="marketing")


@pytest.mark.parametrize("why", ["harmless", "proven"])
def test_marketing_goes_out_again_when_that_is_safe(why: str) -> None:
    safe = replace(SILENCE, **{why: True})
    assert retry.after_silence(MARKETING, safe, NOW).status == "held"


def test_marketing_waits_for_a_sign_and_is_then_left_to_staff() -> None:
    assert retry.after_silence(MARKETING, SILENCE, NOW).status == "unknown"
    late = NOW + timedelta(minutes=10)
    assert retry.after_silence(MARKETING, SILENCE, late).reason == "no_answer"
