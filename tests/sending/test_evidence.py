"""Evidence for lost answers: Twilio is asked, and believed. On the wire."""

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from app import ids
from app.channels.base import KnownText
from app.db import transaction
from app.sending import control, evidence, lost_texts, sweep
from app.sending.requests import Recipient
from app.tracking import receipts
from tests.support.sending import House

PHONE = "+12025551234"


def lose(house: House, fault: str, name: str = "Sam", topic: str = "service") -> int:
    """Send a text whose answer is lost at the gate; its key."""
    house.sandbox.fault("twilio", fault=fault, span={"requests": 1})
    accepted = house.accept(Recipient(phone=PHONE), topic, data={"first_name": name})
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
    assert lost_texts.look(house.engine) == 1
    row = house.message(key)
    (line,) = house.sandbox.journal()
    assert (row.status, row.provider_id) == ("accepted", line["message_id"])
    house.sweep(datetime.now(UTC) + timedelta(minutes=5))
    house.deliver_all()
    assert len(house.sandbox.journal()) == 1


def test_it_is_not_asked_long_before_the_policy_would_apply(house: House) -> None:
    lose(house, "accept_then_reset")
    assert lost_texts.look(house.engine) == 0


def test_a_text_that_twilio_does_not_list_is_left_to_the_policy(house: House) -> None:
    key = lose(house, "reset")
    soon()
    assert lost_texts.look(house.engine) == 0
    assert house.message(key).status == "unknown"
    house.sweep(datetime.now(UTC) + timedelta(minutes=2))
    house.deliver_all()
    assert house.message(key).status == "accepted"


def test_marketing_that_twilio_does_not_list_goes_out_though_nothing_else_was_heard(
    house: House,
) -> None:
    key = lose(house, "reset", topic="newsletter")
    soon()
    lost_texts.look(house.engine)
    house.sweep(datetime.now(UTC) + timedelta(minutes=2))
    assert house.deliver_all() == 1
    assert house.message(key).status == "accepted"


def test_a_listed_text_in_other_words_proves_nothing(house: House) -> None:
    stranger = house.accept(Recipient(phone=PHONE), data={"first_name": "Kim"})
    house.deliver_all()
    with transaction() as session:  # as if another system had sent it over the same account
        session.execute(
            text("update notification set provider_id = null where id = :key"),
            {"key": stranger.messages[0].key},
        )
    key = lose(house, "reset", topic="newsletter")
    soon()
    lost_texts.look(house.engine)
    house.sweep(datetime.now(UTC) + timedelta(minutes=2))
    assert house.message(key).status == "unknown"
    house.sweep(datetime.now(UTC) + timedelta(minutes=12))
    assert (house.message(key).status, house.message(key).reason) == ("failed", "no_answer")


def test_quotes_and_a_trial_accounts_sentence_do_not_hide_a_text() -> None:
    now = datetime.now(UTC)
    sent = "It\N{RIGHT SINGLE QUOTATION MARK}s 5 o\N{RIGHT SINGLE QUOTATION MARK}clock"
    known = KnownText("SM1", "sent", "", PHONE, f"Sent from a trial account - {sent}", now)
    lost = lost_texts.LostText(1, PHONE, None, False, 1, 1, now)
    found = lost_texts.compare([lost], {PHONE: [known]}, {1: "It's 5 o'clock"}, set())
    assert found.taken == {1: known}


def test_a_text_without_letters_is_found_by_its_signs() -> None:
    now = datetime.now(UTC)
    known = [KnownText(f"SM{body}", "sent", "", PHONE, body, now) for body in ("🎉 🎂", "👍")]
    lost = lost_texts.LostText(1, PHONE, None, False, 1, 1, now)
    found = lost_texts.compare([lost], {PHONE: known}, {1: "🎉🎂"}, {"SM👍"})
    assert found.taken == {1: known[0]}
    assert lost_texts.compare([lost], {PHONE: known[1:]}, {1: "🎉🎂"}, {"SM👍"}).unlisted == [1]


def test_more_lost_texts_than_fit_into_one_question_are_all_asked_about(house: House) -> None:
    count = lost_texts.AT_ONCE + 20
    house.crowd(count)
    house.accept_for_all(count, channels=["sms"])
    house.deliver_all()
    with transaction() as session:  # as if no answer to any of them had come back
        session.execute(
            text(
                "update notification set status = 'unknown', provider_id = null, "
                "send_after = now() + interval '20 s'"
            )
        )
    assert lost_texts.look(house.engine) == count


