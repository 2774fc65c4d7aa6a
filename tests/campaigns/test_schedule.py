"""When a campaign goes out: a time on the wall of a zone, or a refusal that says why."""

from datetime import UTC, datetime, timedelta

import pytest

from app.campaigns import schedule
from app.errors import Invalid
from tests.support.clock import START


def refused(wall_time: str, zone: str) -> dict[str, str]:
    """Code by field of what is refused."""
    with pytest.raises(Invalid) as refusal:
        schedule.moment(wall_time, zone, START)
    return {field.pointer: field.code for field in refusal.value.fields}


@pytest.mark.parametrize(
    ("wall_time", "zone", "moment"),
    [
        ("2026-11-24T18:00", "UTC", datetime(2026, 11, 24, 18, tzinfo=UTC)),
        ("2026-11-24T18:00", "Europe/Berlin", datetime(2026, 11, 24, 17, tzinfo=UTC)),
        ("2027-10-31T01:30", "Europe/London", datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),
        ("2026-11-24T18:00:30", "Asia/Calcutta", datetime(2026, 11, 24, 12, 30, 30, tzinfo=UTC)),
        ("2026-11-10T09:00", "UTC", START),
        ("2027-11-11T09:00", "UTC", START + schedule.FARTHEST),
        ("2027-11-11T01:00", "America/Los_Angeles", START + schedule.FARTHEST),
    ],
)
def test_a_wall_time_means_one_moment(wall_time: str, zone: str, moment: datetime) -> None:
    assert schedule.moment(wall_time, zone, START) == moment


@pytest.mark.parametrize(
    "written",
    [
        "",
        "tomorrow",
        "2027-01-01",
        "2027-01-01T09",
        "2027-01-01 09:00",
        "20270101T0900",
        "2027-W01-1T00:00",
        "2027-01-01T24:00",
        "2027-02-29T09:00",
        "2027-01-01T09:00:00.5",
        "2027-01-01T00:00Z",
        "2027-01-01T00:00+05:00",
        "2027-01-01T09:00\n",
        "٢٠٢٧-٠١-٠١T٠٩:٠٠",
    ],
)
def test_a_wall_time_is_date_and_hour_without_an_offset(written: str) -> None:
    assert refused(written, "UTC") == {"/wall_time": "invalid_time"}


@pytest.mark.parametrize("zone", ["", "localtime", "posixrules", "Factory", "Mars", "+05:00"])
def test_a_zone_has_an_iana_name(zone: str) -> None:
    assert refused("2027-01-01T09:00", zone) == {"/zone": "unknown_zone"}


def test_a_wrong_time_and_a_wrong_zone_are_named_together() -> None:
    assert set(refused("2027-01-01", "")) == {"/wall_time", "/zone"}


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Pacific/Kiritimati"])
def test_the_ends_of_the_calendar_are_refused(zone: str) -> None:
    assert refused("9999-12-31T23:59", zone) == {"/wall_time": "too_far_ahead"}
    assert refused("0001-01-01T00:00", zone) == {"/wall_time": "in_the_past"}


def test_a_campaign_is_scheduled_at_most_a_year_ahead() -> None:
    late = f"{START + schedule.FARTHEST + timedelta(minutes=1):%Y-%m-%dT%H:%M}"
    assert refused(late, "UTC") == {"/wall_time": "too_far_ahead"}


def test_what_has_just_passed_is_refused_wherever_it_is() -> None:
    assert refused("2026-11-10T08:58", "UTC") == {"/wall_time": "in_the_past"}
    assert refused("2026-11-10T00:58", "America/Los_Angeles") == {"/wall_time": "in_the_past"}
    assert refused("2026-11-10T22:58", "Pacific/Kiritimati") == {"/wall_time": "in_the_past"}
