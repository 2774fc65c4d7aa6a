"""Evidence for lost answers: Twilio is asked, and believed. On the wire."""

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from app import ids
from app.db import transaction
from app.sending import evidence, sweep
from app.sending.requests import Recipient
from app.tracking import receipts
from tests.support.sending import House

PHONE = "+12025551234"


def lose(house: House, fault: str, to: str = PHONE, name: str = "Sam") -> int:
    """Send a text whose answer is lost at the gate; its key."""
    house.sandbox.fault("twilio", fault=fault, span={"requests": 1})
    accepted = house.accept(Recipient(phone=to), data={"first_name": name})
    house.deliver_all()
    key = accepted.messages[0].key
    assert house.message(key).status == "unknown"
    return key


def soon() -> None:
    """Let the time come at which Twilio is asked."""
    with transaction() as session:
        session.execute(
            text("update notification set send_after = now() + interval '20 s' "
                 "where status = 'unknown'")
        )  # fmt: skip


def test_a_text_that_twilio_took_is_accepted_and_not_sent_again(house: House) -> None:
    key = lose(house, "accept_then_reset")
    soon()
    assert evidence.look(house.engine) == 1
    row = house.message(key)
    (line,) = house.sandbox.journal()
    assert (row.status, row.provider_id) == ("accepted", line["message_id"])
    house.sweep(datetime.now(UTC) + timedelta(minutes=5))
    house.deliver_all()
    assert len(house.sandbox.journal()) == 1


def test_it_is_not_asked_long_before_the_policy_would_apply(house: House) -> None:
    lose(house, "accept_then_reset")
    assert evidence.look(house.engine) == 0


def test_a_text_that_twilio_does_not_list_is_left_to_the_policy(house: House) -> None:
    key = lose(house, "reset")
    before = house.message(key).send_after
    soon()
    assert evidence.look(house.engine) == 0
    row = house.message(key)
    assert row.status == "unknown"
    assert row.send_after < before


def test_another_text_to_the_same_number_is_no_evidence(house: House) -> None:
    other = house.accept(Recipient(phone=PHONE), data={"first_name": "Sam"})
    house.deliver_all()
    key = lose(house, "reset")
    lose_other_words = lose(house, "accept_then_reset", name="Kim")
    soon()
    assert evidence.look(house.engine) == 1
    assert house.message(other.messages[0].key).status == "accepted"
    assert house.message(key).status == "unknown"
    assert house.message(lose_other_words).status == "accepted"


def test_two_lost_texts_of_the_same_words_share_no_evidence(house: House) -> None:
    first, second = lose(house, "accept_then_reset"), lose(house, "reset")
    soon()
    assert evidence.look(house.engine) == 1
    assert {house.message(first).status, house.message(second).status} == {"accepted", "unknown"}


def test_while_twilio_cannot_be_asked_the_policy_waits(house: House) -> None:
    key = lose(house, "accept_then_reset")
    soon()
    house.sandbox.fault("twilio_look_up", answer={"status": 503})
    assert evidence.look(house.engine) == 0
    assert house.message(key).send_after > datetime.now(UTC) + timedelta(seconds=25)


def lose_a_mail(house: House) -> int:
    """Send a mail that SendGrid takes without an answer; its key."""
    house.sandbox.fault("sendgrid", fault="accept_then_reset", span={"requests": 1})
    accepted = house.accept(Recipient(email="sam@example.com"), data={"first_name": "Sam"})
    house.deliver_all()
    (message,) = accepted.messages
    assert house.message(message.key).status == "unknown"
    return message.key


def report(key: int, at: datetime) -> None:
    """SendGrid's webhook that proves it: kept, not applied yet."""
    event = {"event": "delivered", "nid": ids.encode("ntf", key), "sg_event_id": f"e{key}",
             "timestamp": int(at.timestamp()), "att": "1"}  # fmt: skip
    with transaction() as session:
        receipts.store(session, "sendgrid", json.dumps([event]).encode(), {}, at)


