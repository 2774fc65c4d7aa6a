"""Contract §4: what each answer of FCM's means, on the wire."""

import pytest

from app.channels.fcm import FcmConfig, FcmProvider
from tests.channels.messages import push, send
from tests.channels.rows.carriers import (
    ACCEPTED,
    ANDROID,
    CONFIG,
    DEAD,
    REJECTED,
    RETRY,
    THROTTLED,
    Expected,
    carrier,
    fcm_account,
    ids,
    seconds_until,
)

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
ABOUT_TOKEN = "The registration token is not a valid FCM registration token"


def says(status, code):
    return {"status": status, "code": code}


def spells(status, word, *details, message="no"):
    error = {"code": status, "message": message, "status": word, "details": list(details)}
    return {"status": status, "body": {"error": error}}


def fcm_error(code):
    return {"@type": FCM_ERROR, "errorCode": code}


def violation(field):
    return {"@type": BAD_REQUEST, "fieldViolations": [{"field": field, "description": "no"}]}


INVALID = fcm_error("INVALID_ARGUMENT")
TITLE = violation("message.notification.title")
QUOTA = {"@type": "type.googleapis.com/google.rpc.QuotaFailure"}
ROWS = [
    Expected(
        "400 INVALID_ARGUMENT about the token",
        spells(400, "INVALID_ARGUMENT", INVALID, message=ABOUT_TOKEN),
        DEAD,
        "INVALID_ARGUMENT",
    ),
    Expected(
        "400 INVALID_ARGUMENT about the token, and a field is wrong",
        spells(400, "INVALID_ARGUMENT", INVALID, TITLE, message=ABOUT_TOKEN),
        REJECTED,
        "INVALID_ARGUMENT",
    ),
    Expected(
        "400 INVALID_ARGUMENT about the token's field, nothing like it was taken",
        spells(400, "INVALID_ARGUMENT", INVALID, violation("message.token"), message=ABOUT_TOKEN),
        REJECTED,
        "INVALID_ARGUMENT",
    ),
    Expected(
        "400 INVALID_ARGUMENT about the payload",
        spells(400, "INVALID_ARGUMENT", INVALID, message="Invalid value at message"),
        REJECTED,
        "INVALID_ARGUMENT",
    ),
    Expected(
        "400 INVALID_ARGUMENT with fieldViolations",
        spells(400, "INVALID_ARGUMENT", TITLE),
        REJECTED,
        "INVALID_ARGUMENT",
    ),
    Expected(
        "401 UNAUTHENTICATED, twice", spells(401, "UNAUTHENTICATED"), CONFIG, "UNAUTHENTICATED",
        "lane",
    ),
    Expected(
        "401 THIRD_PARTY_AUTH_ERROR", says(401, "THIRD_PARTY_AUTH_ERROR"), CONFIG,
        "THIRD_PARTY_AUTH_ERROR", "lane",
    ),
    Expected(
        "403 SENDER_ID_MISMATCH", says(403, "SENDER_ID_MISMATCH"), DEAD, "SENDER_ID_MISMATCH",
        concern="mismatch",
    ),
    Expected(
        "403 PERMISSION_DENIED", spells(403, "PERMISSION_DENIED"), CONFIG, "PERMISSION_DENIED",
        "lane",
    ),
    Expected("404 UNREGISTERED", says(404, "UNREGISTERED"), DEAD, "UNREGISTERED"),
    Expected(
        "404 NOT_FOUND without FcmError", spells(404, "NOT_FOUND"), CONFIG, "NOT_FOUND", "lane"
    ),
    Expected(
        "429 QUOTA_EXCEEDED", says(429, "QUOTA_EXCEEDED"), THROTTLED, "QUOTA_EXCEEDED", "lane"
    ),
    Expected(
        "429 RESOURCE_EXHAUSTED", spells(429, "RESOURCE_EXHAUSTED", QUOTA), THROTTLED,
        "RESOURCE_EXHAUSTED", "lane",
    ),
    Expected("500 INTERNAL", says(500, "INTERNAL"), RETRY, "INTERNAL"),
    Expected("503 UNAVAILABLE", says(503, "UNAVAILABLE"), RETRY, "UNAVAILABLE"),
    Expected("503 with a web page", {"status": 503, "body": "<html>"}, RETRY, "503"),
    Expected("418", {"status": 418, "body": ""}, REJECTED, "418", concern="unmapped"),
]  # fmt: skip


