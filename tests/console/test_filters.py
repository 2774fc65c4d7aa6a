"""How numbers, times and addresses read."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from flask import Flask, g

from app.console import filters, words
from app.console.sparks import spark_path
from app.sending.status import REASONS, STATUSES

NOW = datetime(2026, 11, 24, 10, 42, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (9432, "9,432"),
        (18_322, "18.3k"),
        (182_431, "182k"),
        (1_204_000, "1.20M"),
        (10_761_234, "10.76M"),
        (421_380_000, "421M"),
    ],
)
def test_large_numbers_are_shortened(value: int | None, text: str) -> None:
    assert filters.short(value) == text


@pytest.mark.parametrize(
    ("part", "base", "text"),
    [
        (926, 1000, "92.6%"),
        (1, 0, "–"),
        (None, 10, "–"),
        (0, 10, "0.0%"),
        (10, 10, "100.0%"),
        (1, 1_000_000, "<0.1%"),
        (999_999, 1_000_000, ">99.9%"),
    ],
)
def test_a_share_never_rounds_to_nothing_or_all(part: int | None, base: int, text: str) -> None:
    assert filters.pct(part, base) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.047, "47 ms"),
        (9.4, "9.4 s"),
        (31.8, "32 s"),
        (192, "3 min 12 s"),
        (60, "1 min"),
        (3660, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (timedelta(hours=2), "2 h"),
        (None, "–"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float | timedelta | None, text: str) -> None:
    assert filters.duration(seconds) == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOW, "Today, 10:42"),
        (NOW - timedelta(days=1), "Yesterday, 10:42"),
        (NOW + timedelta(days=3), "Fri 27 Nov, 10:42"),
        (NOW - timedelta(days=400), "Mon 20 Oct 2025, 11:42"),
    ],
)
@time_machine.travel(NOW, tick=False)
def test_times_are_near_and_in_the_workspace_zone(
    drawing_app: Flask, moment: datetime, text: str
) -> None:
    with drawing_app.app_context():
        assert filters.near(moment) == text


@time_machine.travel(NOW, tick=False)
def test_a_near_day_is_written_small_inside_a_sentence(drawing_app: Flask) -> None:
    with drawing_app.app_context():
        assert filters.within(NOW) == "today, 10:42"
        assert filters.within(NOW - timedelta(days=1)) == "yesterday, 10:42"
        assert filters.within(NOW + timedelta(days=7)) == "Tue 1 Dec, 10:42"


@time_machine.travel(NOW, tick=False)
def test_the_zone_of_the_request_wins(drawing_app: Flask) -> None:
    with drawing_app.app_context():
        g.zone = ZoneInfo("Asia/Kathmandu")
        assert filters.when(NOW) == "Tue 24 Nov 2026, 16:27"
        assert filters.iso(NOW) == "2026-11-24T10:42:00Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "just now"),
        (-45, "45 s ago"),
        (-720, "12 min ago"),
        (720, "in 12 min"),
        (-7200, "2 h ago"),
        (-86_400, "Yesterday, 10:42"),
    ],
)
@time_machine.travel(NOW, tick=False)
def test_relative_times_end_after_a_day(seconds: int, text: str) -> None:
    assert filters.ago(NOW + timedelta(seconds=seconds)) == text


def test_masked_addresses_do_not_give_the_address_away() -> None:
    assert filters.mask_email("amara.okafor@example.com") == "am···@example.com"
    assert filters.mask_email("al@example.com") == "a···@example.com"
    assert filters.mask_phone("+447700900412") == "+44 ··· 412"
    assert filters.mask_email("nonsense") == filters.mask_phone("12") == "–"


def test_prices_keep_small_units() -> None:
    assert filters.money(1025) == "£1,025.00"
    assert filters.money(0.038) == "£0.038"


def test_every_state_and_reason_of_a_message_has_a_word() -> None:
    assert set(STATUSES) <= set(words.MESSAGE)
    assert [code for code in REASONS if "_" in words.reason(code)] == []


def test_a_message_is_only_delivered_when_the_provider_says_so() -> None:
    said = {name: status.word for name, status in words.MESSAGE.items()}
    assert [name for name, word in said.items() if word == "Delivered"] == ["delivered"]


def test_an_unknown_word_is_still_readable() -> None:
    assert words.status("half_done").word == "Half done"
    assert words.reason("some_code") == "Some code"


def test_a_sparkline_skips_gaps_and_needs_two_values() -> None:
    assert spark_path([3]).line == ""
    spark = spark_path([1, None, 2, 2], width=68, height=26)
    assert spark.line.startswith("M2.0,23.0C")
    assert (spark.x, spark.y) == (65.0, 3.0)


@pytest.mark.parametrize(
    ("code", "detail", "shown", "said"),
    [
        ("no_answer", "No usable answer came.", "No answer", "No usable answer came."),
        ("no_answer", None, "No answer", "No answer"),
        ("550", "No such user", "550", "550 No such user"),
        ("INVALID_ARGUMENT", None, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (None, "Timed out", "", "Timed out"),
    ],
)
def test_only_providers_codes_are_shown_as_they_are(
    code: str | None, detail: str | None, shown: str, said: str
) -> None:
    assert (words.code(code), words.said(code, detail)) == (shown, said)
