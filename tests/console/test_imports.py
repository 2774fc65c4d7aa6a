"""Importing people: upload, columns, run, refused rows."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import ids
from app.accounts.models import AuditEntry
from app.audience import imports, topics
from app.audience.models import ConsentEntry, Contact, Import
from app.db import transaction
from tests.support.members import SignIn

HTMX = {"HX-Request": "true"}
FILE = """email;Vorname;Plan;note
amara@example.com;Amara;gold;x
not an address;Chidi;free;y
zofia@example.com;Zofia;free;z
"""
CHOSEN = {
    "column-0": "email",
    "column-1": "first_name",
    "column-2": "attributes.plan",
    "column-3": "",
}


@pytest.fixture
def owner(signed_in: SignIn) -> FlaskClient:
    return signed_in("owner")


def upload(client: FlaskClient, content: str | bytes = FILE, name: str = "people.csv") -> Any:
    data = content.encode() if isinstance(content, str) else content
    form = {"file": (io.BytesIO(data), name)}
    return client.post("/people/import", data=form, content_type="multipart/form-data")


def run(app: Flask, public_id: str) -> None:
    key = ids.decode("imp", public_id)
    assert key is not None
    with app.app_context():
        imports.run(key)


def test_a_file_goes_from_upload_to_people_and_refused_rows(app: Flask, owner: FlaskClient) -> None:
    here = upload(owner).location
    mapping = owner.get(here).text
    assert "3 rows" in mapping
    assert "amara@example.com" in mapping
    assert '<option value="first_name" selected>First name' in mapping

    assert owner.post(f"{here}/start", data=CHOSEN).location == here
    assert 'hx-trigger="every 2s"' in owner.get(f"{here}/_progress", headers=HTMX).text
    public_id = here.rpartition("/")[2]
    run(app, public_id)

    over = owner.get(f"{here}/_progress", headers=HTMX).text
    assert "hx-trigger" not in over
    assert "2 rows were imported, 1 refused" in over
    assert "not a usable e-mail address" in over
    refused = owner.get(f"{here}/refused.csv").text
    assert refused.splitlines()[0] == "\ufeffline,column,reason,email,Vorname,Plan,note"
    assert "Chidi" in refused
    assert "people.csv" in owner.get("/people/import").text
    with app.app_context(), transaction() as session:
        people = session.scalars(select(Contact).order_by(Contact.email)).all()
        assert [person.attributes for person in people] == [{"plan": "gold"}, {"plan": "free"}]
        done = set(session.scalars(select(AuditEntry.action)))
        assert {"import.create", "import.start", "import.export"} <= done


def test_corrected_refused_rows_come_back_without_line_and_reason(
    app: Flask, owner: FlaskClient
) -> None:
    here = upload(owner).location
    owner.post(f"{here}/start", data=CHOSEN)
    run(app, here.rpartition("/")[2])
    refused = owner.get(f"{here}/refused.csv").text
    again = upload(owner, refused.replace("not an address", "chidi@example.com")).location
    asked = owner.get(again).text
    assert "selected>Attribute plan</option>" in asked
    assert not [
        ours for ours in ("line", "column", "reason") if f"selected>Attribute {ours}" in asked
    ]


def test_a_topic_column_is_about_who_wants_it(app: Flask, owner: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        offers = {"key": "offers", "name": "Offers", "klass": "marketing"}
        topics.create(session, offers, datetime.now(UTC))
    here = upload(owner, "email;news\nada@example.com;yes\nbob@example.com;no\n").location
    assert "Wants Offers by SMS</option>" in owner.get(here).text
    owner.post(f"{here}/start", data={"column-0": "email", "column-1": "topic:offers"})
    run(app, here.rpartition("/")[2])
    with app.app_context(), transaction() as session:
        chosen = session.execute(select(Contact.email, ConsentEntry.opted_in).join(ConsentEntry))
        assert {tuple(row) for row in chosen} == {("bob@example.com", False)}


def test_columns_that_name_nobody_are_told_and_the_choice_is_kept(owner: FlaskClient) -> None:
    here = upload(owner).location
    answer = owner.post(f"{here}/start", data={"column-1": "first_name", "column-2": "first_name"})
    assert answer.status_code == 422
    assert "both go to" in answer.text
    nobody = owner.post(f"{here}/start", data={"column-1": "first_name"})
    assert "Say which column holds the e-mail address" in nobody.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty."),
        (b"PK\x03\x04xxxx", "an Excel workbook"),
        (b"a@example.com,Ann\n", "holds a person, not headings"),
        (b'email\n"a@example.com\n', "a quotation mark is opened"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence_and_not_kept(
    app: Flask, owner: FlaskClient, content: bytes, words: str
) -> None:
    folder = app.config["HERALD"].var_dir / "imports"
    before = set(folder.glob("*")) if folder.exists() else set()
    answer = upload(owner, content)
    assert (answer.status_code, words in answer.text) == (422, True), answer.text
    assert set(folder.glob("*")) == before


def test_no_file_is_told(owner: FlaskClient) -> None:
    assert "Choose a CSV file first" in owner.post("/people/import").text


def test_a_file_above_the_limit_is_refused(app: Flask, owner: FlaskClient) -> None:
    most = app.config["MAX_CONTENT_LENGTH"]
    app.config["MAX_CONTENT_LENGTH"] = 1024
    try:
        answer = upload(owner, FILE * 40)
    finally:
        app.config["MAX_CONTENT_LENGTH"] = most
    assert answer.status_code == 413
    assert "The file is larger than" in answer.text


def test_a_file_that_is_not_wanted_is_deleted(app: Flask, owner: FlaskClient) -> None:
    here = upload(owner).location
    assert owner.post(f"{here}/discard").status_code == 303
    assert owner.get(here).status_code == 404
    with app.app_context(), transaction() as session:
        assert session.scalars(select(Import)).all() == []


def test_only_who_edits_people_imports_them(signed_in: SignIn) -> None:
    for role in ("support", "developer", "viewer"):
        client = signed_in(role)
        assert client.get("/people/import").status_code == 403
        assert upload(client).status_code == 403
