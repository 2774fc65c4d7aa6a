"""Contract §5: what each answer of APNs' means, on the wire."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app import clock
from tests.channels.messages import push, send
from tests.channels.rows.carriers import (
    ACCEPTED,
    CONFIG,
    DEAD,
    REJECTED,
    RETRY,
    THROTTLED,
    Expected,
    carrier,
    ids,
    seconds_until,
)

DEVELOPMENT = "5bad5bad" + "0" * 56


def says(status, reason):
    return {"status": status, "code": reason}


def rows(outcome, status, *reasons, scope="message", concern=None):
    return [
        Expected(f"{status} {reason}", says(status, reason), outcome, reason, scope, concern)
        for reason in reasons
    ]


MALFORMED = (
    "MissingDeviceToken", "BadMessageId", "BadPriority", "BadExpirationDate", "BadCollapseId",
    "DuplicateHeaders", "InvalidPushType", "PayloadEmpty",
)  # fmt: skip
OUR_KEY = (
    "ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken",
    "UnrelatedKeyIdInToken", "BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken",
    "BadCertificate", "BadCertificateEnvironment", "Forbidden",
)  # fmt: skip
ROWS = [
    *rows(DEAD, 400, "BadDeviceToken", "DeviceTokenNotForTopic"),
    *rows(REJECTED, 400, *MALFORMED, concern="adapter"),
    *rows(CONFIG, 400, "BadTopic", "MissingTopic", "TopicDisallowed", scope="lane"),
    *rows(RETRY, 400, "IdleTimeout"),
    *rows(CONFIG, 403, *OUR_KEY, scope="lane"),
    *rows(CONFIG, 404, "BadPath", scope="lane"),
    *rows(CONFIG, 405, "MethodNotAllowed", scope="lane"),
    *rows(DEAD, 410, "Unregistered", "ExpiredToken"),
    *rows(REJECTED, 413, "PayloadTooLarge"),
    *rows(THROTTLED, 429, "TooManyRequests"),
    *rows(THROTTLED, 429, "TooManyProviderTokenUpdates", scope="lane", concern="key_updates"),
    *rows(RETRY, 500, "InternalServerError"),
    *rows(RETRY, 503, "ServiceUnavailable", "Shutdown"),
    *rows(REJECTED, 400, "SomethingNew", concern="unmapped"),
    Expected("418 with a web page", {"status": 418, "body": "<p>"}, REJECTED, "418",
             concern="unmapped"),
]  # fmt: skip


@pytest.mark.parametrize("expected", ROWS, ids=ids(ROWS))
def test_row(sandbox, expected):
    sandbox.fault("apns", answer=expected.answer)
    (result,) = send(carrier("apns", sandbox), push())
    expected.check(result)


def test_200_is_accepted_with_its_apns_id(sandbox):
    (result,) = send(carrier("apns", sandbox), push())
    (line,) = sandbox.journal()
    assert (result.outcome, result.provider_id) == (ACCEPTED, line["message_id"])


def test_410_says_since_when_the_token_is_dead(sandbox):
    (result,) = send(carrier("apns", sandbox), push(token="00000410" + "0" * 56))
    assert (result.outcome, result.code) == (DEAD, "Unregistered")
    assert abs(result.registered_before - datetime.now(UTC)) < timedelta(seconds=5)


def test_an_expired_provider_token_is_renewed_once_and_sent_once_more(sandbox):
    sandbox.fault("apns", answer=says(403, "ExpiredProviderToken"), span={"requests": 1})
    (result,) = send(carrier("apns", sandbox), push())
    assert result.outcome is ACCEPTED
    assert [line["answer"] for line in sandbox.journal()] == ["403 ExpiredProviderToken", "200"]


def test_a_token_that_really_is_old_is_renewed(sandbox):
    """The adapter's clock stands still for two hours, then is right again."""
    started, late = time.monotonic(), timedelta(hours=2)

    def now():
        return clock.now() - (late if time.monotonic() - started < 0.2 else timedelta(0))

    apns = carrier("apns", sandbox, now=now)
    message = push(expires_at=clock.now() + timedelta(hours=1))
    send(apns, message)
    time.sleep(0.25)
    (result,) = send(apns, replace(message, attempt=2))
    assert result.outcome is ACCEPTED


def test_an_answer_about_one_device_does_not_stop_the_others(sandbox):
    busy = "00000429" + "0" * 56
    first, second = send(carrier("apns", sandbox), push(1, token=busy), push(2))
    assert (first.outcome, first.scope, second.outcome) == (THROTTLED, "message", ACCEPTED)


def test_too_many_token_updates_wait_twenty_minutes(sandbox):
    sandbox.fault("apns", answer=says(429, "TooManyProviderTokenUpdates"))
    (result,) = send(carrier("apns", sandbox), push())
    assert seconds_until(result) == pytest.approx(1200, abs=5)


@pytest.mark.parametrize(("kept", "token"), [("production", DEVELOPMENT), ("sandbox", "ab" * 32)])
def test_a_token_of_the_other_environment_is_tried_there_once(sandbox, kept, token):
    (result,) = send(carrier("apns", sandbox), push(token=token, environment=kept))
    other = "sandbox" if kept == "production" else "production"
    assert (result.outcome, result.environment) == (ACCEPTED, other)
    answers = [line["answer"] for line in sandbox.journal()]
    assert answers == ["400 BadDeviceToken", "200"]


def test_a_token_that_neither_host_knows_is_dead_after_one_call_to_each(sandbox):
    (result,) = send(carrier("apns", sandbox), push(token="00000400" + "0" * 56))
    assert (result.outcome, result.environment) == (DEAD, None)
    assert [line["answer"] for line in sandbox.journal()] == ["400 BadDeviceToken"] * 2


@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        (says(403, "BadEnvironmentKeyIdInToken"), REJECTED),
        (says(503, "ServiceUnavailable"), RETRY),
        (says(429, "TooManyRequests"), THROTTLED),
    ],
    ids=["key of one environment only", "away", "busy"],
)
def test_without_a_clear_no_of_the_other_host_no_token_is_dead(sandbox, second, outcome):
    sandbox.fault("apns", answer=second, match={"after": 1})
    (result,) = send(carrier("apns", sandbox), push(token="00000400" + "0" * 56))
    assert (result.outcome, result.scope) == (outcome, "message")


def test_when_a_fifth_of_the_tokens_is_bad_it_is_our_set_up(sandbox):
    """The other host answers too, so this is not the environment of single devices."""
    sandbox.fault("apns", answer=says(400, "DeviceTokenNotForTopic"), match={"every": 4})
    results = send(carrier("apns", sandbox), *[push(number) for number in range(1, 101)])
    outcomes = [result.outcome for result in results]
    assert (outcomes.count(CONFIG), outcomes.count(ACCEPTED)) == (25, 75)
    assert {result.code for result in results} == {"200", "wrong_environment"}
