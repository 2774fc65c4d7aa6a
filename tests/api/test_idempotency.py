"""The same Idempotency-Key: one piece of work, one answer."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from app.db import transaction
from app.sending import retention
from app.sending.models import Idempotency, Notification
from tests.support.members import ApiClient

pytestmark = pytest.mark.usefixtures("shop")
SEND: dict[str, Any] = {
    "template": "order-shipped",
    "to": {"external_id": "u-ann"},
    "channels": ["email"],
    "data": {"order": {"number": "88213"}},
}


def send(api: ApiClient, key: str, body: object = SEND, path: str = "/notifications") -> Any:
    return api.call("POST", path, body, **{"Idempotency-Key": key})


def rows(app: Flask, table: type = Notification) -> int:
    with app.app_context(), transaction() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_repeated_key_gives_the_same_bytes_and_does_nothing_again(
    api: ApiClient, app: Flask
) -> None:
    first, second = send(api, "a"), send(api, "a")
    assert (first.status_code, first.data) == (second.status_code, second.data)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert rows(app) == 1


def test_the_order_of_keys_does_not_make_another_body(api: ApiClient) -> None:
    send(api, "a")
    assert send(api, "a", dict(reversed(SEND.items()))).headers["Idempotent-Replayed"] == "true"


def test_another_body_is_refused_and_the_difference_named(api: ApiClient, app: Flask) -> None:
    send(api, "a")
    other = {**SEND, "data": {"order": {"number": "88214"}}, "strategy": "first"}
    answer = send(api, "a", other)
    assert answer.status_code == 422
    pointers = [error["pointer"] for error in answer.json["errors"]]
    assert pointers == ["/data/order/number", "/strategy"]
    assert rows(app) == 1


ARRAYS_AND_OBJECTS: list[Any] = [
    ["a"],
    {"0": "a"},
    [["a"]],
    [{"0": "a"}],
    {"0": ["a"]},
    {"0": {"0": "a"}},
    {"00": "a"},
    {"1": "a"},
    ["a", "b"],
    {"1": "b", "0": "a"},
    [],
    {},
    None,
    "",
]


def with_data(value: object) -> dict[str, Any]:
    return {**SEND, "data": {"order": {"number": "88213"}, "x": value}}


@pytest.mark.parametrize("first", ARRAYS_AND_OBJECTS, ids=json.dumps)
def test_an_array_is_no_object_and_empty_is_not_missing(api: ApiClient, first: object) -> None:
    assert send(api, "a", with_data(first)).status_code == 202
    assert send(api, "a", with_data(first)).headers["Idempotent-Replayed"] == "true"
    others = [SEND, *(with_data(value) for value in ARRAYS_AND_OBJECTS if value != first)]
    for other in others:
        answer = send(api, "a", other)
        assert answer.status_code == 422, other
        assert all(error["pointer"].startswith("/data/x") for error in answer.json["errors"])


def test_the_array_that_became_an_object_is_named(api: ApiClient) -> None:
    send(api, "a", with_data({"list": ["a"]}))
    answer = send(api, "a", with_data({"list": {"0": "a"}}))
    assert [error["pointer"] for error in answer.json["errors"]] == ["/data/x/list"]


def test_an_ordinary_body_is_kept_as_by_versions_before(api: ApiClient, app: Flask) -> None:
    send(api, "a")
    with app.app_context(), transaction() as session:
        kept = set(session.scalars(select(Idempotency)).one().request)
    leaves = {"/template", "/to/external_id", "/channels/0", "/data/order/number"}
    assert kept == {"#", *leaves}, "a key from before an update would not replay"


def test_of_a_body_with_very_many_values_its_parts_are_compared(api: ApiClient, app: Flask) -> None:
    many = {**SEND, "data": {"order": {"number": "88213"}, "lines": [0] * 40_000}}
    first = send(api, "a", {"notifications": [many] * 5}, "/notifications/batch")
    assert first.status_code == 202
    again = {"notifications": [dict(reversed(many.items()))] * 5}
    assert send(api, "a", again, "/notifications/batch").data == first.data
    other = {**many, "data": {**many["data"], "lines": [0] * 39_999 + [1]}}
    answer = send(api, "a", {"notifications": [many] * 4 + [other]}, "/notifications/batch")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == ["/notifications/4/data/lines"]
    with app.app_context(), transaction() as session:
        kept = session.scalars(select(Idempotency.request)).one()
    assert len(kept) < 50


def test_another_call_with_the_same_key_is_refused(api: ApiClient) -> None:
    send(api, "a")
    assert send(api, "a", SEND, "/notifications/explain").status_code == 422


@pytest.mark.parametrize("wrong", [{**SEND, "to": {}}, {**SEND, "template": "no-such"}])
def test_a_refused_request_does_not_burn_its_key(
    api: ApiClient, app: Flask, wrong: dict[str, Any]
) -> None:
    assert send(api, "a", wrong).status_code == 422
    assert send(api, "a").status_code == 202
    assert rows(app) == 1


def test_keys_of_two_callers_do_not_meet(api: ApiClient, make_key: Any, app: Flask) -> None:
    send(api, "a")
    other = ApiClient(api.client, make_key("send"))
    assert "Idempotent-Replayed" not in send(other, "a").headers
    assert rows(app) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\t", "é"])
def test_a_key_is_short_and_printable(api: ApiClient, key: str) -> None:
    assert send(api, key).status_code == 400


def test_fifty_at_once_make_one_message(api: ApiClient, app: Flask) -> None:
    def call(_: int) -> tuple[int, bytes]:
        answer = send(ApiClient(app.test_client(), api.secret), "a")
        return answer.status_code, answer.data

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(call, range(50)))
    assert len(answers) == 1
    assert answers.pop()[0] == 202
    assert rows(app) == 1


def test_the_answer_and_the_message_are_one_commit(api: ApiClient, app: Flask) -> None:
    send(api, "a")
    with app.app_context(), transaction() as session:
        kept = session.execute(text("select xmin from idempotency")).scalar_one()
        sent = session.execute(text("select xmin from notification")).scalar_one()
    assert kept == sent


def test_no_personal_data_is_kept_with_a_key(api: ApiClient, app: Flask) -> None:
    send(api, "a", {**SEND, "to": {"email": "private@example.com"}})
    with app.app_context(), transaction() as session:
        row = session.scalars(select(Idempotency)).one()
        assert "private" not in json.dumps([row.request, row.answer, row.fingerprint])


def test_old_answers_are_forgotten(api: ApiClient, app: Flask) -> None:
    send(api, "a")
    now = datetime.now(UTC)
    with app.app_context(), transaction() as session:
        assert retention.forget_answers(session, now + timedelta(days=6)) == 0
        assert retention.forget_answers(session, now + timedelta(days=8)) == 1
    send(api, "a")
    assert rows(app) == 2
