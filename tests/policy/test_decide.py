"""The decision before a send, gate by gate. Pure: no database, no clock."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.policy.decide import SEND, Hold, Skip, decide, trace
from app.policy.facts import Cap, Facts, QuietHours, Rules

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MARKETING = Facts(klass="marketing", address="a@example.com")
NIGHT = Rules(quiet_hours=QuietHours(22 * 60, 8 * 60))


def test_a_message_with_nothing_against_it_is_sent() -> None:
    assert decide(MARKETING, Rules(), NOON) is SEND


def test_a_person_without_an_address_gets_nothing() -> None:
    assert decide(replace(MARKETING, address=None), Rules(), NOON) == Skip("no_address")


def test_an_opt_out_stops_marketing_and_service_messages() -> None:
    out = replace(MARKETING, opted_in=False)
    assert decide(out, Rules(), NOON) == Skip("opted_out")
    assert decide(replace(out, klass="transactional"), Rules(), NOON) == Skip("opted_out")


def test_a_security_message_needs_no_opt_in() -> None:
    assert decide(replace(MARKETING, klass="security", opted_in=False), Rules(), NOON) is SEND


def test_a_choice_wins_over_the_default_of_the_topic() -> None:
    chosen = replace(MARKETING, opted_in_by_default=False, opted_in=True)
    assert decide(chosen, Rules(), NOON) is SEND
    assert decide(replace(chosen, opted_in=None), Rules(), NOON) == Skip("opted_out")


def test_a_suppressed_address_is_skipped_even_for_security() -> None:
    dead = replace(MARKETING, suppressed_for="bounce", suppression_scope="all")
    for klass in ("marketing", "transactional", "security"):
        assert decide(replace(dead, klass=klass), Rules(), NOON) == Skip("suppressed")


def test_a_complaint_stops_marketing_only() -> None:
    angry = replace(MARKETING, suppressed_for="complaint", suppression_scope="marketing")
    assert decide(angry, Rules(), NOON) == Skip("suppressed")
    assert decide(replace(angry, klass="transactional"), Rules(), NOON) is SEND


@pytest.mark.parametrize(("sent", "decision"), [(2, SEND), (3, Skip("over_cap"))])
def test_the_cap_counts_what_was_sent(sent: int, decision: object) -> None:
    rules = Rules(cap=Cap(messages=3, days=7))
    assert decide(replace(MARKETING, sent_in_window=sent), rules, NOON) == decision


def test_a_cap_that_is_off_stops_nobody() -> None:
    assert decide(replace(MARKETING, sent_in_window=1000), Rules(cap=None), NOON) is SEND


def test_at_night_marketing_waits_until_the_persons_morning() -> None:
    late = datetime(2026, 11, 24, 21, 30, tzinfo=UTC)  # 22:30 in Berlin
    decision = decide(replace(MARKETING, zone="Europe/Berlin"), NIGHT, late)
    assert decision == Hold(datetime(2026, 11, 25, 7, 0, tzinfo=UTC), "quiet_hours")


def test_it_is_not_night_where_another_person_lives() -> None:
    late = datetime(2026, 11, 24, 21, 30, tzinfo=UTC)
    assert decide(replace(MARKETING, zone="America/New_York"), NIGHT, late) is SEND


def test_a_message_that_would_expire_before_morning_is_not_sent() -> None:
    late = datetime(2026, 11, 24, 23, 0, tzinfo=UTC)
    short = replace(MARKETING, expires_at=late + timedelta(hours=1))
    assert decide(short, NIGHT, late) == Skip("quiet_hours")


def test_service_messages_do_not_wait_for_the_morning() -> None:
    late = datetime(2026, 11, 24, 23, 0, tzinfo=UTC)
    assert decide(replace(MARKETING, klass="transactional"), NIGHT, late) is SEND


def test_the_morning_after_the_clocks_change_is_eight_on_the_wall() -> None:
    before = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)  # the night summer time begins in Berlin
    decision = decide(replace(MARKETING, zone="Europe/Berlin"), NIGHT, before)
    assert decision == Hold(datetime(2026, 3, 29, 6, 0, tzinfo=UTC), "quiet_hours")


def test_an_expired_message_is_never_sent() -> None:
    assert decide(replace(MARKETING, expires_at=NOON), Rules(), NOON) == Skip("expired")


FACTS = st.builds(
    Facts,
    klass=st.sampled_from(["security", "transactional", "marketing"]),
    address=st.sampled_from([None, "a@example.com"]),
    opted_in_by_default=st.booleans(),
    opted_in=st.sampled_from([None, True, False]),
    erased=st.booleans(),
    suppressed_for=st.sampled_from([None, "bounce"]),
    suppression_scope=st.sampled_from(["all", "marketing"]),
    sent_in_window=st.integers(0, 5),
    zone=st.sampled_from([None, "Asia/Tokyo", "nowhere"]),
)


@given(FACTS)
def test_the_trace_agrees_with_the_decision(facts: Facts) -> None:
    rules = Rules(cap=Cap(3, 7), quiet_hours=NIGHT.quiet_hours)
    passed = all(gate.passed for gate in trace(facts, rules, NOON))
    assert passed == (decide(facts, rules, NOON) is SEND)
