"""Topics, and the list of addresses that must not be used."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.accounts.models import AuditEntry
from app.audience import contacts, erasure, suppressions, topics
from app.audience.models import Suppression
from app.db import transaction
from tests.support.members import SignIn

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
HTMX = {"HX-Request": "true"}
TOPIC = {"key": "letters", "name": "Letters", "klass": "marketing", "default": "out"}


@pytest.fixture
def owner(signed_in: SignIn) -> FlaskClient:
    return signed_in("owner")


def done(app: Flask) -> set[str]:
    with app.app_context(), transaction() as session:
        return set(session.scalars(select(AuditEntry.action)))


def test_a_topic_is_made_changed_archived_and_brought_back(app: Flask, owner: FlaskClient) -> None:
    assert owner.post("/topics/new", data=TOPIC).status_code == 303
    assert "Does not get it" in owner.get("/topics").text
    form = {"name": "Newsletter", "klass": "transactional", "default": "in"}
    assert owner.post("/topics/letters/edit", data=form).status_code == 303
    assert "Newsletter" in owner.get("/topics/letters/edit").text
    gone = owner.post("/topics/letters/archive", headers=HTMX)
    assert "/topics/letters/restore" in gone.headers["HX-Trigger"]
    assert "Newsletter" in owner.get("/topics?state=archived").text
    owner.post("/topics/letters/restore")
    with app.app_context(), transaction() as session:
        topic = topics.by_key(session, "letters")
        assert (topic.klass, topic.opted_in_by_default) == ("transactional", True)
    wanted = {"topic.create", "topic.change", "topic.archive", "topic.restore"}
    assert wanted <= done(app)


def test_a_wrong_topic_is_told_beside_its_fields(owner: FlaskClient) -> None:
    answer = owner.post("/topics/new", data={"key": "No Key", "name": ""})
    assert answer.status_code == 422
    for words in ("A key begins with a letter", "The name is missing", "The class is missing"):
        assert words in answer.text
    owner.post("/topics/new", data=TOPIC)
    assert owner.post("/topics/new", data=TOPIC).status_code == 409
    nameless = owner.post("/topics/letters/edit", data={"name": "", "klass": "marketing"})
    assert nameless.status_code == 422
    classless = owner.post("/topics/letters/edit", data={"name": "Letters"})
    assert classless.status_code == 422
    assert "The class is missing" in classless.text


def test_an_address_is_suppressed_found_and_allowed_again(app: Flask, owner: FlaskClient) -> None:
    form = {"kind": "email", "address": "Bob@Example.com", "note": "asked by letter"}
    assert owner.post("/suppressions", data=form).status_code == 303
    page = owner.get("/suppressions?q=bob@&reason=manual&kind=email").text
    assert "bob@example.com" in page
    assert "asked by letter" in page
    assert "Nothing matches" in owner.get("/suppressions?q=zzz", headers=HTMX).text
    with app.app_context(), transaction() as session:
        key = session.scalars(select(Suppression.id)).one()
    assert owner.post(f"/suppressions/{key}/lift").status_code == 422
    owner.post(f"/suppressions/{key}/lift", data={"note": "a typing error"})
    assert "No address is suppressed" in owner.get("/suppressions").text
    assert {"suppression.create", "suppression.remove"} <= done(app)


def test_what_is_no_address_is_told_in_the_dialog(owner: FlaskClient) -> None:
    form = {"kind": "phone", "address": "12"}
    answer = owner.post("/suppressions", data=form, headers=HTMX)
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#add-error")
    assert "no country code" in answer.text


def test_an_erased_person_is_shown_as_such_and_stays(app: Flask, owner: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        key = contacts.upsert(session, "u-1", {"email": "amara@example.com"}, NOW).contact_id
        erasure.erase(session, key, NOW)
        entry = session.scalars(select(Suppression)).one()
        assert suppressions.is_erased(entry)
        entry_id = entry.id
    page = owner.get("/suppressions").text
    assert "Erased person" in page
    assert f"/suppressions/{entry_id}/lift" not in page
    again = owner.post(f"/suppressions/{entry_id}/lift", data={"note": "please"})
    assert again.status_code == 409


def test_support_suppresses_and_changes_no_topics(signed_in: SignIn) -> None:
    support = signed_in("support")
    assert support.get("/topics").status_code == 200
    assert support.post("/topics/new", data=TOPIC).status_code == 403
    form = {"kind": "phone", "address": "+44 7700 900412"}
    assert support.post("/suppressions", data=form).status_code == 303
    developer = signed_in("developer")
    assert developer.get("/suppressions").status_code == 200
    assert developer.post("/suppressions", data=form).status_code == 403