def android(number=1, **changes):
    return push(number, platform="android", **{"token": f"{ANDROID}{number}", **changes})


@pytest.mark.parametrize("expected", ROWS, ids=ids(ROWS))
def test_row(sandbox, expected):
    sandbox.fault("fcm", answer=expected.answer)
    (result,) = send(carrier("fcm", sandbox), android())
    expected.check(result)


def test_200_is_accepted_with_its_name(sandbox):
    (result,) = send(carrier("fcm", sandbox), android())
    (line,) = sandbox.journal()
    assert (result.outcome, result.provider_id) == (ACCEPTED, line["message_id"])


def test_a_token_is_dead_when_the_same_payload_was_taken_for_another(sandbox):
    answer = spells(
        400, "INVALID_ARGUMENT", INVALID, violation("message.token"), message=ABOUT_TOKEN
    )
    sandbox.fault("fcm", answer=answer, match={"to": f"{ANDROID}1"})
    bad, good = send(carrier("fcm", sandbox), android(1), android(2))
    assert (bad.outcome, bad.code, good.outcome) == (DEAD, "INVALID_ARGUMENT", ACCEPTED)


def test_another_payload_proves_nothing_about_the_token(sandbox):
    answer = spells(
        400, "INVALID_ARGUMENT", INVALID, violation("message.token"), message=ABOUT_TOKEN
    )
    sandbox.fault("fcm", answer=answer, match={"to": f"{ANDROID}1"})
    bad, good = send(carrier("fcm", sandbox), android(1, title="Other"), android(2))
    assert (bad.outcome, good.outcome) == (REJECTED, ACCEPTED)


def test_an_old_access_token_is_renewed_once(sandbox):
    sandbox.fault("fcm", answer=spells(401, "UNAUTHENTICATED"), span={"requests": 1})
    (result,) = send(carrier("fcm", sandbox), android())
    assert result.outcome is ACCEPTED
    assert len(sandbox.journal()) == 2


def test_a_wrong_project_costs_no_token(sandbox):
    account = fcm_account(sandbox, project_id="another-project")
    results = send(FcmProvider(FcmConfig(account, f"{sandbox.url}/fcm")), android(1), android(2))
    assert (results[0].outcome, results[0].scope) == (CONFIG, "lane")


@pytest.mark.parametrize(
    ("answer", "outcome"), [({"status": 400}, CONFIG), ({"status": 500}, RETRY)], ids=["4xx", "5xx"]
)
def test_the_token_endpoint(sandbox, answer, outcome):
    sandbox.fault("fcm_token", answer=answer)
    (result,) = send(carrier("fcm", sandbox), android())
    assert (result.outcome, result.code) == (outcome, "access_token")
    assert sandbox.journal() == []


@pytest.mark.parametrize(
    ("status", "code", "headers", "seconds"),
    [
        (429, "QUOTA_EXCEEDED", {"Retry-After": "7"}, 7),
        (429, "QUOTA_EXCEEDED", {}, 60),
        (503, "UNAVAILABLE", {"Retry-After": {"date": 40}}, 40),
        (503, "UNAVAILABLE", {}, 10),
    ],
    ids=["429, 7 s", "429, nothing said -> 60 s", "503, a date", "503, nothing said -> 10 s"],
)
def test_how_long_google_wants_us_to_wait(sandbox, status, code, headers, seconds):
    sandbox.fault("fcm", answer={"status": status, "code": code, "headers": headers})
    (result,) = send(carrier("fcm", sandbox), android())
    assert seconds_until(result) == pytest.approx(seconds, abs=3)
