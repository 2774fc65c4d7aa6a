"""The Android wire answers as FCM does, over HTTP/2."""

import time
from typing import Any

import pytest

from tests.sandbox.calls import ANDROID, access_token, push, send_android
from tests.support.sandbox import SandboxHandle


def test_a_push_is_accepted_over_http_2(sandbox: SandboxHandle) -> None:
    answer = send_android(sandbox, push())
    assert (answer.status, answer.version) == (200, 3)
    assert answer.json()["name"].startswith("projects/herald-sandbox/messages/")
    line = sandbox.journal()[0]
    assert (line["channel"], line["to"], line["notification"]) == ("android", ANDROID, "ntf_1")


def test_a_token_is_given_for_a_signed_assertion(sandbox: SandboxHandle) -> None:
    answer = access_token(sandbox).json()
    assert answer["token_type"] == "Bearer"
    assert 3500 < answer["expires_in"] <= 3600


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "another@project"},
        {"aud": "https://oauth2.example/token"},
        {"exp": int(time.time()) + 7200},
        {"scope": "email"},
    ],
)
def test_a_faulty_assertion_is_an_invalid_grant(
    sandbox: SandboxHandle, changes: dict[str, Any]
) -> None:
    answer = access_token(sandbox, **changes)
    assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")


def test_a_made_up_access_token_is_unauthenticated(sandbox: SandboxHandle) -> None:
    answer = send_android(sandbox, push(), bearer="ya29-sandbox.9999999999.00")
    assert (answer.status, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [
        ("unregistered", 404, "UNREGISTERED"),
        ("not-registered-here", 403, "SENDER_ID_MISMATCH"),
        ("quota", 429, "QUOTA_EXCEEDED"),
        ("unavailable", 503, "UNAVAILABLE"),
        ("bad-token", 400, "INVALID_ARGUMENT"),
    ],
)
def test_magic_tokens_have_their_answer(
    sandbox: SandboxHandle, word: str, status: int, code: str
) -> None:
    answer = send_android(sandbox, push(f"{ANDROID}-{word}"))
    assert answer.status == status
    assert answer.json()["error"]["details"][0]["errorCode"] == code
    assert sandbox.journal()[0]["answer"] == f"{status} {code}"


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"n": 7}},
        {"data": {"google.x": "7"}},
        {"colour": "blue"},
        {"notification": {"subtitle": "no"}},
        {"android": {"ttl": "soon"}},
        {"android": {"ttl": "2419201s"}},
        {"android": {"priority": "urgent"}},
        {"topic": "news"},
        {"token": ""},
        {"data": {"x": "y" * 4096}},
    ],
)
def test_a_faulty_field_is_a_bad_request(sandbox: SandboxHandle, changes: dict[str, Any]) -> None:
    error = send_android(sandbox, push(**changes)).json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["fieldViolations"][0]["description"]


def test_snake_case_is_taken_too(sandbox: SandboxHandle) -> None:
    android = {"collapse_key": "x", "notification": {"tag": "ntf_1", "channel_id": "news"}}
    assert send_android(sandbox, push(android=android)).status == 200


def test_another_project_is_not_found(sandbox: SandboxHandle) -> None:
    error = send_android(sandbox, push(), project="other").json()["error"]
    assert error["status"] == "NOT_FOUND"
    assert "details" not in error