def test_a_proof_that_came_in_time_counts_however_late_it_is_applied(house: House) -> None:
    key = lose_a_mail(house)
    report(key, datetime.now(UTC))
    for minutes in (2, 5, 9):
        house.sweep(datetime.now(UTC) + timedelta(minutes=minutes))
        assert house.message(key).status == "unknown"
    with transaction() as session:
        assert receipts.apply(session, datetime.now(UTC)).events == 1
    assert house.message(key).status == "delivered"
    house.sweep(datetime.now(UTC) + timedelta(minutes=11))
    house.deliver_all()
    assert len(house.sandbox.journal()) == 1


def test_a_proof_that_comes_after_the_decision_still_keeps_it_from_leaving_again(
    house: House,
) -> None:
    key = lose_a_mail(house)
    with transaction() as session:
        sweep.settle_unknown(session, house.engine, datetime.now(UTC) + timedelta(minutes=2))
    assert house.message(key).status == "held"
    report(key, datetime.now(UTC))
    with transaction() as session:
        receipts.apply(session, datetime.now(UTC))
    house.sweep(datetime.now(UTC) + timedelta(minutes=3))
    house.deliver_all()
    assert house.message(key).status == "delivered"
    assert len(house.sandbox.journal()) == 1


def test_what_was_stored_about_a_message_settles_it_though_it_was_not_moved(house: House) -> None:
    key = lose_a_mail(house)
    with transaction() as session:
        session.execute(
            text(
                "insert into event (notification_id, channel, kind, at, received_at, source) "
                "values (:key, 'email', 'delivered', now(), now(), 'sendgrid')"
            ),
            {"key": key},
        )
    house.sweep(datetime.now(UTC) + timedelta(minutes=2))
    assert house.message(key).status == "delivered"
    assert house.deliver_all() == 0


def test_reports_that_cannot_be_applied_do_not_keep_a_message_for_ever(house: House) -> None:
    key = lose_a_mail(house)
    report(key, datetime.now(UTC))
    house.sweep(datetime.now(UTC) + timedelta(minutes=11))
    assert house.deliver_all() == 1
    assert len(house.sandbox.journal()) == 2


def test_reports_of_a_later_time_are_not_waited_for(house: House) -> None:
    key = lose_a_mail(house)
    report(key, datetime.now(UTC) + timedelta(seconds=70))
    house.sweep(datetime.now(UTC) + timedelta(seconds=71))
    assert house.message(key).status == "queued"


def test_a_provider_is_talking_once_a_webhook_about_a_later_message_came(house: House) -> None:
    began = datetime.now(UTC)
    accepted = house.accept(Recipient(phone=PHONE), data={"first_name": "Sam"})
    house.deliver_all()
    with transaction() as session:
        assert not evidence.provider_is_talking(session, "twilio", began)
        session.execute(
            text(
                "insert into event (notification_id, channel, kind, at, received_at, source) "
                "values (:key, 'sms', 'delivered', now(), now(), 'twilio')"
            ),
            {"key": accepted.messages[0].key},
        )
        assert evidence.provider_is_talking(session, "twilio", began)
        assert not evidence.provider_is_talking(session, "sendgrid", began)
        later = datetime.now(UTC) + timedelta(seconds=1)
        assert not evidence.provider_is_talking(session, "twilio", later)


def test_the_first_attempt_since_a_moment_is_found_by_halving(house: House) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with transaction() as session:
        session.execute(
            text(
                """
                insert into attempt (id, notification_id, batch_id, fence, number, at, provider,
                                     outcome, detail, duration_ms)
                overriding system value
                select 1000 + 7 * n, n, n, 1, 1, :start + n * interval '1 minute', 'twilio',
                       'accepted', '', 0 from generate_series(0, 999) n
                """
            ),
            {"start": start},
        )
        for minute in (0, 1, 500, 998, 999):
            found = evidence.first_attempt_since(session, start + timedelta(minutes=minute))
            assert 1000 + 7 * (minute - 1) < found <= 1000 + 7 * minute
        assert evidence.first_attempt_since(session, start + timedelta(days=9)) > 1000 + 7 * 999
        session.rollback()
