"""The edges of the API: keys, scopes, quotas, and bodies that are not what they should be."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.accounts import api_keys, key_cache
from app.accounts.models import ApiKey
from app.api import routes
from app.db import transaction
from app.settings import Settings
from tests.support.application import NO_DATABASE, NO_REDIS, another
from tests.support.members import ApiClient

SEND = "/api/v1/notifications"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic aGs6", "Bearer hk_live_wrong", "Bearer ü", "Bearer hk_test_\x7f"],
)
def test_without_a_working_key_nothing_is_answered(client: FlaskClient, header: str) -> None:
    answer = client.get(SEND, headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.mimetype == "application/problem+json"


def test_every_call_needs_a_key(app: Flask, client: FlaskClient) -> None:
    names = {blueprint.name for blueprint in routes.BLUEPRINTS}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.rpartition(".")[0] not in names:
            continue
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<string:{argument}>", "x").replace(f"<{argument}>", "x")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            assert client.open(path, method=method).status_code == 401, (method, path)


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("read", "POST", "/notifications"),
        ("read", "POST", "/notifications/batch"),
        ("read", "POST", "/notifications/explain"),
        ("send", "GET", "/notifications"),
        ("contacts", "GET", "/notifications/ntf_07k3mzq9x2d4b"),
        ("read", "POST", "/notifications/ntf_07k3mzq9x2d4b/cancel"),
    ],
)
def test_a_key_without_the_scope_is_refused(
    client: FlaskClient, make_key: Callable[..., str], scope: str, method: str, path: str
) -> None:
    answer = ApiClient(client, make_key(scope)).call(method, path, {} if method == "POST" else None)
    assert answer.status_code == 403
    assert "scope" in answer.json["detail"]


def test_an_ended_key_stops_working(app: Flask, make_key: Callable[..., str]) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    secret = make_key("read", expires_at=soon)
    caller = ApiClient(app.test_client(), secret)
    with app.app_context(), transaction() as session:
        key = session.scalars(select(ApiKey)).one()
        assert key_cache.find(session, secret, soon - timedelta(milliseconds=1))
        assert key_cache.find(session, secret, soon) is None
        api_keys.revoke_key(session, key.id, datetime.now(UTC))
    key_cache.forget()
    assert caller.call("GET", "/notifications").status_code == 401


def test_a_key_may_be_bound_to_networks(client: FlaskClient, make_key: Callable[..., str]) -> None:
    near = ApiClient(client, make_key("read", networks=["127.0.0.0/8"]))
    far = ApiClient(client, make_key("read", networks=["10.0.0.0/8"]))
    assert near.call("GET", "/notifications").status_code == 200
    assert far.call("GET", "/notifications").status_code == 403


def test_the_last_use_of_a_key_is_written(api: ApiClient, app: Flask) -> None:
    api.call("GET", "/notifications").close()
    with app.app_context(), transaction() as session:
        assert session.scalars(select(ApiKey.last_used_at)).one() is not None


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"text"', 422),
        (b"7", 422),
        (b'{"template": NaN}', 400),
        (b'{"data": {"a": Infinity}}', 400),
        (b'{"data": {"a": 1e999}}', 400),
        (b'{"data": {"a": 123456789012345678901234567890}}', 422),
        (b'{"template": "a", "template": "b"}', 400),
        (b'{"data": {"a": 1, "a": 2}}', 400),
        (b'{"template": "\\ud800"}', 400),
        (b'{"template": "\xff"}', 400),
        (b'{"template": "\xed\xa0\x80"}', 400),
        (b"\xef\xbb\xbf{}", 400),
        (b'{"a\\u0000": 1}', 400),
        (b'{"data": ' + b'{"a":' * 100 + b"1" + b"}" * 101, 400),
        (b"[" * 10_000 + b"]" * 10_000, 400),
        (b"[" * 900 + b"]" * 900, 400),
        (b'{"data": {"a": "' + b"x" * (5 * 1024 * 1024) + b'"}}', 413),
    ],
)
def test_a_body_that_is_no_clean_json_is_refused(api: ApiClient, raw: bytes, status: int) -> None:
    answer = post(api, raw)
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    assert answer.json["status"] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 422),
        ({"Content-Type": "application/vnd.shop+json"}, 422),
    ],
)
def test_only_plain_json_is_taken(api: ApiClient, headers: dict[str, str], status: int) -> None:
    assert post(api, b"{}", **headers).status_code == status


def test_no_depth_hides_behind_a_value_that_cannot_be_stored(api: ApiClient) -> None:
    for depth in (65, 400, *range(970, 990)):
        raw = b'{"a": "\\u0000", "b": ' + b"[" * depth + b"]" * depth + b"}"
        assert post(api, raw).status_code == 400, depth


def test_only_some_of_very_many_wrong_values_are_named(api: ApiClient) -> None:
    answer = post(api, json.dumps({"data": ["\x00"] * 300_000}).encode())
    assert answer.status_code == 422
    assert len(answer.json["errors"]) == 100
    assert answer.json["errors"][99]["pointer"] == "/data/99"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/notifications", "/api/v1/nothing-here", "/hooks/sendgrid", "/signin", "/campaigns"],
)
def test_a_refusal_reads_the_body_so_that_the_connection_goes_on(
    client: FlaskClient, path: str
) -> None:
    body = BytesIO(b"x" * 10_000)
    answer = client.post(path, input_stream=body)
    assert 400 <= answer.status_code < 500
    assert body.tell() == 10_000
    assert "Connection" not in answer.headers


@pytest.mark.parametrize(
    ("path", "size", "status"), [(SEND, 6_000_000, 401), ("/hooks/twilio/inbound", 200_000, 413)]
)
def test_a_refusal_of_a_large_body_says_that_the_connection_ends(
    client: FlaskClient, path: str, size: int, status: int
) -> None:
    form = "application/x-www-form-urlencoded"
    answer = client.post(path, input_stream=BytesIO(bytes(size)), content_type=form)
    assert answer.status_code == status
    assert answer.headers["Connection"] == "close"


def test_a_wrong_address_or_method_is_a_problem_too(api: ApiClient) -> None:
    lost, wrong = api.call("GET", "/nothing"), api.call("DELETE", "/notifications")
    assert (lost.status_code, wrong.status_code) == (404, 405)
    assert lost.mimetype == wrong.mimetype == "application/problem+json"
    assert set(wrong.headers["Allow"].split(", ")) >= {"GET", "POST"}


@pytest.mark.parametrize(
    ("given", "kept"), [("order-88213", True), ("a b", False), ("x" * 200, False)]
)
def test_a_request_id_is_taken_over_or_made(api: ApiClient, given: str, kept: bool) -> None:
    found = api.call("GET", "/notifications", **{"X-Request-Id": given}).headers["X-Request-Id"]
    assert (found == given) is kept
    assert kept or found.startswith("req_")


def test_the_quota_is_on_every_answer_and_refuses_beyond(settings: Settings, app: Flask) -> None:
    with another(settings, api_rate=3) as small:
        caller = reader(small)
        answers = [caller.call("GET", "/notifications") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    left = [answer.headers["RateLimit"].partition("r=")[2][0] for answer in answers]
    assert left == ["2", "1", "0", "0"]
    assert answers[0].headers["RateLimit-Policy"] == '"minute";q=3;w=60'
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 60


def test_without_redis_calls_are_still_taken(settings: Settings, app: Flask) -> None:
    with another(settings, redis_url=NO_REDIS, api_rate=3) as alone:
        caller = reader(alone)
        assert {caller.call("GET", "/notifications").status_code for _ in range(5)} == {200}


def reader(app: Flask) -> ApiClient:
    """A caller with a key that may read."""
    with app.app_context(), transaction() as session:
        _, secret = api_keys.create_key(session, "few", ["read"], False, None, datetime.now(UTC))
    return ApiClient(app.test_client(), secret)


def test_without_the_database_callers_are_told_to_come_back(settings: Settings) -> None:
    with another(settings, database_url=NO_DATABASE) as alone:
        answer = ApiClient(alone.test_client(), "hk_live_a").call("GET", "/notifications")
        page = alone.test_client().get("/signin")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert (page.status_code, page.mimetype) == (503, "text/html")


def post(api: ApiClient, raw: bytes, **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {api.secret}", "Content-Type": "application/json", **headers}
    return api.client.post(SEND, data=raw, headers=sent)
