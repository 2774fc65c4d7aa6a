"""Finding people with one box, and adding one by hand."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import ids
from app.accounts.models import AuditEntry
from app.audience import contacts, suppressions
from app.audience.models import Contact
from app.db import transaction
from tests.console import log
from tests.support.members import SignIn

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def owner(signed_in: SignIn) -> FlaskClient:
    return signed_in("owner")


@pytest.fixture
def okafors(app: Flask) -> str:
    """Amara and Chidi Okafor; the public id of Amara."""
    with app.app_context(), transaction() as session:
        amara = {
            "first_name": "Amara",
            "last_name": "Okafor",
            "email": "amara@example.com",
            "phone": "+447700900412",
            "locale": "en-GB",
        }
        key = contacts.upsert(session, "u-1", amara, NOW).contact_id
        chidi = {"first_name": "Chidi", "last_name": "Okafor", "email": "chidi@example.com"}
        contacts.upsert(session, "u-10", chidi, NOW)
        suppressions.add_by_hand(session, "email", "chidi@example.com", "", "console", NOW)
        return ids.encode("con", key)


def test_a_part_of_a_name_finds_people_and_marks_it(owner: FlaskClient, okafors: str) -> None:
    answer = owner.get("/people?q=okaf", headers=HTMX)
    assert "2 people" in answer.text
    assert '<mark class="hit">Okaf</mark>or' in answer.text
    assert "en-GB" in answer.text
    assert "<html" not in answer.text


def test_an_exact_id_address_or_number_leads_straight_to_the_person(
    owner: FlaskClient, okafors: str
) -> None:
    for typed in (okafors, "amara@example.com", "+44 7700 900412", "u-1"):
        answer = owner.get("/people", query_string={"q": typed})
        assert (answer.status_code, answer.location) == (303, f"/people/{okafors}"), typed
    htmx = owner.get("/people", query_string={"q": "AMARA@example.com"}, headers=HTMX)
    assert htmx.headers["HX-Redirect"] == f"/people/{okafors}"


def test_nobody_is_led_away_while_others_begin_alike(owner: FlaskClient, okafors: str) -> None:
    answer = owner.get("/people?q=u-1", headers=HTMX)
    assert "2 people" in answer.text
    assert "HX-Redirect" not in answer.headers


def test_a_number_as_it_is_dialled_finds_its_person(owner: FlaskClient, okafors: str) -> None:
    answer = owner.get("/people", query_string={"q": "07700 900412"})
    assert '<mark class="hit">7700 900412</mark>' in answer.text


def test_a_message_id_leads_to_the_message(app: Flask, owner: FlaskClient, shop: None) -> None:
    message = log.message(app)
    assert owner.get(f"/people?q={message}").location == f"/messages/{message}"
    assert "Delivered" in owner.get("/people").text


def test_a_misspelt_name_gets_a_suggestion(owner: FlaskClient, okafors: str) -> None:
    page = owner.get("/people?q=okafur").text
    assert "No one matches okafur" in page
    assert 'href="/people?q=okafor"' in page


def test_an_address_of_nobody_leads_to_the_messages_to_it(owner: FlaskClient, okafors: str) -> None:
    page = owner.get("/people?q=nobody@example.com").text
    assert "No one has the address nobody@example.com" in page
    assert 'href="/messages?to=nobody@example.com"' in page.replace("%40", "@")


def test_an_empty_list_says_where_people_come_from(signed_in: SignIn) -> None:
    assert "Add a person" in signed_in("owner").get("/people").text
    support = signed_in("support")
    assert "No people yet" in support.get("/people").text
    assert "Add a person" not in support.get("/people").text


def test_what_was_typed_is_never_markup(owner: FlaskClient, okafors: str) -> None:
    page = owner.get("/people", query_string={"q": "<script>x"}).text
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page


def test_a_person_is_added_by_hand_and_it_is_written_down(app: Flask, owner: FlaskClient) -> None:
    form = {"first_name": "Zofia", "email": "zofia@example.com", "tags": "vip, beta"}
    answer = owner.post("/people/new", data=form)
    assert answer.status_code == 303, answer.text
    assert "Zofia was added" in owner.get(answer.location).text
    with app.app_context(), transaction() as session:
        assert session.scalars(select(Contact)).one().tags == ["beta", "vip"]
        assert session.scalar(select(AuditEntry.action).order_by(AuditEntry.id.desc()))


def test_everything_wrong_is_said_at_once_and_kept(owner: FlaskClient) -> None:
    form = {"first_name": "Zofia", "email": "zofia@", "phone": "123", "locale": "klingon!"}
    answer = owner.post("/people/new", data=form)
    assert answer.status_code == 422
    for words in ("not a usable e-mail address", "no country code", "not a locale", 'value="zofia'):
        assert words in answer.text
    assert "Give an e-mail address" in owner.post("/people/new", data={"first_name": "Z"}).text


def test_a_taken_id_is_told(owner: FlaskClient, okafors: str) -> None:
    answer = owner.post("/people/new", data={"external_id": "u-1"})
    assert (answer.status_code, "already a person" in answer.text) == (409, True)


def test_who_may_find_and_who_may_add(signed_in: SignIn) -> None:
    assert signed_in("viewer").get("/people").status_code == 403
    support = signed_in("support")
    assert support.get("/people").status_code == 200
    assert support.get("/people/new").status_code == 403
    assert support.post("/people/new").status_code == 403
