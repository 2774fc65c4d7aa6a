"""The pages of segments: list, builder, live parts, save, archive, and who may."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import ids
from app.accounts.models import AuditEntry
from app.audience import contacts, segments
from app.audience.models import Segment
from app.db import transaction
from tests.support.members import SignIn

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
HTMX = {"HX-Request": "true"}
IN_GERMANY = {"all": [{"field": "country", "op": "any_of", "value": ["DE"]}]}
FORM = {
    "r.kind": "all",
    "r.0.field": "country",
    "r.0.was": "country",
    "r.0.op": "any_of",
    "r.0.value": "DE",
}
UNFINISHED = {"r.1.field": "tags", "r.1.was": "tags", "r.1.op": "any_of"}


@pytest.fixture
def germans(app: Flask) -> str:
    """The segment of people in Germany, of whom there is one of two; its public id."""
    with app.app_context(), transaction() as session:
        contacts.upsert(session, "u-1", {"first_name": "Jana", "country": "DE"}, NOW)
        contacts.upsert(session, "u-2", {"first_name": "Amara", "country": "GB"}, NOW)
        fields = {"name": "Germans", "rule": IN_GERMANY}
        return ids.encode("seg", segments.create(session, fields, None, NOW).id)


@pytest.fixture
def owner(signed_in: SignIn) -> FlaskClient:
    return signed_in("owner")


def saved(app: Flask, name: str) -> Segment:
    with app.app_context(), transaction() as session:
        return session.scalars(select(Segment).where(Segment.name == name)).one()


def test_an_empty_list_says_what_a_segment_is_and_offers_examples(owner: FlaskClient) -> None:
    page = owner.get("/segments").text
    assert "No segments yet" in page
    assert "Not seen for 30 days" in owner.get("/segments/new?start=quiet").text


def test_the_list_says_who_is_in_a_segment(owner: FlaskClient, germans: str) -> None:
    page = owner.get("/segments").text
    assert "Germans" in page
    assert "<b>Germany</b>" in page
    assert "No segments match" in owner.get("/segments?q=zzz").text


def test_a_new_segment_is_saved_counted_and_audited(
    app: Flask, owner: FlaskClient, germans: str
) -> None:
    answer = owner.post("/segments/new", data={"name": "At home", **FORM})
    assert answer.status_code == 303, answer.text
    segment = saved(app, "At home")
    assert (segment.rule, segment.people) == (IN_GERMANY, 1)
    assert "One person is in it now" in owner.get(answer.location).text
    with app.app_context(), transaction() as session:
        assert "segment.create" in session.scalars(select(AuditEntry.action)).all()


def test_an_unfinished_rule_is_not_saved_but_kept_in_the_form(owner: FlaskClient) -> None:
    answer = owner.post("/segments/new", data={"name": "Half", **FORM, **UNFINISHED})
    assert answer.status_code == 422
    assert "Choose at least one value" in answer.text
    assert 'name="r.1.field"' in answer.text


def test_a_change_is_saved_and_its_effect_told(
    app: Flask, owner: FlaskClient, germans: str
) -> None:
    form = {"segment": germans, "name": "Germans", **FORM, "r.0.add": "GB"}
    answer = owner.post(f"/segments/{germans}", data=form)
    assert answer.status_code == 303
    assert "2 people are in it now" in owner.get(answer.location).text
    assert saved(app, "Germans").rule["all"][0]["value"] == ["DE", "GB"]


def test_a_structural_change_swaps_the_tree(owner: FlaskClient, germans: str) -> None:
    form = {"segment": germans, **FORM, "act": "group:r"}
    answer = owner.post("/segments/_tree", data=form, headers=HTMX)
    assert answer.headers["HX-Trigger"] == '{"tree-changed": {}}'
    assert 'name="r.1.0.field"' in answer.text
    assert "Unsaved changes" in answer.text
    assert "1 part is not finished" in answer.text


def test_the_tree_works_without_scripts(owner: FlaskClient, germans: str) -> None:
    page = owner.post("/segments/_tree", data={**FORM, "act": "add:r", "who": "u-2"}).text
    assert "<html" in page
    assert 'name="r.1.field"' in page
    assert "50.0% of 2" in page
    assert "is not in it." in page


def test_the_count_leaves_unfinished_rules_out(owner: FlaskClient, germans: str) -> None:
    answer = owner.post("/segments/_count", data={**FORM, **UNFINISHED}, headers=HTMX)
    assert "50.0% of 2, unfinished parts left out" in answer.text
    assert "Jana" in answer.text


def test_a_person_is_told_in_or_out_with_the_rule_that_fails(
    owner: FlaskClient, germans: str
) -> None:
    inside = owner.post("/segments/_member", data={**FORM, "who": "u-1"}, headers=HTMX).text
    assert "is in it." in inside
    outside = owner.post("/segments/_member", data={**FORM, "who": "u-2"}, headers=HTMX).text
    assert "is not in it." in outside
    assert "Whose country is Germany" in outside
    assert "Does not hold" in outside
    nobody = owner.post("/segments/_member", data={**FORM, "who": "zzz"}, headers=HTMX).text
    assert "Nobody is found" in nobody


def test_values_are_suggested(owner: FlaskClient) -> None:
    path = "/segments/_values?field=country&of=r.0.add&r.0.add=Germ"
    assert 'value="DE" label="Germany"' in owner.get(path, headers=HTMX).text


@pytest.mark.parametrize(
    "extra",
    [
        {"r.0.value": "Atlantis"},
        {"r.0.field": "segment", "r.0.was": "segment", "r.0.op": "in", "r.0.value": "seg_nope"},
        {"r.0.field": "attributes.<b>", "r.0.was": "attributes.<b>"},
        {"r.0.1.2.3.4.kind": "any", "r.99.kind": "x"},
        {"r.0.field": "event", "r.0.was": "event", "r.0.op": "did", "r.0.days": "-1"},
        {"r.0.field": "topic", "r.0.was": "topic", "r.0.op": "opted_in", "r.0.topic": "gone"}
        | {"r.0.channel": "email"},
        {"r.0.value": "\x00", "act": "\x00:r"},
    ],
)
def test_odd_forms_are_answered_not_broken(owner: FlaskClient, extra: dict[str, str]) -> None:
    for path in ("_tree", "_count", "_member"):
        form = {**FORM, **extra, "who": "u-1"}
        assert owner.post(f"/segments/{path}", data=form, headers=HTMX).status_code == 200
    assert owner.post("/segments/new", data={"name": "Odd", **FORM, **extra}).status_code == 422


def test_an_archived_segment_comes_back(owner: FlaskClient, germans: str) -> None:
    owner.post(f"/segments/{germans}/archive")
    assert germans not in owner.get("/segments").text
    assert germans in owner.get("/segments?state=archived").text
    owner.post(f"/segments/{germans}/restore")
    assert germans in owner.get("/segments").text


def test_a_viewer_reads_the_sentence_and_the_count_only(signed_in: SignIn, germans: str) -> None:
    viewer = signed_in("viewer")
    page = viewer.get(f"/segments/{germans}").text
    assert "Germany" in page
    assert "Save segment" not in page
    assert "Is someone in it" not in page
    assert "Jana" not in viewer.post("/segments/_count", data=FORM, headers=HTMX).text
    assert viewer.post(f"/segments/{germans}", data=FORM).status_code == 403
    assert signed_in("support").get("/segments").status_code == 403
