"""Why a message that may go does not go just now."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.db import transaction
from app.policy.decide import Gate
from app.sending import breaker, control, installation, obstacles
from app.sending.health import Trip
from app.sending.models import Notification
from app.sending.requests import Recipient
from tests.support.sending import House

NOW = datetime.now(UTC)
AT = NOW + timedelta(minutes=5)


def a_message(house: House, **fields: object) -> int:
    house.contact("ada", email="ada@example.com")
    key = house.accept(Recipient(external_id="ada"), channels=("email",)).messages[0].key
    with transaction() as session:
        for name, value in fields.items():
            setattr(session.query(Notification).filter_by(id=key).one(), name, value)
    return key


def asked(house: House, key: int) -> list[Gate]:
    with transaction() as session:
        message = session.query(Notification).filter_by(id=key).one()
        found = obstacles.of_message(session, house.engine, message, NOW, lambda at: f"{at:%H:%M}")
        return list(found)


def test_nothing_stands_in_the_way_of_a_message_that_only_waits_its_turn(house: House) -> None:
    found = asked(house, a_message(house))
    assert [gate.name for gate in found] == ["installation", "queue", "provider"]
    assert all(gate.passed for gate in found)
    assert obstacles.why(found) == ""


def test_the_provider_is_named_with_its_next_try(house: House) -> None:
    key = a_message(house)
    with transaction() as session:
        trip = Trip("throttled", "429", "Too many requests", AT)
        breaker.open_(session, "sendgrid", trip, NOW)
    said = obstacles.why(asked(house, key))
    assert said == f"SendGrid asked for a pause. The next try is {AT:%H:%M}."


def hold(session: Session, house: House) -> None:
    installation.examine(session, house.app.config["HERALD"].var_dir, NOW)
    installation.set_hold(session, "Sam", "A copy", NOW)


def pause(session: Session, _: House) -> None:
    control.pause_lane(session, "email", "transactional", "Sam", NOW)


@pytest.mark.parametrize(
    ("stop", "sentence"),
    [(hold, obstacles.HELD), (pause, "email.transactional is paused.")],
)
def test_a_hold_and_a_paused_queue_are_said(
    house: House, stop: Callable[[Session, House], None], sentence: str
) -> None:
    key = a_message(house)
    with transaction() as session:
        stop(session, house)
    assert obstacles.why(asked(house, key)) == sentence


def test_a_held_message_says_its_time(house: House) -> None:
    key = a_message(house, status="held", hold_reason="scheduled", send_after=AT)
    assert obstacles.why(asked(house, key)) == f"Its next time is {AT:%H:%M}."


def test_bulk_queues_that_stand_still_are_named_and_no_others(house: House) -> None:
    with transaction() as session:
        control.pause_lane(session, "sms", "bulk", "Sam", NOW)
        control.pause_lane(session, "ios", "transactional", "Sam", NOW)
        breaker.open_(session, "fcm", Trip("failing", "503", "Unavailable"), NOW)
    with transaction() as session:
        found = obstacles.of_bulk_queues(session, house.engine)
    assert {name: one.sentence for name, one in found.items()} == {
        "sms": "sms.bulk is paused.",
        "android": "Google keeps failing.",
    }


def test_a_held_herald_stands_in_the_way_of_every_queue(house: House) -> None:
    with transaction() as session:
        hold(session, house)
        found = obstacles.of_bulk_queues(session, house.engine)
    assert {one.sentence for one in found.values()} == {obstacles.HELD}
    assert len(found) == 4


def test_what_the_policy_asks_is_decided_when_the_message_goes() -> None:
    assert obstacles.why([Gate("consent", passed=False, sentence="Opted out of this topic.")]) == ""
