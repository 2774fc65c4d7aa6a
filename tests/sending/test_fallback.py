"""Strategy `first`: one channel after the other, and a person's devices are one channel."""

from collections import Counter
from datetime import UTC, datetime

from app.db import transaction
from app.sending import control, dead_letters, fallback
from app.sending.models import Notification
from app.sending.requests import Recipient
from app.sending.states import Change, move
from tests.support.sending import House

DEAD = ["00000410" + 56 * sign for sign in "ab"]
GOOD = "c" * 64


def reach_ada(house: House, *tokens: str, email: str | None = "ada@example.com") -> Counter[str]:
    """Send to these telephones, else by e-mail; how many messages went by each channel."""
    ada = house.contact("ada", email=email)
    for token in tokens:
        house.device(ada, "ios", token)
    house.accept(Recipient(external_id="ada"), channels=("ios", "email"), strategy="first")
    for _ in range(3):
        house.deliver_all()
    return Counter(line["channel"] for line in house.sandbox.journal() if line["accepted"])


def test_one_mail_follows_when_all_telephones_are_dead(house: House) -> None:
    assert reach_ada(house, *DEAD) == {"email": 1}


def test_no_mail_follows_when_one_telephone_was_reached(house: House) -> None:
    assert reach_ada(house, DEAD[0], GOOD) == {"ios": 1}


def test_no_mail_follows_whichever_telephone_is_the_newer(house: House) -> None:
    assert reach_ada(house, GOOD, DEAD[0]) == {"ios": 1}


def test_telephones_that_fail_one_after_the_other_are_followed_once(house: House) -> None:
    ada = house.contact("ada", email="ada@example.com")
    for token in DEAD:
        house.device(ada, "ios", token)
    accepted = house.accept(
        Recipient(external_id="ada"), channels=("ios", "email"), strategy="first"
    )
    followers = []
    for message in accepted.messages:
        with transaction() as session:
            now = datetime.now(UTC)
            move(session, [Change(message.key, "failed", "recipient_dead", now)], now)
            followers.append(fallback.next_channels(session, [message.key], now))
    assert [len(each) for each in followers] == [0, 1]
    with transaction() as session:
        keys = [message.key for message in accepted.messages]
        assert fallback.next_channels(session, keys, datetime.now(UTC)) == []


def given_up(keys: list[int], now: datetime) -> list[int]:
    """Let these use up their tries; answers the keys of the next channel's messages."""
    with transaction() as session:
        move(session, [Change(key, "failed", "gave_up", now) for key in keys], now)
        return fallback.next_channels(session, keys, now)


def put_back(keys: list[int], now: datetime) -> int:
    with transaction() as session:
        return control.retry(session, keys, now)


def test_a_dead_letter_is_not_put_back_once_the_next_channel_has_taken_over(house: House) -> None:
    ada = house.contact("ada", email="ada@example.com")
    for token in (GOOD, "d" * 64):
        house.device(ada, "ios", token)
    accepted = house.accept(
        Recipient(external_id="ada"), channels=("ios", "email"), strategy="first"
    )
    first, second = (message.key for message in accepted.messages)
    now = datetime.now(UTC)
    assert given_up([first], now) == []  # the other telephone may still be reached
    with transaction() as session:
        assert dead_letters.count(session) == 1
    assert len(given_up([second], now)) == 1
    with transaction() as session:
        assert dead_letters.count(session) == 0
    assert put_back([first, second], now) == 0


def test_a_copy_that_staff_sent_again_does_not_stand_for_the_next_channel(house: House) -> None:
    house.contact("ada", email="ada+bounce@example.com", phone="+447700900123")
    accepted = house.accept(
        Recipient(external_id="ada"), channels=("email", "sms"), strategy="first"
    )
    first, now = accepted.messages[0].key, datetime.now(UTC)
    with transaction() as session:
        copy = control.send_again(session, first, now)
    assert given_up([copy], now) == []
    followers = given_up([first], now)
    with transaction() as session:
        channels = [session.get_one(Notification, (key, now)).channel for key in followers]
    assert channels == ["sms"]


def test_a_dead_letter_without_a_next_channel_can_be_put_back(house: House) -> None:
    house.device(house.contact("ada", email=None), "ios", GOOD)
    accepted = house.accept(
        Recipient(external_id="ada"), channels=("ios", "email"), strategy="first"
    )
    now = datetime.now(UTC)
    assert given_up([accepted.messages[0].key], now) == []
    assert put_back([accepted.messages[0].key], now) == 1


def test_all_telephones_are_tried_when_they_are_the_next_channel(house: House) -> None:
    ada = house.contact("ada", email="ada+bounce@example.com")
    for token in (DEAD[0], GOOD):
        house.device(ada, "ios", token)
    accepted = house.accept(
        Recipient(external_id="ada"), channels=("email", "ios"), strategy="first"
    )
    with transaction() as session:
        now = datetime.now(UTC)
        move(session, [Change(accepted.messages[0].key, "failed", "rejected", now)], now)
        assert len(fallback.next_channels(session, [accepted.messages[0].key], now)) == 2
    house.deliver_all()
    assert [line["to"] for line in house.sandbox.journal() if line["accepted"]] == [GOOD]
