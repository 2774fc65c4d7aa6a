"""People, devices, preferences, events and segments through the API."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.audience import segments, topics
from app.db import transaction
from tests.support.members import ApiClient

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
AMARA = {
    "email": "Amara@EXAMPLE.com",
    "phone": "+44 7911 123456",
    "first_name": "Amara",
    "locale": "en-GB",
    "country": "GB",
    "timezone": "Europe/London",
    "attributes": {"plan": "plus"},
    "tags": ["vip"],
}
TOKEN = "a1" * 32


@pytest.fixture
def offers(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        fields = {"key": "offers", "name": "Offers", "klass": "marketing"}
        topics.create(session, fields, NOW)
        fields = {"key": "security", "name": "Security", "klass": "security"}
        topics.create(session, fields, NOW)


def put(api: ApiClient, external_id: str = "u-1", body: Any = None) -> Any:
    return api.call("PUT", f"/contacts/{external_id}", AMARA if body is None else body)


def pointers(answer: Any) -> set[str]:
    return {error["pointer"] for error in answer.json["errors"]}


def test_a_person_is_created_then_changed_then_read(api: ApiClient) -> None:
    created = put(api)
    changed = put(api, body={"first_name": None, "attributes": {"orders": 3}})
    assert (created.status_code, changed.status_code) == (201, 200)
    found = api.call("GET", "/contacts/u-1")
    assert found.json == changed.json
    assert found.json["id"].startswith("con_")
    assert (found.json["email"], found.json["phone"]) == ("Amara@example.com", "+447911123456")
    assert (found.json["first_name"], found.json["tags"]) == (None, ["vip"])
    assert found.json["attributes"] == {"plan": "plus", "orders": 3}


@pytest.mark.parametrize("written", ["M%FCller", "%ED%A0%80", "a%00"])
def test_an_id_that_is_no_clean_text_belongs_to_nobody(api: ApiClient, written: str) -> None:
    answer = put(api, written)
    assert answer.status_code == 422, answer.text
    assert pointers(answer) == {"/external_id"}


def test_everything_wrong_is_said_at_once(api: ApiClient) -> None:
    answer = put(api, body={"email": "x", "phone": 7, "nickname": "a", "country": "Atlantis"})
    assert answer.status_code == 422
    assert pointers(answer) == {"/email", "/phone", "/nickname", "/country"}


def test_an_unknown_person_is_404(api: ApiClient) -> None:
    for path in ("", "/preferences", "/notifications"):
        assert api.call("GET", f"/contacts/nobody{path}").status_code == 404
    assert api.call("DELETE", "/contacts/nobody").status_code == 404


def test_a_batch_answers_person_by_person(api: ApiClient) -> None:
    put(api)
    people = [
        {"external_id": "u-1", "first_name": "A"},
        {"external_id": "u-2", "email": "wrong"},
        {"external_id": "u-3", "email": "c@example.com"},
        "not a person",
    ]
    answer = api.call("POST", "/contacts/batch", {"contacts": people})
    results = answer.json["results"]
    assert [result["status"] for result in results] == [200, 422, 201, 422]
    assert results[1]["errors"][0]["pointer"] == "/email"


def test_a_batch_of_more_than_a_thousand_is_refused(api: ApiClient) -> None:
    people = [{"external_id": str(number)} for number in range(1001)]
    assert api.call("POST", "/contacts/batch", {"contacts": people}).status_code == 422


def test_an_erased_person_is_gone(api: ApiClient) -> None:
    put(api)
    assert api.call("DELETE", "/contacts/u-1").status_code == 204
    assert api.call("GET", "/contacts/u-1").status_code == 404


def test_devices_come_and_go(api: ApiClient) -> None:
    put(api)
    body = {"platform": "ios", "app": "com.example.shop"}
    path = f"/contacts/u-1/devices/{TOKEN}"
    assert [api.call("PUT", path, body).status_code for _ in range(2)] == [201, 200]
    [device] = api.call("GET", "/contacts/u-1").json["devices"]
    assert (device["token"], device["environment"]) == (TOKEN, "production")
    assert api.call("DELETE", path).status_code == 204
    assert api.call("DELETE", path).status_code == 404
    assert api.call("GET", "/contacts/u-1").json["devices"] == []


def test_a_wrong_device_is_refused(api: ApiClient) -> None:
    put(api)
    answer = api.call("PUT", "/contacts/u-1/devices/xyz", {"platform": "ios"})
    assert pointers(answer) == {"/token"}


@pytest.mark.usefixtures("offers")
def test_preferences_are_read_and_changed(api: ApiClient) -> None:
    put(api)
    body = {"topics": {"offers": {"email": False}}, "source": "sign-up form"}
    changed = api.call("PATCH", "/contacts/u-1/preferences", body)
    assert changed.status_code == 200
    found = api.call("GET", "/contacts/u-1/preferences").json
    assert found["topics"]["offers"] == {
        "email": False,
        "sms": True,
        "ios": True,
        "android": True,
    }
    assert [(c["topic"], c["channel"], c["source"]) for c in found["choices"]] == [
        ("offers", "email", "api")
    ]


@pytest.mark.usefixtures("offers")
def test_wrong_choices_are_refused_where_they_are_wrong(api: ApiClient) -> None:
    put(api)
    wanted = {"gone": {"email": True}, "offers": {"fax": True}, "security": {"sms": False}}
    answer = api.call("PATCH", "/contacts/u-1/preferences", {"topics": wanted})
    assert pointers(answer) == {"/topics/gone", "/topics/offers/fax", "/topics/security/sms"}


def test_events_are_told_one_by_one_or_many(api: ApiClient) -> None:
    put(api)
    good = {"external_id": "u-1", "name": "ordered", "properties": {"price": 9}}
    bad = {"external_id": "u-9", "name": "", "at": "yesterday"}
    answer = api.call("POST", "/events", {"events": [good, bad, {**good, "external_id": "u-9"}]})
    assert [result["status"] for result in answer.json["results"]] == [202, 422, 422]
    assert api.call("POST", "/events", good).json == {"results": [{"status": 202}]}
    assert pointers(api.call("POST", "/events", bad)) == {"/name", "/at"}
    rule = {"all": [{"field": "event", "op": "did", "name": "ordered", "times": 2}]}
    assert api.call("POST", "/segments/count", {"rule": rule}).json["people"] == 1


def test_a_rule_is_counted_and_put_into_words(api: ApiClient) -> None:
    put(api)
    rule = {"all": [{"field": "country", "op": "is", "value": "GB"}]}
    answer = api.call("POST", "/segments/count", {"rule": rule})
    assert answer.json == {
        "people": 1,
        "sentence": "People whose country is United Kingdom.",
        "reach": {"email": 1, "sms": 1, "ios": 0, "android": 0},
    }
    wrong = {"rule": {"all": [{"field": "country", "op": "is", "value": "Atlantis"}]}}
    assert pointers(api.call("POST", "/segments/count", wrong)) == {"/rule/all/0/value"}


def test_segments_are_listed_and_shown(api: ApiClient, app: Flask) -> None:
    with app.app_context(), transaction() as session:
        segments.create(session, {"name": "Everybody", "rule": {"all": []}}, None, NOW)
    [item] = api.call("GET", "/segments?q=every").json["data"]
    found = api.call("GET", f"/segments/{item['id']}").json
    assert (found["name"], found["sentence"]) == ("Everybody", "Everyone.")


def test_a_key_without_the_scope_may_not(app: Flask, make_key: Any) -> None:
    reader = ApiClient(app.test_client(), make_key("read"))
    assert put(reader).status_code == 403
    assert reader.call("GET", "/contacts/u-1").status_code == 403
    assert reader.call("GET", "/segments").status_code == 200


def test_the_second_look_comes_from_the_cache(api: ApiClient, app: Flask, valkey: Any) -> None:
    put(api)
    valkey.flushdb()
    api.call("GET", "/contacts/u-1")
    assert any(b":cache:person:u-1" in key for key in valkey.keys("*"))
    assert api.call("GET", "/contacts/u-1").json["first_name"] == "Amara"
    put(api, body={"first_name": "Chidi"})
    assert api.call("GET", "/contacts/u-1").json["first_name"] == "Chidi"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
WORDS = (
    "email phone attributes tags locale country timezone external_id contacts events name topics "
    "rule all field op value platform"
)
NAMES = st.sampled_from(WORDS.split())
BODIES = st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON, max_size=3), max_size=4)


@pytest.mark.usefixtures("offers")
def test_no_body_makes_these_calls_fail(api: ApiClient) -> None:
    put(api)
    calls = [
        ("PUT", "/contacts/u-1"),
        ("POST", "/contacts/batch"),
        ("PUT", f"/contacts/u-1/devices/{TOKEN}"),
        ("PATCH", "/contacts/u-1/preferences"),
        ("POST", "/events"),
        ("POST", "/segments/count"),
    ]

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=True,
    )
    @given(body=BODIES | JSON)
    def call(body: Any) -> None:
        for method, path in calls:
            wrapped = {"contacts": [body]} if path.endswith("batch") else body
            answer = api.call(method, path, wrapped)
            assert answer.status_code in (200, 201, 202, 400, 415, 422), (path, answer.text)

    call()
