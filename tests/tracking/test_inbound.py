"""STOP and START by text."""

from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from app.audience import consent, suppressions
from app.audience.consent import Choice
from app.tracking import inbound
from app.tracking.twilio import wish
from tests.support.messages import World


def receive(world: World, number: str | None, body: str, **more: str) -> object:
    fields = {"MessageSid": "SM1", "From": number or "", "Body": body, **more}
    return inbound.apply(world.session, urlencode(fields).encode(), 1, world.now, world.now)


def suppressed(world: World) -> list[tuple[str, str, str]]:
    rows = world.session.execute(text("select address, reason, scope from suppression"))
    return [(row[0], row[1], row[2]) for row in rows]


@pytest.mark.parametrize(
    "body",
    ["STOP", " stop. ", "“Stop”", "Stop all", "stopall", "opt-out", "Opt Out!", "UNSUBSCRIBE",
     "ＳＴＯＰ", "quit", "Revoke", "End", "cancel", "Arrêt"],
)  # fmt: skip
def test_a_whole_message_that_says_stop_is_a_stop(body: str) -> None:
    assert wish(body) == "stop"


@pytest.mark.parametrize("body", ["stop by tomorrow?", "please cancel my order", "Don't stop!"])
def test_a_sentence_with_the_word_goes_to_a_person(body: str) -> None:
    assert wish(body) == "maybe_stop"


def test_twilios_own_reading_wins() -> None:
    assert wish("détente", "STOP") == "stop"
    assert wish("stop", "HELP") == "help"


def test_stop_suppresses_the_number_and_withdraws_consent(world: World) -> None:
    contact = world.contact(phone="+447700900412")
    assert receive(world, contact.phone, "STOP") == "stop"
    assert suppressed(world) == [("+447700900412", "stop", "all")]
    rows = {row.topic.key: row for row in consent.matrix(world.session, contact.id)}
    assert not rows["offers"].channels["sms"].opted_in
    assert rows["offers"].channels["email"].opted_in
    assert rows["orders"].channels["sms"].opted_in


def test_start_lifts_only_what_stop_did(world: World) -> None:
    contact = world.contact(phone="+447700900412")
    receive(world, contact.phone, "STOP")
    receive(world, contact.phone, "START")
    assert suppressed(world) == []
    rows = {row.topic.key: row for row in consent.matrix(world.session, contact.id)}
    assert rows["offers"].channels["sms"].opted_in


def test_start_undoes_no_choice_made_elsewhere(world: World) -> None:
    contact = world.contact(phone="+447700900412")
    choice = Choice(world.offers.id, "sms", False)
    consent.set_preferences(world.session, contact.id, [choice], "preference page", {}, world.now)
    receive(world, contact.phone, "STOP")
    receive(world, contact.phone, "START")
    rows = {row.topic.key: row for row in consent.matrix(world.session, contact.id)}
    assert not rows["offers"].channels["sms"].opted_in


def test_a_stop_counts_for_the_last_text_that_was_sent(world: World) -> None:
    contact = world.contact(phone="+447700900412")
    message = world.message(contact, channel="sms")
    receive(world, contact.phone, "STOP")
    rows = world.session.execute(text("select notification_id, kind from event")).all()
    assert [tuple(row) for row in rows] == [(message.id, "unsubscribed")]


@pytest.mark.parametrize("number", ["", "nonsense", "+", "１２３４５６７"])
def test_a_sender_that_is_no_number_does_nothing(world: World, number: str) -> None:
    assert receive(world, number, "STOP") is None
    assert suppressed(world) == []


def test_a_stranger_can_stop_too(world: World) -> None:
    assert receive(world, "+15005550006", "STOP") == "stop"
    assert suppressed(world) == [("+15005550006", "stop", "all")]


def test_start_does_not_undo_what_staff_blocked(world: World) -> None:
    contact = world.contact(phone="+447700900412")
    receive(world, contact.phone, "STOP")
    suppressions.add_by_hand(world.session, "phone", "+447700900412", "court", "me", world.now)
    receive(world, contact.phone, "STOP", MessageSid="SM2")
    assert suppressed(world) == [("+447700900412", "manual", "all")]
    assert receive(world, contact.phone, "START", MessageSid="SM3") == "start"
    assert suppressed(world) == [("+447700900412", "manual", "all")]
