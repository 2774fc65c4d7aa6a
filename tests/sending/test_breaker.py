"""A provider in trouble: parked without a lost try, probed, followed by another, and back."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from app import jobs
from app import settings as herald_settings
from app.channels.registry import Registry
from app.db import transaction
from app.sending import breaker, control
from app.sending.engine import Engine
from app.sending.health import Health, Trip
from app.sending.models import Attempt, Batch, Notification, ProviderAccount
from app.sending.requests import Recipient
from tests.support.sending import House

MANY = 12


def accept(house: House, count: int = MANY, topic: str = "service") -> list[int]:
    """E-mails to some people, one batch each."""
    return [
        house.accept(
            Recipient(email=f"p{number}@example.com"), topic=topic, data={"first_name": "Sam"}
        )
        .messages[0]
        .key
        for number in range(count)
    ]


def account(provider: str = "sendgrid") -> ProviderAccount | None:
    """The breaker as it is stored."""
    with transaction() as session:
        return session.get(ProviderAccount, provider)


def is_open(provider: str = "sendgrid") -> bool:
    """Whether messages are kept from this provider."""
    found = account(provider)
    return found is not None and found.open_since is not None


def statuses() -> dict[str, int]:
    """How many messages are in each state."""
    with transaction() as session:
        rows = session.execute(text("select status, count(*) from notification group by 1"))
        return {row[0]: row[1] for row in rows}


def tries() -> int:
    """Calls that were made."""
    with transaction() as session:
        return len(session.scalars(select(Attempt.id)).all())


@pytest.fixture
def both(house: House) -> Engine:
    """An engine with a second way to send mail."""
    found = herald_settings.load(
        {
            "DATABASE_URL": "postgresql://unused",
            "HERALD_VAR_DIR": str(house.sandbox.var_dir),
            "HERALD_SECRET_KEY": house.app.config["SECRET_KEY"],
            "EMAIL_PROVIDER": "sendgrid,smtp",
        }
    )
    return replace(house.engine, providers=Registry(found))


def test_a_provider_that_fails_is_left_alone_and_the_rest_loses_no_try(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    keys = accept(house)
    house.deliver_all()
    assert is_open()
    assert tries() == 5, "five failures are enough to be sure"
    assert statuses() == {"held": 5, "queued": MANY - 5}
    with transaction() as session:
        untried = session.scalars(
            select(Notification.attempts).where(
                Notification.id.in_(keys), Notification.status == "queued"
            )
        )
        assert set(untried) == {0}


def test_two_seconds_of_failures_are_enough_however_well_it_did_before(house: House) -> None:
    engine = replace(house.engine, health=Health(streak_seconds=0.3))
    accept(house, 60)
    house.deliver_all(engine)
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house, 5)
    house.deliver_all(engine)
    assert not is_open(), "five at once may be one broken connection"
    time.sleep(0.3)
    accept(house, 1)
    house.deliver_all(engine)
    assert is_open()


def test_a_success_between_the_failures_keeps_it_closed(house: House) -> None:
    engine = replace(house.engine, health=Health(streak_seconds=0.3))
    accept(house, 60)
    house.deliver_all(engine)
    for _ in range(3):
        house.sandbox.fault("sendgrid", answer={"status": 500}, span={"requests": 4})
        accept(house, 5)
        house.deliver_all(engine)
        time.sleep(0.2)
    assert not is_open()


def test_one_probe_goes_in_ten_seconds(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house)
    house.deliver_all()
    before = tries()
    house.deliver_all()
    assert tries() == before, "not yet"
    house.probe_may_go("sendgrid")
    house.deliver_all()
    assert tries() == before + 1
    found = account()
    assert found is not None
    assert found.probe_at is not None
    assert found.probe_at > datetime.now(UTC) + timedelta(seconds=9)


def test_the_probe_of_a_batch_is_one_message(house: House) -> None:
    house.sandbox.fault("twilio", answer={"status": 503})
    with transaction() as session:
        session.add(
            ProviderAccount(
                provider="twilio",
                open_since=datetime.now(UTC),
                cause="failing",
                probe_at=datetime.now(UTC),
            )
        )
    people = [house.contact(f"p{n}", phone=f"+4477009001{n:02}") for n in range(MANY)]
    assert len(people) == MANY
    for n in range(MANY):
        house.accept(Recipient(external_id=f"p{n}"), channels=("sms",))
    with transaction() as session:
        rows = session.scalars(select(Batch)).all()
        rows[0].ids = [key for row in rows for key in row.ids]
        for row in rows[1:]:
            session.delete(row)
    house.deliver_all()
    assert tries() == 1
    assert statuses() == {"held": 1, "queued": MANY - 1}


def test_an_answer_closes_it_and_everything_follows(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house)
    house.deliver_all()
    house.sandbox.reset()
    house.probe_may_go("sendgrid")
    house.deliver_all()
    assert not is_open()
    house.sweep(datetime.now(UTC) + timedelta(seconds=breaker.SPREAD_SECONDS))
    house.deliver_all()
    assert statuses() == {"accepted": MANY}
    assert len(house.sandbox.journal(answer="202")) == MANY


def test_a_refused_probe_shows_that_the_provider_is_well(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house)
    house.deliver_all()
    house.sandbox.reset()
    house.sandbox.fault(
        "sendgrid", answer={"status": 400, "body": {"errors": [{"message": "no", "field": "x"}]}}
    )
    house.probe_may_go("sendgrid")
    house.deliver_all()
    assert not is_open()


def try_now(house: House) -> bool:
    """As the button does."""
    with transaction() as session:
        return breaker.try_now(session, house.engine, "sendgrid", datetime.now(UTC))


def test_trying_now_does_not_wait_for_the_next_probe(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house)
    house.deliver_all()
    house.sandbox.reset()
    before = tries()
    house.deliver_all()
    assert tries() == before
    assert try_now(house)
    house.deliver_all()
    assert not is_open()


def test_trying_now_brings_a_retry_forward_when_nothing_else_waits(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house, 5)
    house.deliver_all()
    house.sandbox.reset()
    assert is_open()
    assert statuses() == {"held": 5}
    assert try_now(house)
    house.sweep(datetime.now(UTC))
    house.deliver_all()
    assert statuses()["accepted"] == 1
    assert not is_open()


def test_trying_now_says_that_nothing_waits(house: House) -> None:
    with transaction() as session:
        session.add(ProviderAccount(provider="sendgrid", open_since=datetime.now(UTC)))
    assert not try_now(house)


def test_a_probe_is_not_asked_of_a_paused_queue(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house)
    house.deliver_all()
    house.probe_may_go("sendgrid")
    waiting = jobs.waiting("email.transactional")
    with transaction() as session:
        control.pause_lane(session, "email", "transactional", "Sam", datetime.now(UTC))
        breaker.nudge_probes(session, house.engine, datetime.now(UTC))
    assert jobs.waiting("email.transactional") == waiting


def test_wrong_credentials_open_it_at_once(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 401})
    accept(house)
    house.deliver_all()
    found = account()
    assert found is not None
    assert found.cause == "config"
    assert tries() == 1


def test_a_provider_that_asks_for_peace_has_it_until_its_time(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 429, "headers": {"X-RateLimit-Reset": "60"}})
    reset = int((datetime.now(UTC) + timedelta(minutes=2)).timestamp())
    house.sandbox.reset()
    house.sandbox.fault(
        "sendgrid", answer={"status": 429, "headers": {"X-RateLimit-Reset": str(reset)}}
    )
    accept(house)
    house.deliver_all()
    found = account()
    assert found is not None
    assert found.probe_at is not None
    assert (found.cause, int(found.probe_at.timestamp())) == ("throttled", reset)
    assert tries() == 1


def test_another_provider_steps_in_and_nobody_is_asked_twice(house: House, both: Engine) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 503})
    accept(house)
    house.deliver_all(both)
    house.sweep(datetime.now(UTC) + timedelta(seconds=breaker.SPREAD_SECONDS))
    house.deliver_all(both)
    assert statuses() == {"accepted": MANY}
    taken = [line for line in house.sandbox.journal() if line["accepted"]]
    assert {line["provider"] for line in taken} == {"smtp"}
    assert len({line["notification"] for line in taken}) == len(taken) == MANY


def test_a_time_that_one_provider_asked_for_does_not_keep_mail_from_the_other(
    house: House, both: Engine
) -> None:
    reset = int((datetime.now(UTC) + timedelta(minutes=2)).timestamp())
    house.sandbox.fault(
        "sendgrid", answer={"status": 429, "headers": {"X-RateLimit-Reset": str(reset)}}
    )
    accept(house, 3)
    house.deliver_all(both)
    house.sweep(datetime.now(UTC) + timedelta(seconds=breaker.SPREAD_SECONDS))
    house.deliver_all(both)
    assert statuses() == {"accepted": 3}
    assert len(house.sandbox.journal(provider="sendgrid")) == 1, "it is left in peace"


def test_what_can_never_work_does_not_go_to_another_provider(house: House, both: Engine) -> None:
    body: dict[str, Any] = {"errors": [{"message": "bad", "field": "subject"}]}
    house.sandbox.fault("sendgrid", answer={"status": 400, "body": body})
    accept(house)
    house.deliver_all(both)
    assert statuses() == {"failed": MANY}
    assert house.sandbox.journal(provider="smtp") == []


def test_a_code_somebody_waits_for_is_no_probe_while_another_provider_takes_it(
    house: House, both: Engine
) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 503})
    accept(house, 6)
    house.deliver_all(both)
    house.probe_may_go("sendgrid")
    before = tries()
    accept(house, 1)
    house.deliver_all(both)
    assert tries() == before + 1
    with transaction() as session:
        newest = session.scalars(select(Attempt).order_by(Attempt.id.desc()).limit(1)).one()
    assert newest.provider == "smtp"


def fail_over_and_recover(house: House, both: Engine) -> None:
    """The first provider failed and the second took over; the first would take mail again."""
    house.sandbox.fault("sendgrid", answer={"status": 503})
    accept(house, 6)
    house.deliver_all(both)
    house.sandbox.reset()


def test_where_nothing_is_sent_in_bulk_a_code_is_the_probe_after_a_minute(
    house: House, both: Engine
) -> None:
    fail_over_and_recover(house, both)
    with transaction() as session:
        session.get_one(ProviderAccount, "sendgrid").probe_at = datetime.now(UTC) - breaker.OVERDUE
    accept(house, 1)
    house.deliver_all(both)
    assert not is_open()
    assert len(house.sandbox.journal(provider="sendgrid", answer="202")) == 1


def test_try_now_needs_no_campaign(house: House, both: Engine) -> None:
    fail_over_and_recover(house, both)
    try_now(house)
    accept(house, 1)
    house.deliver_all(both)
    assert not is_open()


def test_marketing_probes_and_the_rest_of_its_batch_goes_the_other_way(
    house: House, both: Engine
) -> None:
    fail_over_and_recover(house, both)
    house.probe_may_go("sendgrid")
    accept(house, 1, topic="offers")
    house.deliver_all(both)
    assert not is_open()
    assert len(house.sandbox.journal(provider="sendgrid", answer="202")) == 1


def test_a_retry_written_down_while_the_breaker_opened_goes_the_other_way_too(
    house: House, both: Engine
) -> None:
    house.sandbox.fault(
        "sendgrid",
        answer={"status": 503, "headers": {"Retry-After": "3600"}},
        span={"requests": 1},
    )
    accept(house, 1)
    house.deliver_all(both)
    now = datetime.now(UTC)
    with transaction() as session:  # another process has; that one did not see this retry
        breaker.open_(session, "sendgrid", Trip("failing", "503", "It fails."), now)
    with transaction() as session:
        breaker.bring_stragglers(session, both, now)
    house.sweep(now + timedelta(seconds=30))
    house.deliver_all(both)
    assert statuses() == {"accepted": 1}
    assert house.sandbox.journal()[-1]["provider"] == "smtp"
