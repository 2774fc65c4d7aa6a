"""Erased means erased: nothing personal stays, and nobody is written to again."""

from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.audience import contacts, devices, erasure, suppressions
from app.audience.contact_search import search
from app.audience.suppressions import Entry
from app.errors import Conflict, NotFound

ADA = {"email": "Ada@example.com", "phone": "+447911123456", "first_name": "Ada", "tags": ["x"]}


@pytest.fixture
def ada(session: Session, now: datetime) -> int:
    person = contacts.upsert(session, "ada", ADA, now).contact_id
    devices.register(session, person, "ios", "a1" * 32, "", "production", now)
    return person


def test_nothing_personal_is_left(session: Session, ada: int, now: datetime) -> None:
    erasure.erase(session, ada, now)
    erasure.erase(session, ada, now)
    session.flush()
    row = session.execute(text("SELECT to_jsonb(contact)::text AS all FROM contact")).scalar_one()
    listed = session.execute(text("SELECT to_jsonb(suppression)::text FROM suppression")).scalars()
    everything = row + "".join(listed)
    assert "ada" not in everything.lower()
    assert "7911" not in everything
    assert devices.of_contact(session, ada) == []
    assert search(session, "ada").page.items == []


def test_an_erased_address_that_comes_back_is_suppressed(
    session: Session, ada: int, now: datetime
) -> None:
    erasure.erase(session, ada, now)
    contacts.upsert(session, "ada-again", {"email": "ADA@example.com"}, now)
    entry = suppressions.check(session, "email", ["ada@example.com"])["ada@example.com"]
    assert (entry.reason, entry.scope) == ("erased", "all")
    with pytest.raises(Conflict):
        suppressions.lift_by_id(session, entry.id)
    assert not suppressions.lift(session, "email", "ada@example.com")


def test_the_readable_suppression_of_an_erased_address_goes_too(
    session: Session, ada: int, now: datetime
) -> None:
    suppressions.add(session, [Entry("email", "ada@example.com", "bounce")], "x", now)
    erasure.erase(session, ada, now)
    assert suppressions.check(session, "email", ["ada@example.com"]) == {}


def test_an_address_that_another_person_has_stays_usable(
    session: Session, ada: int, now: datetime
) -> None:
    contacts.upsert(session, "grace", {"email": "ada@example.com"}, now)
    erasure.erase(session, ada, now)
    contacts.upsert(session, "grace", {"first_name": "Grace", "email": "ada@example.com"}, now)
    assert suppressions.check(session, "email", ["ada@example.com"]) == {}


def test_the_external_id_may_be_used_anew(session: Session, ada: int, now: datetime) -> None:
    erasure.erase(session, ada, now)
    assert contacts.upsert(session, "ada", {}, now).created


def test_nobody_is_not_found(session: Session, now: datetime) -> None:
    with pytest.raises(NotFound):
        erasure.erase(session, 10**9, now)
