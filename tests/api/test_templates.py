"""Templates through the API: lists, one, and rendering."""

from datetime import UTC, datetime

import pytest
from flask import Flask

from app.audience import contacts, topics
from app.content import drafts, templates
from app.db import transaction
from tests.support.members import ApiClient

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
CONTENT = {
    "email": {"subject": "Order {{ order.number }}", "text": "Hi {{ first_name|default('you') }}"},
    "sms": {"body": "{{ order.number }} ships {{ order.eta }}"},
}


@pytest.fixture
def shipped(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        fields = {"key": "parcels", "name": "Parcels", "klass": "transactional"}
        topic = topics.create(session, fields, NOW)
        template = templates.create(
            session, key="order-shipped", name="Order shipped", topic_id=topic.id, now=NOW
        )
        sample = {"order": {"number": "7", "eta": "18:05"}}
        drafts.save(session, template, CONTENT, sample_data=sample, now=NOW)
        drafts.publish(session, template, klass="transactional", now=NOW)
        contacts.upsert(session, "u-1", {"first_name": "Ann"}, NOW)


@pytest.mark.usefixtures("shipped")
def test_templates_are_listed_with_what_they_can_send(api: ApiClient) -> None:
    [item] = api.call("GET", "/templates?q=shipped&topic=parcels").json["data"]
    assert (item["key"], item["version"], item["topic"]) == ("order-shipped", 1, "parcels")
    assert item["channels"] == ["email", "sms"]
    assert api.call("GET", "/templates?archived=true").json["data"] == []


@pytest.mark.usefixtures("shipped")
def test_one_template_says_which_data_it_needs(api: ApiClient) -> None:
    answer = api.call("GET", "/templates/order-shipped")
    assert answer.json["content"] == CONTENT
    assert answer.json["required_data"] == ["order.eta", "order.number"]


@pytest.mark.usefixtures("shipped")
def test_rendering_answers_each_channel_and_names_what_is_missing(api: ApiClient) -> None:
    body = {"data": {"order": {"number": "88213"}}, "external_id": "u-1"}
    answer = api.call("POST", "/templates/order-shipped/render", body)
    assert answer.status_code == 200, answer.json
    assert answer.json["channels"]["email"] == {
        "subject": "Order 88213",
        "html": "",
        "text": "Hi Ann",
    }
    assert answer.json["channels"]["sms"]["variable"] == "order.eta"


@pytest.mark.usefixtures("shipped")
def test_rendering_as_a_person_needs_the_right_to_see_people(api: ApiClient, make_key) -> None:
    body = {"external_id": "u-1"}
    reader = ApiClient(api.client, make_key("read"))
    assert reader.call("POST", "/templates/order-shipped/render", body).status_code == 403
    unknown = api.call("POST", "/templates/order-shipped/render", {"external_id": "u-2"})
    assert unknown.json["errors"][0]["pointer"] == "/external_id"


def test_an_unknown_template_is_not_found(api: ApiClient) -> None:
    assert api.call("GET", "/templates/nope").status_code == 404
    assert api.call("POST", "/templates/nope/render", {}).status_code == 404
