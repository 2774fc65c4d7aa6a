"""Creating and changing people, one or many at a time."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from app.audience import contacts, suppressions
from app.audience.contacts import Upserted
from app.audience.suppressions import Entry
from app.errors import Conflict, Invalid, NotFound


def test_a_new_person_is_created_and_the_same_call_changes_nothing(
    session: Session, now: datetime
) -> None:
    change = {
        "email": "Amara@EXAMPLE.com",
        "phone": "+44 7911 123456",
        "locale": "en_gb",
        "country": "gb",
        "timezone": "Europe/London",
        "attributes": {"plan": "plus", "orders": 7, "vip": True, "sizes": ["s", "m"]},
        "tags": ["vip", "beta", "vip"],
    }
    first = contacts.upsert(session, "u-1", change, now)
    again = contacts.upsert(session, "u-1", change, now)
    contact = contacts.by_external_id(session, "u-1")
    assert (first.created, again.created) == (True, False)
    assert first.contact_id == again.contact_id == contact.id
    assert (contact.email, contact.phone) == ("Amara@example.com", "+447911123456")
    assert (contact.locale, contact.country, contact.tags) == ("en-GB", "GB", ["beta", "vip"])
    assert contact.attributes == change["attributes"]


def test_absent_fields_stay_and_null_clears(session: Session, now: datetime) -> None:
    contacts.upsert(
        session,
        "u-1",
        {"email": "a@example.com", "first_name": "Ada", "attributes": {"a": 1, "b": 2}},
        now,
    )
    contacts.upsert(session, "u-1", {"first_name": None, "attributes": {"a": None, "c": 3}}, now)
    contact = contacts.by_external_id(session, "u-1")
    assert (contact.email, contact.first_name) == ("a@example.com", None)
    assert contact.attributes == {"b": 2, "c": 3}


def test_null_attributes_and_tags_clear_all_of_them(session: Session, now: datetime) -> None:
    contacts.upsert(session, "u-1", {"tags": ["x"], "attributes": {"a": 1}}, now)
    contacts.upsert(session, "u-1", {"tags": None, "attributes": None}, now)
    contact = contacts.by_external_id(session, "u-1")
    assert (contact.tags, contact.attributes) == ([], {})


def test_all_wrong_fields_are_reported_at_once(session: Session, now: datetime) -> None:
    change = {
        "email": "nope",
        "phone": "12",
        "locale": "klingon",
        "country": "XX",
        "timezone": "Mars",
        "first_name": "a\x00b",
        "tags": "vip",
        "attributes": {"1bad": 1, "deep": {"a": 1}},
        "nickname": "x",
    }
    with pytest.raises(Invalid) as refused:
        contacts.upsert(session, "u-1", change, now)
    assert {field.pointer for field in refused.value.fields} == {
        "/email",
        "/phone",
        "/locale",
        "/country",
        "/timezone",
        "/first_name",
        "/tags",
        "/attributes/1bad",
        "/attributes/deep",
        "/nickname",
    }


def test_a_phone_without_code_is_read_in_the_persons_country(
    session: Session, now: datetime
) -> None:
    contacts.upsert(session, "u-1", {"country": "DE"}, now)
    contacts.upsert(session, "u-1", {"phone": "0151 23456789"}, now)
    assert contacts.by_external_id(session, "u-1").phone == "+4915123456789"


def test_one_bad_item_of_a_batch_stops_no_other(session: Session, now: datetime) -> None:
    results = contacts.upsert_many(
        session,
        [
            {"external_id": "a", "email": "a@example.com"},
            {"external_id": "b", "email": "wrong"},
            {"external_id": "", "email": "c@example.com"},
            {"external_id": "a", "first_name": "Ada"},
        ],
        now,
    )
    assert isinstance(results[0], Upserted)
    assert isinstance(results[1], Invalid)
    assert isinstance(results[2], Invalid)
    assert results[3] == results[0]
    ada = contacts.by_external_id(session, "a")
    assert (ada.email, ada.first_name) == ("a@example.com", "Ada")


def test_more_than_a_thousand_are_refused(session: Session, now: datetime) -> None:
    with pytest.raises(Invalid):
        contacts.upsert_many(session, [{"external_id": str(n)} for n in range(1001)], now)


def test_strange_text_is_kept_byte_for_byte(session: Session, now: datetime) -> None:
    name = "<b>\u202eأمارا\u200b'; DROP TABLE contact;-- 🦉 %s {{7*7}}"
    contacts.upsert(session, "it's:odd/\u00e9", {"first_name": name}, now)
    assert contacts.by_external_id(session, "it's:odd/\u00e9").first_name == name


def test_a_person_added_by_hand_needs_an_address_or_an_id(session: Session, now: datetime) -> None:
    with pytest.raises(Invalid):
        contacts.create(session, {"first_name": "Ada"}, now)
    ada = contacts.create(session, {"email": "ada@example.com", "external_id": "u-9"}, now)
    assert contacts.by_external_id(session, "u-9") is ada
    with pytest.raises(Conflict):
        contacts.create(session, {"external_id": "u-9"}, now)


def test_an_unknown_id_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        contacts.by_external_id(session, "nobody")
    with pytest.raises(NotFound):
        contacts.by_public_id(session, "con_zzz")


def test_seen_is_written_once_an_hour(session: Session, now: datetime) -> None:
    person = contacts.upsert(session, "u-1", {}, now)
    contacts.seen(session, [person.contact_id], now)
    assert contacts.by_external_id(session, "u-1").last_seen_at == now


def test_a_suppression_keeps_its_first_reason_until_a_stricter_one_comes(
    session: Session, now: datetime
) -> None:
    suppressions.add(session, [Entry("email", "A@example.com", "complaint", "marketing")], "x", now)
    suppressions.add(
        session, [Entry("email", "a@example.com", "unsubscribe", "marketing")], "x", now
    )
    assert suppressions.check(session, "email", ["a@Example.com"])["a@Example.com"].reason == (
        "complaint"
    )
    assert suppressions.add(session, [Entry("email", "a@example.com", "bounce")], "x", now) == 1
    session.expire_all()
    entry = suppressions.check(session, "email", ["a@example.com"])["a@example.com"]
    assert (entry.reason, entry.scope) == ("bounce", "all")
