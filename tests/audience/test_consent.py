"""Preferences, the ledger behind them, and unsubscribing."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from app.audience import consent, contacts, suppressions, topics
from app.audience.consent import Choice
from app.audience.models import Topic
from app.audience.suppressions import Entry
from app.errors import Conflict, Invalid, NotFound


@pytest.fixture
def ada(session: Session, now: datetime) -> int:
    change = {"email": "ada@example.com", "phone": "+447911123456"}
    return contacts.upsert(session, "ada", change, now).contact_id


def topic(session: Session, now: datetime, key: str, klass: str, default: bool = True) -> Topic:
    fields = {"key": key, "name": key.title(), "klass": klass, "opted_in_by_default": default}
    return topics.create(session, fields, now)


@pytest.fixture
def offers(session: Session, now: datetime) -> Topic:
    return topic(session, now, "offers", "marketing")


def choose(session: Session, person: int, choice: Choice, now: datetime) -> int:
    return consent.set_preferences(session, person, [choice], "api", {"ip": "192.0.2.1"}, now)


def test_who_never_chose_has_the_default(
    session: Session, ada: int, offers: Topic, now: datetime
) -> None:
    topic(session, now, "news", "marketing", default=False)
    rows = {row.topic.key: row for row in consent.matrix(session, ada)}
    assert rows["offers"].channels["email"].opted_in
    assert not rows["offers"].channels["email"].explicit
    assert not rows["news"].channels["sms"].opted_in


def test_a_choice_is_kept_with_source_and_evidence(
    session: Session, ada: int, offers: Topic, now: datetime
) -> None:
    assert choose(session, ada, Choice(offers.id, "sms", False), now) == 1
    standing = consent.matrix(session, ada)[0].channels["sms"]
    assert (standing.opted_in, standing.source, standing.at) == (False, "api", now)
    entry = consent.history(session, ada).items[0]
    assert (entry.channel, entry.opted_in, entry.evidence) == ("sms", False, {"ip": "192.0.2.1"})


def test_the_ledger_only_grows_when_something_changes(
    session: Session, ada: int, offers: Topic, now: datetime
) -> None:
    for opted_in in (False, False, True):
        choose(session, ada, Choice(offers.id, "email", opted_in), now)
    assert [entry.opted_in for entry in consent.history(session, ada).items] == [True, False]


def test_security_messages_cannot_be_declined(session: Session, ada: int, now: datetime) -> None:
    security = topic(session, now, "security", "security")
    with pytest.raises(Invalid) as refused:
        choose(session, ada, Choice(security.id, "email", False), now)
    assert refused.value.fields[0].code == "topic_not_optional"
    assert consent.matrix(session, ada)[0].locked


def test_unknown_topics_and_channels_are_named(session: Session, ada: int, offers: Topic) -> None:
    with pytest.raises(Invalid) as refused:
        consent.choices_from(session, {"nope": {"email": True}, "offers": {"fax": True}})
    assert [field.pointer for field in refused.value.fields] == [
        "/topics/nope",
        "/topics/offers/fax",
    ]


def test_unsubscribing_from_all_leaves_service_messages(
    session: Session, ada: int, offers: Topic, now: datetime
) -> None:
    orders = topic(session, now, "orders", "transactional")
    consent.unsubscribe_all(session, ada, "one-click", {}, now)
    rows = {row.topic.key: row for row in consent.matrix(session, ada)}
    assert not any(item.opted_in for item in rows["offers"].channels.values())
    assert rows[orders.key].channels["email"].opted_in
    entry = suppressions.check(session, "email", ["ada@example.com"])["ada@example.com"]
    assert (entry.reason, entry.scope) == ("unsubscribe", "marketing")


def test_opting_in_again_lifts_the_unsubscription_of_that_channel_only(
    session: Session, ada: int, offers: Topic, now: datetime
) -> None:
    consent.unsubscribe_all(session, ada, "preference page", {}, now)
    choose(session, ada, Choice(offers.id, "email", True), now)
    assert suppressions.check(session, "email", ["ada@example.com"]) == {}
    assert suppressions.check(session, "phone", ["+447911123456"])


def test_opting_in_never_lifts_a_complaint(
    session: Session, ada: int, offers: Topic, now: datetime
) -> None:
    suppressions.add(
        session, [Entry("email", "ada@example.com", "complaint", "marketing")], "x", now
    )
    choose(session, ada, Choice(offers.id, "email", False), now)
    choose(session, ada, Choice(offers.id, "email", True), now)
    assert suppressions.check(session, "email", ["ada@example.com"])


def test_many_opt_outs_are_written_at_once_and_opt_ins_ignored(
    session: Session, ada: int, offers: Topic, now: datetime
) -> None:
    bob = contacts.upsert(session, "bob", {}, now).contact_id
    choices = [(ada, Choice(offers.id, "email", False)), (bob, Choice(offers.id, "sms", True))]
    assert consent.lower(session, choices, "import", {}, now) == 1
    assert consent.history(session, bob).items == []


def test_the_ledger_is_read_page_by_page(
    session: Session, ada: int, offers: Topic, now: datetime
) -> None:
    for opted_in in (False, True, False):
        choose(session, ada, Choice(offers.id, "email", opted_in), now)
    first = consent.history(session, ada, limit=2)
    rest = consent.history(session, ada, first.next_cursor, limit=2)
    assert (len(first.items), len(rest.items), rest.next_cursor) == (2, 1, None)


def test_topics_are_created_changed_archived_and_remembered(
    session: Session, offers: Topic, now: datetime
) -> None:
    with pytest.raises(Conflict):
        topic(session, now, "offers", "marketing")
    with pytest.raises(Invalid):
        topics.create(session, {"key": "Bad key", "name": "", "klass": "spam"}, now)
    topics.update(session, offers, {"name": "Offers and early access"})
    topics.archive(session, offers, now)
    assert topics.all_topics(session) == []
    assert topics.by_key(session, "offers").name == "Offers and early access"


def test_a_person_who_was_erased_can_choose_no_more(
    session: Session, offers: Topic, now: datetime
) -> None:
    with pytest.raises(NotFound):
        choose(session, 10**9, Choice(offers.id, "email", False), now)
