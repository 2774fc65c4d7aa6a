"""Texts of which nothing was heard: Twilio is asked after an hour, a day and three days."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from app import clock, ids
from app import settings as herald_settings
from app.channels.registry import Registry
from app.db import transaction
from app.sending.requests import Recipient
from app.tracking import receipts, reconcile
from tests.support.sending import House

PHONE = "+12025551234"


def hand_over(house: House, hours: float = 1.1, to: str = PHONE) -> int:
    """A text that was handed over so many hours ago; its key."""
    accepted = house.accept(Recipient(phone=to), data={"first_name": "Sam"})
    house.deliver_all()
    key = accepted.messages[0].key
    age(key, hours)
    return key


def age(key: int, hours: float) -> None:
    with transaction() as session:
        session.execute(
            text("update notification set handed_at = :at where id = :key"),
            {"at": clock.now() - timedelta(hours=hours), "key": key},
        )


def happens(house: House, key: int, event: str, error: str = "") -> None:
    """It happens at Twilio, but the callback never arrives."""
    script = {"event": event, "error": error, "silent": True}
    house.sandbox.control(f"events/{ids.encode('ntf', key)}", script)


def settle(house: House) -> int:
    asked = reconcile.look(house.engine)
    with transaction() as session:
        receipts.apply(session, clock.now())
    return asked


@pytest.mark.parametrize(
    ("event", "error", "status", "reason"),
    [
        ("delivered", "", "delivered", None),
        ("undelivered", "30005", "bounced", "not_mobile"),
        ("failed", "30007", "bounced", "carrier_filtered"),
        ("sent", "", "accepted", None),
    ],
)
def test_after_an_hour_twilio_is_asked(
    house: House, event: str, error: str, status: str, reason: str | None
) -> None:
    key = hand_over(house)
    happens(house, key, event, error)
    assert settle(house) == 1
    row = house.message(key)
    assert (row.status, row.reason) == (status, reason)


def test_within_the_first_hour_it_is_not_asked(house: House) -> None:
    hand_over(house, 0.9)
    assert settle(house) == 0


@pytest.mark.parametrize("hours", [1.1, 25, 73])
def test_it_is_asked_once_per_stage(house: House, hours: float) -> None:
    hand_over(house, hours)
    assert [settle(house), settle(house)] == [1, 0]


def test_a_turn_without_anything_to_ask_moves_on(house: House) -> None:
    assert settle(house) == 0
    key = hand_over(house, 0.5)
    age(key, 0.99)
    assert settle(house) == 0
    later = clock.now() + timedelta(minutes=2)
    with transaction() as session:
        found = reconcile.due(session, reconcile.STAGES[0], later)
    assert [one.id for one in found] == [key]


def test_a_dead_number_is_suppressed_as_by_a_callback(house: House) -> None:
    happens(house, hand_over(house), "undelivered", "30005")
    settle(house)
    with transaction() as session:
        assert session.execute(text("select address from suppression")).scalars().all() == [PHONE]


def test_what_twilio_does_not_answer_is_asked_again(house: House) -> None:
    key = hand_over(house)
    happens(house, key, "delivered")
    house.sandbox.fault("twilio_look_up", answer={"status": 503}, span={"requests": 1})
    assert settle(house) == 0
    assert settle(house) == 1
    assert house.message(key).status == "delivered"


def test_one_text_that_twilio_does_not_answer_for_holds_up_no_other(house: House) -> None:
    first, second = hand_over(house, 1.3), hand_over(house, 1.2, "+12025551235")
    happens(house, second, "delivered")
    with transaction() as session:
        change = "update notification set provider_id = repeat('x', 70000) where id = :key"
        session.execute(text(change), {"key": first})  # longer than any address may be
    assert settle(house) == 1
    assert house.message(second).status == "delivered"
    assert settle(house) == 0


def test_texts_of_a_test_key_hold_up_no_other(house: House) -> None:
    first, second = hand_over(house, 1.3), hand_over(house, 1.2, "+12025551235")
    happens(house, second, "delivered")
    with transaction() as session:
        change = "update notification set test = true where id = :key"
        session.execute(text(change), {"key": first})
    settings = herald_settings.load(
        {
            "DATABASE_URL": "postgresql://unused",
            "HERALD_VAR_DIR": str(house.sandbox.var_dir),
            "HERALD_SECRET_KEY": house.app.config["SECRET_KEY"],
        }
    )
    no_sandbox = replace(settings.sandbox, twilio_account_sid="")
    without = Registry(replace(settings, sandbox=no_sandbox))
    assert reconcile.look(replace(house.engine, providers=without)) == 1
    with transaction() as session:
        receipts.apply(session, clock.now())
    assert house.message(second).status == "delivered"


def test_after_three_days_there_is_a_note(house: House) -> None:
    key = hand_over(house, 73)
    settle(house)
    assert house.message(key).status == "accepted"
    with transaction() as session:
        said = session.scalar(text("select detail ->> 'response' from event"))
    assert "unknown" in said


def test_the_callback_may_still_come_afterwards(house: House) -> None:
    key = hand_over(house)
    happens(house, key, "delivered")
    settle(house)
    settle(house)
    with transaction() as session:
        assert session.scalar(text("select count(*) from event where kind = 'delivered'")) == 1
