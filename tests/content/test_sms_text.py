"""Segments are counted as they are billed; `smsutil` is the witness."""

import smsutil
from hypothesis import given
from hypothesis import strategies as st

from app.content.sms_text import BASIC, EXTENSION, costly, measure, normalise, replacement

GSM = "".join(sorted(BASIC | EXTENSION - {"\f"}))


@given(st.text(alphabet=GSM, max_size=500))
def test_gsm_texts_are_counted_like_the_witness_does(text: str) -> None:
    assert measure(text).segments == (len(smsutil.split(text).parts) if text else 0)


@given(st.text(max_size=400).filter(lambda text: not set(text) <= {*GSM, "\f", "\x1b"}))
def test_unicode_texts_are_counted_like_the_witness_does(text: str) -> None:
    assert measure(text).encoding == "UCS-2"
    assert measure(text).segments == len(smsutil.split(text).parts)


def test_the_limits_of_one_and_of_several_segments() -> None:
    sizes = [measure("a" * count).segments for count in (0, 160, 161, 306, 307)]
    assert sizes == [0, 1, 2, 2, 3]
    sizes = [measure("я" * count).segments for count in (70, 71, 134, 135)]
    assert sizes == [1, 2, 2, 3]


def test_extension_characters_take_two_places_and_are_never_cut() -> None:
    assert measure("€" * 80).segments == 1
    assert measure("€" * 81).segments == 2
    # 152 + a pair does not fit into 153
    assert measure("a" * 152 + "€" + "a" * 152).segments == 3


def test_an_emoji_is_two_units_and_is_never_cut() -> None:
    assert measure("🌿").units == 2
    assert measure("я" * 66 + "🌿" + "я" * 66).segments == 3


def test_the_characters_that_force_unicode_are_named_with_a_twin() -> None:
    text = "You’re early — “now” 🌿 Łódź"
    assert costly(text) == ["’", "—", "“", "”", "🌿", "Ł", "ó", "ź"]
    assert [replacement(c) for c in "’—“🌿źя"] == ["'", "-", '"', "", "z", None]


def test_invisible_characters_do_not_double_the_price() -> None:
    assert measure(normalise("a\u00a0b\u200bc\u202f")).encoding == "GSM-7"
