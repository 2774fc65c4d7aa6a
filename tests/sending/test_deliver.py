"""From an accepted request to the provider's journal, on the wire."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app import ids
from app.db import transaction
from app.sending import batches, breaker, control, copies, deliver, ledger, planning, queries, rules
from app.sending.leases import LeaseKeeper
from app.sending.models import Attempt, Batch
from app.sending.requests import Recipient
from app.signing import Signer
from tests.support.sending import House, with_attempts

IOS = "a" * 64
ANDROID = "b" * 152


def test_a_person_is_reached_on_every_channel(house: House) -> None:
    ada = house.contact("ada", email="ada@example.com", phone="+447700900123")
    house.device(ada, "ios", IOS)
    house.device(ada, "android", ANDROID)

    accepted = house.accept(Recipient(external_id="ada"))
    house.deliver_all()

    assert {message.channel for message in accepted.messages} == {"email", "sms", "ios", "android"}
    assert {house.message(m.key).status for m in accepted.messages} <= {"accepted", "delivered"}
    journal = {line["channel"]: line for line in house.sandbox.journal()}
    assert {line["to"] for line in journal.values()} == {
        "ada@example.com",
        "+447700900123",
        IOS,
        ANDROID,
    }
    assert {line["notification"] for line in journal.values()} == {
        message.public_id for message in accepted.messages
    }


def test_a_bare_address_is_reached(house: House) -> None:
    accepted = house.accept(Recipient(email="someone@example.com"), data={"first_name": "Sam"})
    house.deliver_all()
    assert house.sandbox.journal()[0]["notification"] == accepted.messages[0].public_id


def test_an_opt_out_after_acceptance_is_respected(house: House) -> None:
    ada = house.contact("ada", email="ada@example.com")
    accepted = house.accept(Recipient(external_id="ada"), topic="offers")
    house.opt_out(ada, "offers", "email")
    house.deliver_all()
    row = house.message(accepted.messages[0].key)
    assert (row.status, row.reason) == ("skipped", "opted_out")
    assert house.sandbox.journal() == []


def test_nobody_we_know_is_a_message_that_says_so(house: House) -> None:
    accepted = house.accept(Recipient(external_id="nobody"))
    assert [(m.status, m.reason) for m in accepted.messages] == [("skipped", "unknown_contact")]


def test_a_message_for_later_waits_for_its_time(house: House) -> None:
    house.contact("ada", email="ada@example.com")
    later = datetime.now(UTC) + timedelta(hours=1)
    accepted = house.accept(Recipient(external_id="ada"), send_at=later)
    house.sweep(later - timedelta(minutes=1))
    assert house.deliver_all() == 0
    house.sweep(later)
    house.deliver_all()
    assert house.message(accepted.messages[0].key).status == "accepted"


def test_a_cancelled_message_is_not_handed_over(house: House) -> None:
    house.contact("ada", email="ada@example.com")
    accepted = house.accept(Recipient(external_id="ada"))
    with transaction() as session:
        control.cancel(session, accepted.messages[0].key, datetime.now(UTC))
    house.deliver_all()
    assert house.sandbox.journal() == []
    assert house.message(accepted.messages[0].key).status == "cancelled"


def test_a_provider_in_trouble_is_tried_again_and_then_given_up(house: House) -> None:
    house.contact("ada", email="ada@example.com")
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accepted = house.accept(Recipient(external_id="ada"))
    engine = with_attempts(house.engine, 2)
    house.deliver_all(engine)
    row = house.message(accepted.messages[0].key)
    assert (row.status, row.hold_reason, row.attempts) == ("held", "retry", 1)

    house.sweep(datetime.now(UTC) + timedelta(minutes=1))
    house.deliver_all(engine)
    row = house.message(row.id)
    assert (row.status, row.reason, row.attempts) == ("failed", "gave_up", 2)

    house.sandbox.reset()
    with transaction() as session:
        assert control.retry(session, [row.id], datetime.now(UTC)) == 1
    house.deliver_all()
    assert house.message(row.id).status == "accepted"


def test_a_dead_letter_that_is_retried_has_all_its_time_again(house: House) -> None:
    house.contact("ada", email="ada@example.com")
    house.sandbox.fault("sendgrid", answer={"status": 500})
    key = house.accept(Recipient(external_id="ada")).messages[0].key
    house.deliver_all(with_attempts(house.engine, 1))
    assert house.message(key).status == "failed"
    with transaction() as session:
        session.execute(update(Attempt).values(at=Attempt.at - timedelta(days=2)))
        control.retry(session, [key], datetime.now(UTC))
    for number in (1, 2):
        house.deliver_all()
        row = house.message(key)
        assert (row.status, row.attempts) == ("held", number)
        house.sweep(datetime.now(UTC) + timedelta(minutes=1))


def test_a_provider_that_names_a_far_time_gets_its_last_try_within_the_budget(
    house: House,
) -> None:
    house.contact("ada", email="ada@example.com")
    house.sandbox.fault("sendgrid", answer={"status": 503, "headers": {"Retry-After": "72000"}})
    key = house.accept(Recipient(external_id="ada"), channels=("email",)).messages[0].key
    house.deliver_all()
    with transaction() as session:
        first = session.scalars(select(Attempt.at)).one()
    end = first + timedelta(hours=4)
    assert (house.message(key).status, house.message(key).send_after) == ("held", end)

    with transaction() as session:
        breaker.close(session, "sendgrid", ["email"], datetime.now(UTC))
    assert house.message(key).send_after == end, "it is neither brought forward nor put off"

    with transaction() as session:
        session.execute(update(Attempt).values(at=Attempt.at - timedelta(hours=4)))
    house.sweep(end)
    house.deliver_all()
    row = house.message(key)
    assert (row.status, row.reason, row.attempts) == ("failed", "gave_up", 2)


def test_the_counters_equal_the_rows(house: House) -> None:
    house.contact("ada", email="ada@example.com", phone="+447700900123")
    house.contact("bob", email="user+bounce@example.com")
    for name in ("ada", "bob", "nobody"):
        house.accept(Recipient(external_id=name))
    house.deliver_all()
    with transaction() as session:
        counted = ledger.totals(session, 0)
        ledger.fold(session)
        assert ledger.totals(session, 0) == counted
    assert sum(counted.values()) == 4
    assert counted["sms", "accepted", ""] == 1


def test_a_dead_worker_loses_nothing_and_sends_at_most_once_more(house: House) -> None:
    house.contact("ada", email="ada@example.com")
    accepted = house.accept(Recipient(external_id="ada"))
    now = datetime.now(UTC)
    with transaction() as session:
        batch = session.scalars(select(Batch)).one()
        claim = batches.claim(session, batch.id, "a worker that dies", now)
        assert claim is not None
        assert batches.dispatch(session, claim, "sendgrid", b"", now)

    house.sweep(now + timedelta(minutes=1))
    row = house.message(accepted.messages[0].key)
    assert row.status == "unknown"
    house.sweep(now + timedelta(minutes=3))
    house.deliver_all()
    row = house.message(row.id)
    assert (row.status, row.attempts) == ("accepted", 2)
    with transaction() as session:
        codes = [attempt.code for attempt in queries.attempts_of(session, row.id)]
    assert codes[0] == "worker_died"
    assert len(house.sandbox.journal()) == 1


def test_who_was_not_to_get_it_is_decided_anew_when_the_worker_dies(house: House) -> None:
    people = house.crowd(3)
    house.opt_out(people[1], "offers", "email")
    keys = house.accept_for_all(3, topic="offers", channels=("email",))
    now = datetime.now(UTC)
    with transaction() as session:
        batch = session.scalars(select(Batch)).one()
        claim = batches.claim(session, batch.id, "a worker that dies", now)
        assert claim is not None
        plan = planning.plan(session, house.engine, claim, rules.current(session), now)
        facts = copies.packed(plan.rows)
        assert batches.dispatch(session, claim, "sendgrid", facts, now)
    house.sweep(now + timedelta(minutes=1))
    assert [house.message(key).status for key in keys] == ["unknown", "queued", "unknown"]
    house.deliver_all()
    assert house.message(keys[1]).reason == "opted_out"
    with transaction() as session:
        assert list(queries.attempts_of(session, keys[1])) == []


def test_a_worker_that_wakes_up_late_can_neither_send_nor_write(house: House) -> None:
    house.contact("ada", email="ada@example.com")
    house.accept(Recipient(external_id="ada"))
    now = datetime.now(UTC)
    with transaction() as session:
        batch = session.scalars(select(Batch)).one()
        late = batches.claim(session, batch.id, "slow", now)
        assert late is not None
    house.sweep(now + timedelta(minutes=1))
    house.deliver_all()
    with transaction() as session:
        assert not batches.dispatch(session, late, "sendgrid", b"", now)
        assert not batches.finish(session, late, now)
    assert len(house.sandbox.journal()) == 1


def test_a_batch_that_kills_three_workers_is_parked(house: House) -> None:
    house.contact("ada", email="ada@example.com")
    accepted = house.accept(Recipient(external_id="ada"))
    now = datetime.now(UTC)
    for death in range(3):
        with transaction() as session:
            batch = session.scalars(select(Batch)).one()
            assert batches.claim(session, batch.id, f"victim {death}", now) is not None
        now += timedelta(minutes=1)
        house.sweep(now)
    row = house.message(accepted.messages[0].key)
    assert (row.status, row.reason) == ("failed", "poison")


class Dies(Mapping[str, Signer]):
    """What a message is made with, and what ends the process that makes it."""

    def __getitem__(self, key: str) -> Signer:
        raise SystemExit(137)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize("lane", ["transactional", "bulk"])
def test_a_batch_that_ends_whoever_prepares_it_does_so_three_times(house: House, lane: str) -> None:
    house.contact("ada", email="ada@example.com")
    accepted = house.accept(Recipient(external_id="ada"))
    with transaction() as session:
        batch = session.scalars(select(Batch)).one()
        batch.lane = lane
        key = batch.id
    now = datetime.now(UTC)
    victim = replace(house.engine, signers=Dies())
    for _ in range(3):
        with pytest.raises(SystemExit):
            deliver.deliver(victim, LeaseKeeper(house.app, victim), key)
        now += timedelta(minutes=1)
        house.sweep(now)
    row = house.message(accepted.messages[0].key)
    assert (row.status, row.reason) == ("failed", "poison")
    assert not house.sandbox.journal()


def test_wrong_credentials_stop_the_lane_and_lose_nothing(house: House) -> None:
    house.contact("ada", email="ada@example.com")
    house.sandbox.fault("sendgrid", answer={"status": 401}, span={"requests": 1})
    accepted = house.accept(Recipient(external_id="ada"))
    house.deliver_all()
    row = house.message(accepted.messages[0].key)
    assert (row.status, row.hold_reason, row.attempts) == ("held", "provider_setup", 0)
    with transaction() as session:
        assert breaker.troubled(session)["sendgrid"].cause == "config"
    house.probe_may_go("sendgrid")
    house.sweep(datetime.now(UTC) + timedelta(minutes=1))
    house.deliver_all()
    assert house.message(row.id).status == "accepted"


def test_the_next_channel_is_tried_when_the_first_fails_for_good(house: House) -> None:
    ada = house.contact("ada", email="ada@example.com")
    house.device(ada, "ios", IOS)
    house.sandbox.fault("apns", answer={"status": 410, "body": {"reason": "ExpiredToken"}})
    accepted = house.accept(
        Recipient(external_id="ada"), channels=("ios", "email"), strategy="first"
    )
    assert [message.channel for message in accepted.messages] == ["ios"]
    house.deliver_all()
    house.deliver_all()
    assert house.message(accepted.messages[0].key).reason == "recipient_dead"
    assert [line["channel"] for line in house.sandbox.journal() if line["answer"] == "202"] == [
        "email"
    ]


def test_a_public_id_leads_back_to_its_message(house: House) -> None:
    accepted = house.accept(Recipient(email="someone@example.com"), data={"first_name": "Sam"})
    message = accepted.messages[0]
    assert ids.decode("ntf", message.public_id) == message.key