def test_another_text_to_the_same_number_is_no_evidence(house: House) -> None:
    other = house.accept(Recipient(phone=PHONE), data={"first_name": "Sam"})
    house.deliver_all()
    key = lose(house, "reset")
    lose_other_words = lose(house, "accept_then_reset", name="Kim")
    soon()
    assert lost_texts.look(house.engine) == 1
    assert house.message(other.messages[0].key).status == "accepted"
    assert house.message(key).status == "unknown"
    assert house.message(lose_other_words).status == "accepted"


def test_two_lost_texts_of_the_same_words_share_no_evidence(house: House) -> None:
    first, second = lose(house, "accept_then_reset"), lose(house, "reset")
    soon()
    assert lost_texts.look(house.engine) == 1
    assert {house.message(first).status, house.message(second).status} == {"accepted", "unknown"}


def test_while_twilio_cannot_be_asked_the_policy_waits_for_ten_minutes(house: House) -> None:
    key = lose(house, "accept_then_reset")
    soon()
    house.sandbox.fault("twilio_look_up", answer={"status": 503})
    assert lost_texts.look(house.engine) == 0
    house.sweep(datetime.now(UTC) + timedelta(minutes=9))
    assert house.message(key).status == "unknown"
    house.sweep(datetime.now(UTC) + timedelta(minutes=11))
    assert house.message(key).status == "queued"


def lose_a_mail(house: House, topic: str = "service") -> int:
    """Send a mail that SendGrid takes without an answer; its key."""
    house.sandbox.fault("sendgrid", fault="accept_then_reset", span={"requests": 1})
    accepted = house.accept(Recipient(email="sam@example.com"), topic, data={"first_name": "Sam"})
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


def test_silence_is_judged_by_when_a_mail_left_not_by_when_its_loss_was_noticed(
    house: House,
) -> None:
    key = lose_a_mail(house, topic="newsletter")
    other = house.accept(Recipient(email="kim@example.com"), "newsletter").messages[0].key
    house.deliver_all()
    report(other, datetime.now(UTC))
    noticed = datetime.now(UTC) + timedelta(minutes=4)
    with transaction() as session:
        receipts.apply(session, datetime.now(UTC))
        session.execute(  # the worker that had it was only found dead then
            text("update attempt set at = :noticed where notification_id = :key"),
            {"noticed": noticed, "key": key},
        )
    house.sweep(noticed + timedelta(minutes=2))
    assert house.message(key).status == "queued"


def test_reports_that_came_before_a_mail_left_prove_nothing_about_it(house: House) -> None:
    other = house.accept(Recipient(email="kim@example.com"), "newsletter").messages[0].key
    house.deliver_all()
    report(other, datetime.now(UTC))
    with transaction() as session:
        receipts.apply(session, datetime.now(UTC))
    key = lose_a_mail(house, topic="newsletter")
    house.sweep(datetime.now(UTC) + timedelta(minutes=2))
    assert house.message(key).status == "unknown"
    house.sweep(datetime.now(UTC) + timedelta(minutes=11))
    assert (house.message(key).status, house.message(key).reason) == ("failed", "no_answer")


def test_among_thousands_of_reports_those_from_its_own_time_count(house: House) -> None:
    """At the end of a large campaign all was heard about the first ones before the last left."""
    house.crowd(9)
    early = house.accept_for_all(9, topic="newsletter", channels=("email",))
    house.deliver_all()
    told = list(early)

    def hear(count: int) -> None:
        for _ in range(count):
            report(told.pop(0), datetime.now(UTC))
        with transaction() as session:
            receipts.apply(session, datetime.now(UTC))

    def is_talking(moment: datetime) -> bool:
        with transaction() as session:
            return evidence.provider_is_talking(session, "sendgrid", moment, most=3)

    hear(8)
    left = datetime.now(UTC)
    assert not is_talking(left)
    hear(1)
    assert is_talking(left)


def test_a_dead_letter_that_was_put_back_may_lose_an_answer_again(house: House) -> None:
    key = lose_a_mail(house)
    house.sandbox.fault("sendgrid", fault="accept_then_reset", span={"requests": 1})
    now = datetime.now(UTC)
    house.sweep(now + timedelta(minutes=2))
    house.deliver_all()
    house.sweep(now + timedelta(minutes=4))
    assert (house.message(key).status, house.message(key).reason) == ("failed", "no_answer")

    with transaction() as session:
        assert control.retry(session, [key], datetime.now(UTC)) == 1
    house.sandbox.fault("sendgrid", fault="accept_then_reset", span={"requests": 1})
    house.deliver_all()
    house.sweep(datetime.now(UTC) + timedelta(minutes=2))
    assert house.deliver_all() == 1
    assert house.message(key).status == "accepted"


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
