"""Provider webhooks and the suppression list: who gets on it, and who comes off again."""

import pytest
from sqlalchemy import text

from app.tracking import engagement
from app.tracking.engagement import Hit
from tests.support.clock import START
from tests.support.messages import World
from tests.tracking.reports import apply, sendgrid, status_of, suppressed, twilio

LATER = int(START.timestamp()) - 10


def test_a_hard_bounce_suppresses_the_address(world: World) -> None:
    contact = world.contact(email="Gone@example.com")
    message = world.message(contact)
    apply(world, sendgrid(message, "bounce", type="bounce", status="5.1.1", reason="no such user"))
    assert status_of(world, message) == ("bounced", "mailbox_unknown")
    assert suppressed(world) == {"gone@example.com": ("bounce", "all")}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"type": "blocked", "status": "4.7.1"}, "blocked"),
        ({"type": "bounce", "status": "5.7.26"}, "refused"),
        ({"type": "bounce", "status": "5.2.2"}, "mailbox_full"),
    ],
)
def test_what_is_not_the_recipients_fault_suppresses_nobody(
    world: World, more: dict[str, str], reason: str
) -> None:
    message = world.message(world.contact())
    apply(world, sendgrid(message, "bounce", **more))
    assert status_of(world, message) == ("bounced", reason)
    assert suppressed(world) == {}


def test_a_mailbox_that_was_full_three_times_is_suppressed(world: World) -> None:
    contact = world.contact()
    for number in range(3):
        assert len(suppressed(world)) == 0
        message = world.message(contact)
        apply(world, sendgrid(message, "bounce", number, type="bounce", status="5.2.2"))
    assert suppressed(world) == {contact.email: ("bounce", "all")}


def test_a_complaint_stops_marketing_at_once_and_leaves_the_message_delivered(world: World) -> None:
    contact = world.contact()
    message = world.message(contact, status="delivered")
    apply(world, sendgrid(message, "spamreport"))
    assert status_of(world, message) == ("delivered", None)
    assert suppressed(world) == {contact.email: ("complaint", "marketing")}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Bounced Address", ("bounce", "all")),
        ("Invalid", ("invalid", "all")),
        ("Unsubscribed Address", ("unsubscribe", "marketing")),
        ("Spam Reporting Address", ("complaint", "marketing")),
    ],
)
def test_a_drop_says_what_the_provider_knows_of_the_address(
    world: World, reason: str, expected: tuple[str, str]
) -> None:
    contact = world.contact()
    apply(world, sendgrid(world.message(contact), "dropped", reason=reason))
    assert suppressed(world) == {contact.email: expected}


def test_a_drop_for_spam_content_alerts_and_suppresses_nobody(world: World) -> None:
    apply(world, sendgrid(world.message(world.contact()), "dropped", reason="Spam Content"))
    assert suppressed(world) == {}
    assert world.session.scalars(text("select cause from incident")).all() == [
        "sendgrid:dropped:spam_content"
    ]


def test_leaving_and_rejoining_a_group_at_the_provider(world: World) -> None:
    contact = world.contact()
    message = world.message(contact)
    apply(world, sendgrid(message, "group_unsubscribe", asm_group_id=7))
    assert suppressed(world) == {contact.email: ("unsubscribe", "marketing")}
    apply(world, sendgrid(message, "group_resubscribe", asm_group_id=8))
    assert len(suppressed(world)) == 1
    apply(world, sendgrid(message, "group_resubscribe", 2, asm_group_id=7))
    assert suppressed(world) == {}


def test_the_last_word_about_a_group_counts_whatever_comes_together(world: World) -> None:
    message = world.message(world.contact())
    apply(world, sendgrid(message, "group_unsubscribe", asm_group_id=7))
    back = sendgrid(message, "group_resubscribe", asm_group_id=7, timestamp=LATER)
    for seconds in (0, 60):
        moment = {"timestamp": LATER + seconds, "sg_event_id": f"left-{seconds}"}
        gone = sendgrid(message, "group_unsubscribe", asm_group_id=7, **moment)
        apply(world, *([back, gone] if seconds == 0 else [gone, back | {"sg_event_id": "late"}]))
        assert len(suppressed(world)) == 1, seconds


@pytest.mark.parametrize(
    "further", [("unsubscribe", {}), ("group_unsubscribe", {"asm_group_id": 8})]
)
@pytest.mark.parametrize("rejoined", [7, 8])
def test_rejoining_a_group_does_not_undo_another_opt_out(
    world: World, further: tuple[str, dict[str, int]], rejoined: int
) -> None:
    message = world.message(world.contact())
    apply(world, sendgrid(message, "group_unsubscribe", asm_group_id=7))
    apply(world, sendgrid(message, further[0], 2, **further[1]))
    apply(world, sendgrid(message, "group_resubscribe", asm_group_id=rejoined, timestamp=LATER))
    assert len(suppressed(world)) == 1


def test_a_complaint_outweighs_an_opt_out_of_the_same_moment(world: World) -> None:
    message = world.message(world.contact())
    apply(world, sendgrid(message, "spamreport"), sendgrid(message, "unsubscribe"))
    assert list(suppressed(world).values()) == [("complaint", "marketing")]


def test_trouble_is_counted_by_channel_and_address(world: World) -> None:
    contact = world.contact()
    apply(world, sendgrid(world.message(contact), "bounce", type="blocked", status="4.7.1"))
    twilio(world, world.message(contact, channel="sms"), "undelivered", "30004")
    assert suppressed(world) == {}
    full = {"type": "bounce", "status": "5.2.2"}
    for address in ("old@example.com", "old@example.com", "new@example.com"):
        apply(world, sendgrid(world.message(contact, address=address), "bounce", **full))
    assert suppressed(world) == {}
    apply(world, sendgrid(world.message(contact, address="old@example.com"), "bounce", **full))
    assert suppressed(world) == {"old@example.com": ("bounce", "all")}


def test_trouble_of_a_bare_address_counts_and_that_of_a_test_key_does_not(world: World) -> None:
    for test in (True, False):
        for _ in range(3):
            message = world.message(None, address="bare@example.com", test=test)
            apply(world, sendgrid(message, "bounce", type="bounce", status="5.2.2"))
        expected = {} if test else {"bare@example.com": ("bounce", "all")}
        assert suppressed(world) == expected


def test_a_test_message_never_suppresses_an_address(world: World) -> None:
    message = world.message(world.contact(), test=True)
    apply(world, sendgrid(message, "bounce", type="bounce", status="5.1.1"))
    assert suppressed(world) == {}


def test_a_complaint_counts_however_often_the_mail_was_opened(world: World) -> None:
    message = world.message(world.contact())
    opens = [Hit(message.id, "opened", world.now, "pixel") for _ in range(120)]
    assert len(engagement.record(world.session, opens, world.now)) == engagement.MAX_PER_MESSAGE
    assert apply(world, sendgrid(message, "spamreport")).events == 1
    assert list(suppressed(world).values()) == [("complaint", "marketing")]
