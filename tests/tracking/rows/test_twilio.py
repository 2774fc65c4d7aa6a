"""Contract §3a: what each status and late code of Twilio's means, signed, over a real wire."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from app.db import transaction
from app.sending.models import ProviderAccount
from tests.tracking.rows.conftest import Town

PHONE = "+12025551234"

Row = tuple[str, str, tuple[str, str] | None, bool]


def rows(reason: str, *codes: str, suppress: str = "", alert: bool = False) -> dict[str, Row]:
    listed = (suppress, "all") if suppress else None
    return {f"{code} -> {reason}": (code, reason, listed, alert) for code in codes}


LATE = {
    **rows("carrier_busy", "30001", "30017", "30022"),
    **rows("carrier_busy", "30023", "30027", alert=True),
    **rows("unreachable", "30003"),
    **rows("undeliverable", "30008", "30009", "30410"),
    **rows("not_mobile", "30005", "30006", suppress="invalid"),
    **rows("blocked", "30004"),
    **rows(
        "carrier_filtered", "30007", "21618", "30450", "30032", "30033", "30034", "30035", "30018",
        "30024", alert=True,
    ),
    **rows("stopped", "21610", suppress="stop"),
    **rows("undeliverable", "39999", alert=True),
}  # fmt: skip


@pytest.mark.parametrize("row", list(LATE.values()), ids=list(LATE))
def test_late_code(town: Town, row: Row) -> None:
    code, reason, suppression, alert = row
    message = town.hears(town.text(), "undelivered", error=code)
    assert (message.status, message.reason) == ("bounced", reason)
    assert town.suppressed().get(PHONE) == suppression
    assert bool(town.incidents()) is alert


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("accepted", "accepted"),
        ("scheduled", "accepted"),
        ("queued", "accepted"),
        ("sending", "accepted"),
        ("sent", "accepted"),
        ("delivered", "delivered"),
        ("read", "delivered"),
        ("undelivered", "bounced"),
        ("failed", "bounced"),
        ("canceled", "bounced"),
        ("levitated", "accepted"),
    ],
)
def test_status(town: Town, said: str, status: str) -> None:
    assert town.hears(town.text(), said).status == status


def test_a_status_never_steps_down(town: Town) -> None:
    key = town.text()
    town.hears(key, "delivered")
    assert town.hears(key, "sent").status == "delivered"


def test_a_callback_proves_that_a_lost_text_was_taken(town: Town) -> None:
    town.house.sandbox.fault("twilio", fault="accept_then_reset", span={"requests": 1})
    key = town.text()
    assert town.house.message(key).status == "unknown"
    assert town.hears(key, "queued").status == "accepted"


def test_a_phone_not_reached_three_times_in_30_days_is_doubtful(town: Town) -> None:
    for times in range(1, 4):
        town.hears(town.text(), "undelivered", error="30003")
        assert (PHONE in town.suppressed()) is (times == 3)
    assert town.suppressed()[PHONE] == ("invalid", "marketing")


def test_a_number_that_blocked_us_twice_gets_no_more(town: Town) -> None:
    for times in range(1, 3):
        town.hears(town.text(), "undelivered", error="30004")
        assert (PHONE in town.suppressed()) is (times == 2)


def rests_until() -> datetime:
    with transaction() as session:
        account = session.scalars(select(ProviderAccount)).one()
        assert (account.provider, account.cause) == ("twilio", "throttled")
        assert account.probe_at is not None
        return account.probe_at


@pytest.mark.parametrize("code", ["30023", "30027"])
def test_a_daily_cap_holds_texts_until_midnight_in_the_far_west(town: Town, code: str) -> None:
    town.hears(town.text(), "undelivered", error=code)
    there = rests_until().astimezone(ZoneInfo("America/Los_Angeles"))
    assert (there.hour, there.minute) == (0, 0)
    assert timedelta() < there - datetime.now(UTC) <= timedelta(hours=25)
    assert f"twilio:daily_cap:{code}" in town.incidents()

    before = len(town.house.sandbox.journal())
    town.text("+12025551299")
    assert len(town.house.sandbox.journal()) == before


@pytest.mark.parametrize("code", ["30001", "30017", "30022"])
def test_a_busy_carrier_slows_texts_down(town: Town, code: str) -> None:
    town.hears(town.text(), "undelivered", error=code)
    assert timedelta(seconds=20) < rests_until() - datetime.now(UTC) <= timedelta(seconds=30)


def test_stop_holds_before_we_answer(town: Town) -> None:
    town.text()
    town.house.sandbox.control("inbound", {"from": PHONE, "body": " Stop. "})
    town.house.sandbox.wait_for(lambda: PHONE in town.suppressed())
    assert town.suppressed()[PHONE][0] == "stop"


@pytest.mark.parametrize("said", ["STOPALL", "unsubscribe", "Opt-Out", "revoke", "quit", "end"])
def test_every_word_for_stop_is_understood(town: Town, said: str) -> None:
    town.house.sandbox.control("inbound", {"from": PHONE, "body": said})
    town.house.sandbox.wait_for(lambda: PHONE in town.suppressed())


def test_start_lifts_a_stop(town: Town) -> None:
    for said, listed in (("STOP", True), ("START", False)):
        town.house.sandbox.control("inbound", {"from": PHONE, "body": said})
        town.house.sandbox.wait_for(lambda wanted=listed: (PHONE in town.suppressed()) is wanted)


def test_a_sentence_with_the_word_in_it_is_for_people(town: Town) -> None:
    town.house.sandbox.control("inbound", {"from": PHONE, "body": "stop by tomorrow?"})
    town.house.sandbox.wait_for(lambda: bool(town.incidents()))
    assert town.suppressed() == {}
