"""Locales, countries and time zones."""

import pytest

from app.audience import places


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("de_at", "de-AT"),
        ("EN", "en"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("es-419", "es-419"),
        ("pt_BR.UTF-8", "pt-BR"),
        ("english", None),
        ("x", None),
        ("de-", None),
    ],
)
def test_a_locale_has_one_spelling(written: str, kept: str | None) -> None:
    assert places.locale(written) == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [("gb", "GB"), ("Germany", "DE"), ("UK", "GB"), ("USA", "US"), ("XX", None), ("", None)],
)
def test_a_country_is_an_iso_code(written: str, kept: str | None) -> None:
    assert places.country(written) == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("Europe/Kiev", "Europe/Kyiv"),
        ("US/Eastern", "America/New_York"),
        ("Europe/Copenhagen", "Europe/Copenhagen"),
        ("america/new york", "America/New_York"),
        ("Etc/UTC", "UTC"),
        ("GMT", "UTC"),
        ("Mars/Olympus", None),
        ("../../etc/passwd", None),
    ],
)
def test_an_old_zone_name_is_made_new(written: str, kept: str | None) -> None:
    assert places.timezone(written) == kept


def test_people_choose_among_zones_that_exist() -> None:
    assert all(places.timezone(name) == name for name in places.timezones())
