"""One sentence that says what became of a message."""

from datetime import UTC, datetime, timedelta

import pytest

from app.sending.status import STATUSES
from app.sending.verdict import Heard, Story, Try, Verdict, verdict

ASKED = datetime(2026, 11, 23, 17, 47, 19, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return ASKED + timedelta(seconds=seconds)


def judge(story: Story) -> Verdict:
    return verdict(story, lambda at: f"{at:%H:%M:%S}", lambda span: f"{span.total_seconds():.0f} s")


def whole(story: Story) -> str:
    found = judge(story)
    return found.lead + found.rest


def test_a_delivery_says_when_and_what_went_wrong_before() -> None:
    tries = [
        Try(1, later(31), "twilio", "throttled", "20429", "Too Many Requests"),
        Try(2, later(64), "twilio", "accepted", "201"),
    ]
    events = [Heard("delivered", later(72)), Heard("clicked", later(287), "human")]
    story = Story("sms", "delivered", ASKED, handed_at=later(64), tries=tries, events=events)
    assert whole(story) == (
        "Delivered by SMS on 17:48:31, 72 s after your system asked. Twilio did not take the "
        "first try (20429), so Herald tried again. A link was followed on 17:52:06."
    )
    assert judge(story).customer == (
        "Our text message of 17:47:19 was delivered to your phone on 17:48:31."
    )


def test_a_push_is_never_called_delivered() -> None:
    tries = [Try(1, later(1), "apns", "accepted", "200")]
    said = whole(Story("ios", "accepted", ASKED, handed_at=later(1), tries=tries))
    assert said.startswith("Handed to Apple on 17:47:20")
    assert "does not report" in said
    assert "elivered" not in said


def test_an_accepted_mail_waits_for_its_confirmation() -> None:
    tries = [Try(1, later(1), "sendgrid", "accepted", "202")]
    said = whole(Story("email", "accepted", ASKED, handed_at=later(1), tries=tries))
    assert "SendGrid has not confirmed the delivery yet." in said


def test_an_open_by_a_machine_is_no_proof() -> None:
    events = [Heard("opened", later(2), "machine")]
    story = Story("email", "delivered", ASKED, handed_at=later(1), events=events)
    assert "Opened" not in whole(story)


def test_a_dead_letter_names_the_last_answer() -> None:
    tries = [Try(n, later(n), "twilio", "retry", "503", "busy.") for n in (1, 2)]
    story = Story("sms", "failed", ASKED, "gave_up", final_at=later(9), tries=tries)
    assert whole(story) == (
        "Not delivered: given up on 17:47:28 after 2 tries. All tries were used up. "
        "Twilio answered 503: busy."
    )
    assert judge(story).tone == "bad"


def test_a_message_we_chose_not_to_send_says_why() -> None:
    story = Story("email", "skipped", ASKED, "opted_out", final_at=later(1))
    assert whole(story).startswith("Not sent: the person opted out of this topic on this channel.")
    assert "because you chose not to" in judge(story).customer


def test_a_stop_that_only_the_provider_knew_is_said_by_its_name() -> None:
    tries = [Try(1, later(1), "twilio", "suppressed", "21610", "The person answered STOP.")]
    story = Story("sms", "skipped", ASKED, "suppressed", final_at=later(1), tries=tries)
    assert whole(story) == (
        "Not sent: the address is on the suppression list. Twilio refused it on 17:47:20. "
        "Twilio answered 21610: The person answered STOP."
    )


def test_a_held_message_says_until_when_and_why() -> None:
    night = Story("email", "held", ASKED, hold_reason="quiet_hours", send_after=later(3600))
    assert whole(night) == "Held until 18:47:19. It is night where the person lives."
    tries = [Try(1, later(1), "sendgrid", "retry", "500", "")]
    again = Story("email", "held", ASKED, hold_reason="retry", send_after=later(20), tries=tries)
    assert whole(again).startswith("Will be tried again on 17:47:39.")
    assert judge(again).tone == "warn"


def test_silence_is_not_called_a_failure() -> None:
    tries = [Try(1, later(1), "fcm", "ambiguous")]
    story = Story("android", "unknown", ASKED, send_after=later(120), tries=tries)
    assert whole(story).startswith("Unconfirmed: Google did not answer on 17:47:20.")


@pytest.mark.parametrize(
    ("status", "reason", "why"),
    [
        ("expired", "expired", "its time is over."),
        ("skipped", "opted_out", "the person opted out of this topic on this channel."),
        ("skipped", None, "Herald chose not to."),
        ("cancelled", "cancelled", "it was cancelled."),
        ("cancelled", "campaign_cancelled", "the campaign was cancelled."),
    ],
)
def test_what_ends_after_a_lost_answer_may_have_arrived(
    status: str, reason: str | None, why: str
) -> None:
    tries = [Try(1, later(1), "twilio", "ambiguous"), Try(2, later(9), "twilio", "retry", "503")]
    lost = Story("sms", status, ASKED, reason, final_at=later(60), tries=tries)
    assert whole(lost).lower() == (
        "unconfirmed: twilio did not answer on 17:47:20. it may have gone out. "
        f"herald does not try again: {why.lower()}"
    )
    assert judge(lost).tone == "warn"
    assert judge(lost).customer == (
        "Our text message of 17:47:19 may have been sent; we have no confirmation."
    )


def test_a_dead_letter_whose_answer_was_lost_may_have_arrived() -> None:
    tries = [Try(1, later(1), "twilio", "ambiguous"), Try(2, later(9), "twilio", "retry", "503")]
    lost = Story("sms", "failed", ASKED, "gave_up", final_at=later(60), tries=tries)
    assert whole(lost).startswith("Unconfirmed: given up on 17:48:19 after 2 tries.")
    assert whole(lost).endswith("It may have gone out.")
    assert "may have been sent" in judge(lost).customer


def test_a_message_that_waits_after_a_lost_answer_may_have_arrived() -> None:
    tries = [Try(1, later(1), "twilio", "ambiguous"), Try(2, later(9), "twilio", "retry", "503")]
    held = Story("sms", "held", ASKED, hold_reason="retry", send_after=later(99), tries=tries)
    assert "may have been sent already" in judge(held).customer
    never = Story("sms", "held", ASKED, hold_reason="retry", send_after=later(99), tries=tries[1:])
    assert "has not been sent yet" in judge(never).customer


@pytest.mark.parametrize("status", ["expired", "skipped", "cancelled"])
def test_what_ends_without_a_lost_answer_was_never_handed_over(status: str) -> None:
    tries = [Try(1, later(1), "twilio", "retry", "503")]
    said = whole(Story("sms", status, ASKED, final_at=later(60), tries=tries))
    assert "handed over" in said
    assert "may have" not in said


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("channel", ["email", "sms", "ios", "android"])
def test_every_state_has_its_sentences(status: str, channel: str) -> None:
    found = judge(Story(channel, status, ASKED))
    for sentence in (found.lead + found.rest, found.customer):
        assert sentence.endswith(".")
        assert ".." not in sentence
        assert "None" not in sentence
