"""Provider webhooks, applied: statuses and events, whatever their order."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.tracking import receipts
from tests.support.messages import World
from tests.tracking.reports import apply, keep, sendgrid, status_of, suppressed, twilio


def test_delivered_is_said_only_when_the_provider_says_so(world: World) -> None:
    message = world.message(world.contact())
    assert apply(world, sendgrid(message, "delivered", response="250 OK")).events == 1
    assert status_of(world, message) == ("delivered", None)


def test_the_same_event_again_changes_nothing(world: World) -> None:
    message = world.message(world.contact())
    event = sendgrid(message, "delivered")
    apply(world, event, event)
    assert apply(world, event).events == 0
    assert world.session.scalar(text("select count(*) from event")) == 1


def test_a_late_bounce_follows_a_delivery_but_not_the_other_way(world: World) -> None:
    message = world.message(world.contact())
    apply(world, sendgrid(message, "delivered"))
    apply(world, sendgrid(message, "bounce", type="bounce", status="5.1.1"))
    apply(world, sendgrid(message, "delivered", 2))
    assert status_of(world, message) == ("bounced", "mailbox_unknown")


def test_proof_of_acceptance_settles_a_message_nobody_answered_for(world: World) -> None:
    message = world.message(world.contact(), status="unknown")
    apply(world, sendgrid(message, "processed"))
    assert status_of(world, message) == ("accepted", None)


def test_proof_that_is_not_needed_is_not_kept(world: World) -> None:
    apply(world, sendgrid(world.message(world.contact()), "processed"))
    assert world.session.scalar(text("select count(*) from event")) == 0


def test_a_providers_open_and_click_are_engagement(world: World) -> None:
    message = world.message(world.contact())
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"
    apply(
        world,
        sendgrid(message, "open", useragent=agent),
        sendgrid(message, "open", 2, useragent=agent, sg_machine_open=True),
        sendgrid(message, "click", useragent=agent, url=world.links[1].url),
    )
    rows = world.session.execute(text("select kind, verdict, link_id from event order by kind, 2"))
    assert [tuple(row) for row in rows] == [
        ("clicked", "human", world.links[1].id),
        ("opened", "human", None),
        ("opened", "machine", None),
    ]


def test_shuffled_and_repeated_events_end_as_in_order(world: World) -> None:
    contacts = [world.contact() for _ in range(40)]
    messages = [world.message(contact) for contact in contacts]
    events = []
    for number, message in enumerate(messages):
        events += [sendgrid(message, "processed"), sendgrid(message, "delivered")]
        if number % 4 == 0:
            events.append(sendgrid(message, "bounce", type="bounce", status="5.1.1"))
    shuffled = events * 3
    random.Random(7).shuffle(shuffled)
    for start in range(0, len(shuffled), 11):
        keep(world.session, shuffled[start : start + 11], world.now)
    while receipts.apply(world.session, world.now, limit=5).receipts:
        pass
    expected = ["bounced" if number % 4 == 0 else "delivered" for number in range(40)]
    assert [status_of(world, message)[0] for message in messages] == expected
    assert len(suppressed(world)) == 10


def test_one_bad_event_does_not_cost_the_others(world: World) -> None:
    message = world.message(world.contact())
    odd = [
        7,
        None,
        {"event": "invented"},
        {"event": ["list"]},
        {},
        {"event": "delivered", "nid": 5},
    ]
    outcome = apply(world, *odd, sendgrid(message, "delivered", timestamp="yesterday"))
    assert status_of(world, message)[0] == "delivered"
    assert outcome.strange == 5
    assert outcome.unknown == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"nonsense", b"\xff\xfe", b"[[[[", b'["\\ud800"]'])
def test_a_body_that_cannot_be_read_is_kept_and_not_tried_for_ever(
    world: World, body: bytes
) -> None:
    receipts.store(world.session, "sendgrid", body, {}, world.now)
    assert receipts.apply(world.session, world.now).strange == 1
    assert receipts.apply(world.session, world.now).receipts == 0


def test_news_of_a_message_that_is_not_known_yet_waits_for_it(world: World) -> None:
    missing = 1 << 50
    known = world.message(world.contact())
    keep(world.session, [sendgrid(missing, "delivered"), sendgrid(known, "delivered")], world.now)
    outcome = receipts.apply(world.session, world.now)
    assert (outcome.events, outcome.parked) == (1, 1)
    assert receipts.apply(world.session, world.now).receipts == 0
    late = world.message(world.contact(), id=missing)
    assert receipts.apply(world.session, world.now + timedelta(seconds=3)).events == 1
    assert status_of(world, late)[0] == "delivered"


def test_after_five_minutes_unknown_is_unknown(world: World) -> None:
    keep(world.session, [sendgrid(1 << 50, "delivered")], world.now)
    moment, unknown = world.now, 0
    while moment <= world.now + timedelta(minutes=7):
        unknown += receipts.apply(world.session, moment).unknown
        moment += timedelta(seconds=10)
    assert unknown == 1
    assert not receipts.waiting(world.session)


def test_the_sandboxs_signature_speaks_of_test_messages_only(world: World) -> None:
    real, trial = world.message(world.contact()), world.message(world.contact(), test=True)
    events = [sendgrid(real, "delivered"), sendgrid(trial, "delivered")]
    keep(world.session, events, world.now, sandbox=True)
    receipts.apply(world.session, world.now)
    assert status_of(world, real)[0] == "accepted"
    assert status_of(world, trial)[0] == "delivered"


@pytest.mark.parametrize(
    ("status", "code", "expected", "listed"),
    [
        ("sent", "", ("accepted", None), False),
        ("delivered", "", ("delivered", None), False),
        ("undelivered", "30003", ("bounced", "unreachable"), False),
        ("undelivered", "30005", ("bounced", "not_mobile"), True),
        ("failed", "21610", ("bounced", "stopped"), True),
        ("undelivered", "30007", ("bounced", "carrier_filtered"), False),
        ("failed", "99999", ("bounced", "undeliverable"), False),
        ("canceled", "", ("bounced", "undeliverable"), False),
    ],
)
def test_a_status_callback_acts_as_the_code_says(
    world: World, status: str, code: str, expected: tuple[str, str | None], listed: bool
) -> None:
    message = world.message(world.contact(), channel="sms")
    twilio(world, message, status, code)
    assert status_of(world, message) == expected
    assert bool(suppressed(world)) is listed


def test_carrier_trouble_is_one_incident_however_many_messages(world: World) -> None:
    for _ in range(3):
        twilio(world, world.message(world.contact(), channel="sms"), "undelivered", "30007")
    rows = world.session.execute(text("select cause, count from incident")).all()
    assert [tuple(row) for row in rows] == [("twilio:undelivered:30007", 3)]


def test_a_receipt_that_cannot_be_applied_is_put_off_and_the_others_are_applied(
    world: World,
) -> None:
    message = world.message(world.contact())
    receipts.store(world.session, "sendgrid", b"[]", {}, world.now)
    bad = receipts.store(world.session, "twilio_status", b"MessageStatus=sent", {}, world.now)
    world.session.execute(
        text("update receipt set context = '[]'::jsonb where id = :id"), {"id": bad}
    )
    world.session.expire_all()
    keep(world.session, [sendgrid(message, "delivered")], world.now)
    outcome = receipts.apply(world.session, world.now)
    assert (outcome.failed, outcome.events) == (1, 1)
    assert receipts.apply(world.session, world.now).receipts == 0
    later = receipts.apply(world.session, world.now + timedelta(minutes=1))
    assert later.failed == 1


def test_a_daily_limit_that_is_told_late_closes_no_later_day(world: World) -> None:
    for hours, closed in ((72, 0), (0, 1)):
        handed = world.now - timedelta(hours=hours)
        message = world.message(world.contact(), channel="sms", handed_at=handed)
        twilio(world, message, "undelivered", "30023")
        query = "select count(*) from provider_account where open_since is not null"
        assert world.session.scalar(text(query)) == closed


def test_what_was_applied_is_forgotten_after_a_week(world: World) -> None:
    keep(world.session, [], world.now)
    receipts.apply(world.session, world.now)
    keep(world.session, [], world.now)
    assert receipts.forget(world.session, world.now + timedelta(days=6)) == 0
    assert receipts.forget(world.session, world.now + timedelta(days=8)) == 1
    assert receipts.waiting(world.session) == {"sendgrid": 1}


def test_a_full_chunk_says_that_there_is_more(world: World, session: Session) -> None:
    for _ in range(3):
        keep(session, [], world.now)
    done = [receipts.apply(session, world.now, limit=2) for _ in range(3)]
    assert [(one.receipts, one.more) for one in done] == [(2, True), (1, False), (0, False)]


def test_a_chunk_ends_where_bodies_get_large(world: World, session: Session) -> None:
    large = {"event": "?", "filler": "x" * (receipts.CHUNK_BYTES // 2)}
    for _ in range(2):
        keep(session, [large], world.now)
    done = [receipts.apply(session, world.now) for _ in range(2)]
    assert [(one.receipts, one.more) for one in done] == [(1, True), (1, False)]


def test_two_apply_at_a_time_and_a_third_leaves_the_rest_to_them(world: World) -> None:
    sent = [world.message(world.contact()) for _ in range(3)]
    for message in sent:
        keep(world.session, [sendgrid(message, "delivered")], world.now)
    world.session.commit()
    engine = world.session.get_bind()
    with Session(engine) as one, Session(engine) as two, Session(engine) as three:
        at_once = [receipts.apply(hand, world.now, limit=1) for hand in (one, two, three)]
        assert [(done.receipts, done.more) for done in at_once] == [
            (1, True),
            (1, True),
            (0, False),
        ]
        one.commit()
        two.commit()
        assert receipts.apply(three, world.now).receipts == 1
        three.commit()
    assert {status_of(world, message) for message in sent} == {("delivered", None)}
