"""Sending through the API: what is answered, what is committed, what is refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.accounts import workspace
from app.accounts.workspace import Workspace
from app.db import transaction
from app.sending.models import Batch, Notification
from tests.support.members import ApiClient

pytestmark = pytest.mark.usefixtures("shop")
SEND = {
    "template": "order-shipped",
    "to": {"external_id": "u-ann"},
    "data": {"order": {"number": "88213"}},
}


def count(app: Flask, table: type = Notification) -> int:
    with app.app_context(), transaction() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def pointers(answer: Any) -> dict[str, str]:
    return {error["pointer"]: error["code"] for error in answer.json["errors"]}


def test_a_send_is_committed_and_answers_its_messages(api: ApiClient, app: Flask) -> None:
    answer = api.call("POST", "/notifications", SEND)
    assert answer.status_code == 202, answer.text
    assert answer.json["id"].startswith("req_")
    messages = answer.json["notifications"]
    assert [(m["channel"], m["status"]) for m in messages] == [
        ("email", "queued"),
        ("sms", "queued"),
    ]
    assert all(m["id"].startswith("ntf_") and "reason" not in m for m in messages)
    assert count(app) == 2
    assert count(app, Batch) == 2


def test_a_channel_without_an_address_is_answered_with_its_reason(api: ApiClient) -> None:
    body = {**SEND, "to": {"external_id": "u-bob"}, "channels": ["email", "sms"]}
    messages = api.call("POST", "/notifications", body).json["notifications"]
    assert [(m["status"], m.get("reason")) for m in messages] == [
        ("queued", None),
        ("skipped", "no_address"),
    ]


def test_a_bare_address_needs_no_contact(api: ApiClient) -> None:
    body = {**SEND, "to": {"phone": "+44 7700 900 413"}}
    (message,) = api.call("POST", "/notifications", body).json["notifications"]
    shown = api.call("GET", f"/notifications/{message['id']}").json
    assert (shown["channel"], shown["address"], shown["contact"]) == ("sms", "+447700900413", None)


@pytest.mark.parametrize("spelled", ["AB" * 32, "ab" * 32])
def test_a_token_in_either_spelling_is_the_same_telephone(
    api: ApiClient, app: Flask, spelled: str
) -> None:
    api.call("PUT", "/contacts/u-ann/devices/" + "Ab" * 32, {"platform": "ios", "app": "a.b"})
    content = {"ios": {"title": "Hello", "body": "There"}}
    to = {"device": {"platform": "ios", "token": spelled}}
    body = {"content": content, "topic": "parcels", "to": to}
    answer = api.call("POST", "/notifications", body)
    assert answer.status_code == 202, answer.text
    with app.app_context(), transaction() as session:
        message = session.scalars(select(Notification)).one()
    assert (message.address, message.device_id is not None) == ("ab" * 32, True)


def test_an_unknown_person_is_skipped_and_not_lost(api: ApiClient) -> None:
    (message,) = api.call("POST", "/notifications", {**SEND, "to": {"external_id": "nobody"}}).json[
        "notifications"
    ]
    assert (message["status"], message["reason"]) == ("skipped", "unknown_contact")


def test_one_off_content_is_sent_under_a_topic(api: ApiClient) -> None:
    body = {
        "to": {"email": "cat@example.com"},
        "topic": "parcels",
        "content": {"email": {"subject": "Hi {{ name }}", "text": "Welcome {{ name }}"}},
        "data": {"name": "Cat"},
    }
    assert api.call("POST", "/notifications", body).status_code == 202


def test_all_wrong_fields_are_reported_at_once(api: ApiClient, app: Flask) -> None:
    body = {
        "to": {"email": "no-at-sign", "phone": "12", "extra": 1},
        "channels": ["email", "fax", "email"],
        "strategy": "some",
        "send_at": "tomorrow",
        "metadata": {"a": []},
        "tpl": "x",
    }
    answer = api.call("POST", "/notifications", body)
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert pointers(answer) == {
        "/template": "required",
        "/to/email": "invalid_email",
        "/to/phone": pointers(answer)["/to/phone"],
        "/to/extra": "unknown_field",
        "/channels/1": "invalid_choice",
        "/strategy": "invalid_choice",
        "/send_at": "invalid_time",
        "/metadata": "invalid_type",
        "/tpl": "unknown_field",
    }
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert count(app) == 0


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"template": "no-such"}, "/template", "unknown_template"),
        ({"data": {}}, "/data/order/number", "missing_variable"),
        ({"channels": ["ios"]}, "/channels/0", "no_content"),
        ({"to": {}}, "/to", "required"),
        ({"to": {"external_id": "a", "email": "a@example.com"}}, "/to/email", "excluded"),
        (
            {"to": {"device": {"platform": "ios", "token": "short"}}},
            "/to/device/token",
            "invalid_token",
        ),
        ({"topic": "parcels"}, "/topic", "excluded"),
        ({"template": None, "content": {"sms": {"body": "a"}}}, "/topic", "required"),
        ({"template": None, "content": {}, "topic": "deals"}, "/content", "required"),
        ({"send_at": "2026-11-24T18:00:00"}, "/send_at", "invalid_time"),
        ({"send_at": "9999-12-31T23:59:59-23:00"}, "/send_at", "invalid_time"),
        ({"send_at": "2999-01-01T00:00:00Z"}, "/send_at", "too_far_ahead"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "already_expired"),
        ({"data": {"a": "x" * 100_001}}, "/data", "too_long"),
        ({"data": {"a": "nul\x00"}}, "/data/a", "invalid_character"),
        ({"data": []}, "/data", "invalid_type"),
        ({"channels": []}, "/channels", "too_short"),
    ],
)
def test_a_wrong_field_is_named(
    api: ApiClient, change: dict[str, Any], pointer: str, code: str
) -> None:
    body = {name: value for name, value in {**SEND, **change}.items() if value is not None}
    answer = api.call("POST", "/notifications", body)
    assert answer.status_code == 422
    assert pointers(answer).get(pointer) == code, answer.text


def test_a_limit_is_said_in_the_words_of_its_own_field(api: ApiClient) -> None:
    answer = api.call("POST", "/notifications", {**SEND, "data": {"a": "x" * 100_001}})
    assert answer.json["errors"][0]["message"] == "At most 100,000 bytes of JSON."


def test_a_batch_answers_each_item_and_wrong_ones_disturb_nobody(
    api: ApiClient, app: Flask
) -> None:
    items = [SEND, {"to": {"external_id": "u-bob"}}, "no object", {**SEND, "template": "no-such"}]
    answer = api.call("POST", "/notifications/batch", {"notifications": items})
    assert answer.status_code == 202
    results = answer.json["results"]
    assert [result["status"] for result in results] == [202, 422, 422, 422]
    assert results[1]["errors"][0] == {
        "pointer": "/template",
        "code": "required",
        "message": "Give the key of a template, or content and a topic.",
    }
    assert count(app) == 2


@pytest.mark.parametrize(("size", "status"), [(0, 422), (500, 202), (501, 422)])
def test_a_batch_has_one_to_five_hundred_items(api: ApiClient, size: int, status: int) -> None:
    body = {"notifications": [SEND] * size}
    assert api.call("POST", "/notifications/batch", body).status_code == status


def test_explaining_says_everything_and_sends_nothing(api: ApiClient, app: Flask) -> None:
    answer = api.call("POST", "/notifications/explain", {**SEND, "channels": ["sms"]})
    assert answer.status_code == 200, answer.text
    (message,) = answer.json["messages"]
    assert message["decision"] == "send"
    assert message["content"] == {
        "body": "Order 88213 is on its way",
        "segments": 1,
        "encoding": message["content"]["encoding"],
    }
    assert all(check["passed"] for check in message["checks"])
    assert count(app) == 0


def test_explaining_a_later_send_decides_as_of_then(api: ApiClient, app: Flask) -> None:
    now = datetime.now(UTC)
    ends = (now + timedelta(hours=2)).strftime("%H:%M")
    with app.app_context(), transaction() as session:
        night = Workspace(
            timezone="UTC", quiet_hours=((now + timedelta(hours=1)).strftime("%H:%M"), ends)
        )
        workspace.save(session, night, None, now)
    text = {"sms": {"body": "A deal"}}
    marketing = {"content": text, "topic": "deals", "to": {"phone": "+447700900413"}}
    later = {"send_at": (now + timedelta(minutes=90)).isoformat()}
    found = [
        api.call("POST", "/notifications/explain", {**marketing, **when}).json["messages"][0]
        for when in ({}, later)
    ]
    assert [message["decision"] for message in found] == ["send", "hold"]
    assert (found[1]["reason"], found[1]["until"][11:16]) == ("quiet_hours", ends)


def test_explaining_says_what_a_send_to_nobody_would_answer(api: ApiClient) -> None:
    body = {**SEND, "to": {"external_id": "nobody"}}
    sent = api.call("POST", "/notifications", body).json["notifications"][0]
    explained = api.call("POST", "/notifications/explain", body).json["messages"][0]
    assert (sent["status"], explained["decision"]) == ("skipped", "skip")
    assert sent["reason"] == explained["reason"] == "unknown_contact"
    assert [(check["name"], check["passed"]) for check in explained["checks"]] == [
        ("person", False)
    ]


def test_a_message_is_shown_with_a_masked_address_unless_the_scope_allows(
    api: ApiClient, make_key: Callable[..., str]
) -> None:
    sent = api.call("POST", "/notifications", {**SEND, "metadata": {"order_id": "88213"}})
    first = sent.json["notifications"][0]["id"]
    shown = api.call("GET", f"/notifications/{first}").json
    assert (shown["address"], shown["contact"]) == ("ann@example.com", "u-ann")
    assert shown["template"] == {"key": "order-shipped", "version": 1}
    assert shown["metadata"] == {"order_id": "88213"}
    assert shown["request_id"] == sent.headers["X-Request-Id"]
    assert (shown["attempts"], shown["events"]) == ([], [])
    reader = ApiClient(api.client, make_key("read"))
    assert reader.call("GET", f"/notifications/{first}").json["address"] == "a…@example.com"


def test_messages_are_listed_newest_first_in_pages(api: ApiClient) -> None:
    for _ in range(3):
        api.call("POST", "/notifications", {**SEND, "channels": ["email"]})
    first = api.call("GET", "/notifications?limit=2&contact=u-ann").json
    assert len(first["data"]) == 2
    second = api.call("GET", f"/notifications?limit=2&cursor={first['next_cursor']}").json
    assert (len(second["data"]), second["next_cursor"]) == (1, None)
    assert api.call("GET", "/notifications?status=delivered").json["data"] == []
    assert api.call("GET", "/notifications?channel=sms").json["data"] == []


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("limit=0", "/limit", "out_of_range"),
        ("limit=ten", "/limit", "invalid_type"),
        ("limit=1&limit=2", "/limit", "repeated"),
        ("cursor=!", "/cursor", "invalid_cursor"),
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "/cursor", "invalid_cursor"),
        ("status=gone", "/status", "invalid_choice"),
        ("contact=nobody", "/contact", "unknown_contact"),
        ("campaign=cmp_1", "/campaign", "invalid_id"),
        ("since=yesterday", "/since", "invalid_time"),
        ("colour=red", "/colour", "unknown_field"),
        ("contact=%00", "/contact", "invalid_character"),
    ],
)
def test_a_wrong_parameter_is_named(api: ApiClient, query: str, pointer: str, code: str) -> None:
    answer = api.call("GET", f"/notifications?{query}")
    assert (answer.status_code, pointers(answer)) == (422, {pointer: code})


def test_cancelling_works_once_and_until_the_message_is_handed_over(
    api: ApiClient, app: Flask
) -> None:
    sent = api.call("POST", "/notifications", SEND).json["notifications"]
    cancelled = api.call("POST", f"/notifications/{sent[0]['id']}/cancel")
    assert (cancelled.status_code, cancelled.json["status"]) == (200, "cancelled")
    assert api.call("POST", f"/notifications/{sent[0]['id']}/cancel").status_code == 200
    with app.app_context(), transaction() as session:
        second = session.scalars(select(Notification).where(Notification.channel == "sms")).one()
        second.status = "delivered"
    late = api.call("POST", f"/notifications/{sent[1]['id']}/cancel")
    assert (late.status_code, late.json["title"]) == (409, "Not possible in the present state")


@pytest.mark.parametrize("wrong", ["ntf_0000000000000", "ntf_nope", "con_07k3mzq9x2d4b", "x" * 40])
def test_an_unknown_message_is_not_found(api: ApiClient, wrong: str) -> None:
    assert api.call("GET", f"/notifications/{wrong}").status_code == 404
    assert api.call("POST", f"/notifications/{wrong}/cancel").status_code == 404


def test_a_test_key_makes_test_messages(api: ApiClient, make_key: Callable[..., str]) -> None:
    tester = ApiClient(api.client, make_key("send", "read", test=True))
    assert tester.secret.startswith("hk_test_")
    sent = tester.call("POST", "/notifications", SEND).json["notifications"]
    assert tester.call("GET", f"/notifications/{sent[0]['id']}").json["test"] is True
