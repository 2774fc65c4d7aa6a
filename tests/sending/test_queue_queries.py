"""What operators see of the queues, and the dead letters by cause."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.db import transaction
from app.sending import control, dead_letters, provider_queries, queue_queries
from app.sending.dead_letters import Cause
from app.sending.models import Notification
from app.sending.queue_queries import Lane
from app.sending.requests import Recipient
from tests.support.sending import House, with_attempts


def lane(session: Session, name: str, ahead: timedelta = timedelta()) -> Lane:
    found = queue_queries.lanes(session, datetime.now(UTC) + ahead)
    return next(one for one in found if one.name == name)


def people(house: House, count: int) -> list[int]:
    """Accept one e-mail each; answers the message keys."""
    keys = []
    for n in range(count):
        contact = house.contact(f"p{n}", email=f"p{n}@example.com")
        answer = house.accept(Recipient(contact_id=contact), channels=("email",))
        keys.append(answer.messages[0].key)
    return keys


def test_what_waits_is_counted_and_leaves_when_it_went_out(house: House) -> None:
    people(house, 3)
    with transaction() as session:
        before = lane(session, "email.transactional")
    assert (before.waiting, before.in_flight, before.arrived[0]) == (3, 0, 3)
    assert before.oldest is not None
    house.deliver_all()
    with transaction() as session:
        after = lane(session, "email.transactional")
    assert (after.waiting, after.left[0], after.answers, after.failed) == (0, 3, 3, 0)
    assert after.wait is not None
    assert after.depth[-1] == 0


def test_the_depth_of_past_minutes_is_worked_back_from_now(house: House) -> None:
    people(house, 2)
    with transaction() as session:
        later = lane(session, "email.transactional", timedelta(minutes=2))
    assert later.depth[-1] == 2
    assert later.depth[-4] == 0
    assert later.slow


def test_a_paused_queue_says_by_whom_and_is_not_called_slow(house: House) -> None:
    people(house, 1)
    with transaction() as session:
        control.pause_lane(session, "email", "transactional", "Maya", datetime.now(UTC))
    assert house.deliver_all() == 0
    with transaction() as session:
        paused = lane(session, "email.transactional", timedelta(minutes=5))
    assert paused.paused_by == "Maya"
    assert not paused.slow


def test_held_messages_are_told_by_their_reason_and_time(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    people(house, 2)
    now = datetime.now(UTC)
    house.deliver_all()
    with transaction() as session:
        held = lane(session, "email.transactional")
        due = queue_queries.retries_due(session, now)
        health = provider_queries.health(session, datetime.now(UTC))["sendgrid"]
    assert held.held == {"retry": 2}
    assert (held.retrying, held.planned, held.failed) == (2, 0, 2)
    assert sum(due["email"]) == 2
    assert (health.answers, health.accepted, health.failed) == (2, 0, 2)
    assert health.failure.startswith("500")


def test_dead_letters_are_grouped_by_channel_provider_reason_and_code(house: House) -> None:
    keys = give_up(house, 3)
    with transaction() as session:
        (group,) = dead_letters.groups(session)
        found = dead_letters.of_cause(session, group.cause, limit=2)
        older = dead_letters.of_cause(session, group.cause, before=found[-1].id)
    assert group.cause == Cause("email", "sendgrid", "gave_up", "500")
    assert dead_letters.parse(group.cause.key) == group.cause
    assert (group.messages, group.latest_id) == (3, keys[-1])
    assert [m.id for m in (*found, *older)] == keys[::-1]


def test_a_cause_is_retried_in_chunks_and_each_message_once(house: House) -> None:
    keys = give_up(house, 3)
    house.sandbox.reset()
    with transaction() as session:
        cause = dead_letters.groups(session)[0].cause
        reached = dead_letters.retry_some(session, cause, 0, keys[-1], datetime.now(UTC))
        assert reached == keys[-1]
        assert dead_letters.retry_some(session, cause, reached, keys[-1], datetime.now(UTC)) is None
    house.deliver_all()
    assert {house.message(key).status for key in keys} <= {"accepted", "delivered"}


def test_a_discarded_letter_is_not_asked_about_again_until_it_fails_again(house: House) -> None:
    (key,) = give_up(house, 1)
    now = datetime.now(UTC)
    with transaction() as session:
        assert dead_letters.discard(session, [key], now) == 1
        assert dead_letters.groups(session) == []
        assert dead_letters.retry(session, [key], now) == 0
        control.retry(session, [key], now)
    house.deliver_all(with_attempts(house.engine, 1))
    with transaction() as session:
        assert dead_letters.count(session) == 1


def test_a_dead_address_is_no_dead_letter(house: House) -> None:
    (key,) = give_up(house, 1)
    with transaction() as session:
        session.execute(
            update(Notification).where(Notification.id == key).values(reason="recipient_dead")
        )
        assert dead_letters.count(session) == 0


def give_up(house: House, count: int) -> list[int]:
    """Messages that the provider refuses until all tries are used up."""
    house.sandbox.fault("sendgrid", answer={"status": 500})
    keys = people(house, count)
    house.deliver_all(with_attempts(replace(house.engine), 1))
    return keys
