"""One verdict about an address, wherever it comes in."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from app.audience import addresses


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Amara.Okafor+news@EXAMPLE.com", "Amara.Okafor+news@example.com"),
        ("  amara@example.com\u00a0", "amara@example.com"),
        ("o'neill@example.com", "o'neill@example.com"),
        ("rolf@bücher.example", "rolf@xn--bcher-kva.example"),
        ("someone@shop.test", "someone@shop.test"),
    ],
)
def test_a_good_address_is_kept_in_one_spelling(written: str, kept: str) -> None:
    assert addresses.email(written) == addresses.Verdict(kept)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "@",
        "amara",
        "amara@",
        "amara@example",
        "amara@@example.com",
        "a..b@example.com",
        ".a@example.com",
        "a b@example.com",
        "a@exa_mple.com",
        "a@-example.com",
        "a@[127.0.0.1]",
        '"quoted"@example.com',
        "a(comment)@example.com",
        "Amara <amara@example.com>",
        "josé@example.com",
        "amara@example.com\r\nBcc: b@example.com",
        "amara\x00@example.com",
        "\ud800@example.com",
        "x" * 65 + "@example.com",
        "a@" + "x" * 64 + ".com",
        "a@" + "abcdefgh." * 30 + "com",
        "a" * 100_000,
    ],
)
def test_a_bad_address_is_refused_with_a_sentence(written: str) -> None:
    verdict = addresses.email(written)
    assert verdict.code == "invalid_email"
    assert verdict.message.endswith(".")
    assert verdict.value == ""


@given(st.text(alphabet="ab.+-_@AÄé \x00\"'xn", max_size=40))
def test_the_quick_way_agrees_with_the_library(written: str) -> None:
    text = written.strip() + "@example.com"
    try:
        found = validate_email(text, check_deliverability=False, strict=True)
        expected = found.local_part.isascii()
    except EmailNotValidError:
        expected = False
    assert addresses.email(text).ok is expected


@pytest.mark.parametrize(
    ("written", "country"),
    [
        ("+447911123456", None),
        ("07911 123456", "GB"),
        ("+44 (0)7911 123-456", None),
        ("0044 7911 123456", None),
        ("0044 7911 123456", "US"),
        ("011 44 7911 123456", "US"),
        ("＋４４ ７９１１ １２３４５６", None),
        ("\u200e+44 7911 123456 ", None),
    ],
)
def test_every_spelling_of_a_number_is_one_number(written: str, country: str | None) -> None:
    assert addresses.phone(written, country) == addresses.Verdict("+447911123456")


@pytest.mark.parametrize(
    ("written", "country", "part"),
    [
        ("07911 123456", None, "no country code"),
        ("020 7946 0958", "GB", "a landline"),
        ("0800 111 111", "GB", "toll-free"),
        ("0909 879 0000", "GB", "premium-rate"),
        ("+44 7911 123456 ext. 5", None, "extension"),
        ("+44 7911", None, "too short"),
        ("+44 7911 1234567890", None, "too long"),
        ("+999 123456", None, "does not exist"),
        ("hello", "GB", "not a phone number"),
        ("", "GB", "empty"),
        ("+", None, "not a phone number"),
        ("1" * 10_000, "GB", "too long"),
    ],
)
def test_a_number_that_cannot_get_a_text_is_refused(
    written: str, country: str | None, part: str
) -> None:
    verdict = addresses.phone(written, country)
    assert not verdict.ok
    assert part in verdict.message


def test_numbers_of_fiction_are_for_rehearsals() -> None:
    assert addresses.phone("+44 7700 900412").value == "+447700900412"


@given(st.text(max_size=60))
def test_no_text_makes_the_checks_fail(written: str) -> None:
    addresses.email(written)
    addresses.phone(written)
    addresses.phone(written, "DE")
