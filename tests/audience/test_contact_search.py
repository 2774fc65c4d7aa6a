"""One box finds people by whatever is typed into it."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from app import ids
from app.audience import contact_search, contacts, devices

TOKEN = "b2" * 32


@pytest.fixture
def ada(session: Session, now: datetime) -> int:
    change = {
        "email": "ada.lovelace@example.com",
        "phone": "+447911123456",
        "first_name": "Ada",
        "last_name": "Lovelace",
    }
    person = contacts.upsert(session, "usr_8F3K", change, now).contact_id
    devices.register(session, person, "ios", TOKEN, "", "production", now)
    contacts.upsert(session, "u-2", {"first_name": "Adam", "email": "adam@example.org"}, now)
    return person


@pytest.mark.parametrize(
    "typed",
    ["usr_8F3K", "ADA.lovelace@EXAMPLE.com", "+44 7911 123456", "0044 7911 123456", TOKEN],
)
def test_an_exact_id_or_address_comes_first(session: Session, ada: int, typed: str) -> None:
    assert [contact.id for contact in contact_search.search(session, typed).exact] == [ada]


def test_the_public_id_is_found(session: Session, ada: int) -> None:
    found = contact_search.search(session, ids.encode("con", ada))
    assert [contact.id for contact in found.exact] == [ada]


@pytest.mark.parametrize("typed", ["lovel", "ada love", "LOVELACE ada", "07911 123", "8f3k", "lo"])
def test_parts_are_found_in_any_order(session: Session, ada: int, typed: str) -> None:
    found = contact_search.search(session, typed)
    assert [contact.id for contact in (*found.exact, *found.page.items)] == [ada]


@pytest.mark.parametrize("typed", ["%", "_", "\\", "'", "a%b", "\x00", "🦉", "x" * 5000])
def test_what_means_something_to_a_database_is_only_text(
    session: Session, ada: int, typed: str
) -> None:
    contact_search.search(session, typed)


def test_an_empty_box_lists_everybody_page_by_page(session: Session, ada: int) -> None:
    first = contact_search.search(session, "", limit=1).page
    rest = contact_search.search(session, "", first.next_cursor, limit=1).page
    assert [contact.first_name for contact in (*first.items, *rest.items)] == ["Adam", "Ada"]
    assert rest.next_cursor is None


def test_a_misspelt_name_gets_a_suggestion(session: Session, ada: int) -> None:
    assert contact_search.suggestion(session, "lovelase") == "lovelace"
    assert contact_search.suggestion(session, "zzzzzz") is None
