"""An address instead of a person: what its owner has asked for counts all the same."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from app.audience import erasure
from app.audience.models import Device
from app.db import transaction
from app.sending.requests import Recipient
from tests.support.sending import House

PHONE = "+447700900123"
IOS = "a" * 64


def settled(house: House, key: int) -> tuple[str, str | None]:
    house.deliver_all()
    message = house.message(key)
    return message.status, message.reason


@pytest.mark.parametrize(
    ("to", "channel"),
    [
        (Recipient(email="Ada@example.com"), "email"),
        (Recipient(phone=PHONE), "sms"),
        (Recipient(device=("ios", IOS)), "ios"),
    ],
)
def test_an_opt_out_holds_for_the_address(house: House, to: Recipient, channel: str) -> None:
    ada = house.contact("ada", email="ada@example.com", phone=PHONE)
    house.device(ada, "ios", IOS)
    house.opt_out(ada, "newsletter", channel)
    (message,) = house.accept(to, "newsletter").messages
    assert settled(house, message.key) == ("skipped", "opted_out")
    (message,) = house.accept(to, "service").messages
    assert settled(house, message.key)[0] == "accepted"
    assert len(house.sandbox.journal()) == 1


@pytest.mark.parametrize("to", [Recipient(email="Ada@Example.com"), Recipient(phone=PHONE)])
def test_what_waits_for_an_address_is_not_sent_when_its_owner_is_erased(
    house: House, to: Recipient
) -> None:
    ada = house.contact("ada", email="ada@example.com", phone=PHONE)
    (message,) = house.accept(to).messages
    with transaction() as session:
        erasure.erase(session, ada, datetime.now(UTC))
    assert settled(house, message.key) == ("skipped", "suppressed")
    assert house.sandbox.journal() == []


def test_a_telephone_that_changed_hands_gets_nothing_for_its_former_owner(house: House) -> None:
    ada, bob = house.contact("ada"), house.contact("bob")
    device = house.device(ada, "ios", IOS)
    (message,) = house.accept(Recipient(external_id="ada"), channels=("ios",)).messages
    with transaction() as session:
        session.execute(update(Device).where(Device.id == device).values(contact_id=bob))
    assert settled(house, message.key)[0] == "skipped"
    assert house.sandbox.journal() == []
    (message,) = house.accept(Recipient(external_id="bob"), channels=("ios",)).messages
    assert settled(house, message.key)[0] == "accepted"
