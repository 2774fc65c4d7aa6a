"""Contract §1: what each answer of SendGrid's means, on the wire."""

import pytest

from app.channels.sendgrid import SendGridConfig, SendGridProvider
from tests.channels.messages import email, send, shell_emails
from tests.channels.rows.carriers import (
    ACCEPTED,
    AMBIGUOUS,
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


def says(status, message="no", field=None, **more):
    body = {"errors": [{"message": message, "field": field, "help": None}]}
    return {"status": status, "body": body, **more}


UNVERIFIED = "The from address does not match a verified Sender Identity."
ROWS = [
    Expected("200 of the sandbox mode", {"status": 200, "body": ""}, ACCEPTED, "200"),
    Expected("400", says(400), REJECTED, "400"),
    Expected("400 about from", says(400, "no", "from.email"), CONFIG, "sender", "lane"),
    Expected("400 unverified sender", says(400, UNVERIFIED), CONFIG, "sender", "lane"),
    Expected(
        "400 personalizations.0.to, invalid address",
        says(400, "Does not contain a valid address.", "personalizations.0.to"),
        DEAD,
        "invalid_address",
    ),
    Expected(
        "400 personalizations.0.to, anything else",
        says(400, "Each email address must be unique.", "personalizations.0.to"),
        REJECTED,
        "400",
    ),
    Expected("401", says(401, "authorization required"), CONFIG, "401", "lane"),
    Expected("401 credits", says(401, "Maximum credits exceeded"), CONFIG, "quota", "lane"),
    Expected("403", says(403), CONFIG, "403", "lane"),
    Expected("404", says(404), CONFIG, "404", "lane"),
    Expected("405", says(405), CONFIG, "405", "lane"),
    Expected("415", says(415), CONFIG, "415", "lane"),
    Expected("413", says(413), REJECTED, "413"),
    Expected("429", says(429, "too many requests"), THROTTLED, "429", "lane"),
    Expected("500", says(500), RETRY, "500"),
    Expected("502", says(502), RETRY, "502"),
    Expected("503", says(503), RETRY, "503"),
    Expected("504, perhaps passed on", says(504), AMBIGUOUS, "504"),
    Expected("a status nobody knows, 418", says(418), REJECTED, "418", concern="unmapped"),
    Expected("a status nobody knows, 599", says(599), RETRY, "599"),
    Expected("a redirect is not followed", says(302), CONFIG, "302", "lane"),
]


@pytest.mark.parametrize("expected", ROWS, ids=ids(ROWS))
def test_row(sandbox, expected):
    sandbox.fault("sendgrid", answer=expected.answer)
    (result,) = send(carrier("sendgrid", sandbox), email())
    expected.check(result)
    assert len(sandbox.journal()) == 1


def test_202_is_accepted_with_its_message_id(sandbox):
    (result,) = send(carrier("sendgrid", sandbox), email())
    (line,) = sandbox.journal()
    assert (result.outcome, result.code) == (ACCEPTED, "202")
    assert result.provider_id == line["message_id"]


def test_a_wrong_key_is_a_config_error(sandbox):
    wrong = SendGridProvider(SendGridConfig("SG.wrong", f"{sandbox.url}/sendgrid"))
    results = send(wrong, email(1), email(2))
    assert (results[0].outcome, results[0].scope) == (CONFIG, "lane")
    assert sandbox.journal(answer="202") == []


def test_only_the_recipient_who_is_named_is_refused(sandbox):
    messages = list(shell_emails(6))
    messages[2] = email(
        3, to="not an address", subject="", html="", text="", shell=messages[0].shell,
        substitutions={"-s0-": "x"},
    )  # fmt: skip
    outcomes = [result.outcome for result in send(carrier("sendgrid", sandbox), *messages)]
    assert outcomes == [ACCEPTED, ACCEPTED, DEAD, ACCEPTED, ACCEPTED, ACCEPTED]


@pytest.mark.parametrize(
    ("headers", "seconds", "concern"),
    [
        ({"X-RateLimit-Reset": {"epoch": 30}}, 30, None),
        ({"X-RateLimit-Reset": {"epoch": 30}, "Retry-After": "5"}, 30, None),
        ({"Retry-After": "45"}, 45, None),
        ({"X-RateLimit-Reset": "99999999999"}, 86_400, "absurd_wait"),
    ],
    ids=["reset", "reset wins", "retry-after", "absurd reset -> a day, and an alert"],
)
def test_429_waits_until_the_reset(sandbox, headers, seconds, concern):
    body = {"errors": [{"field": None, "message": "too many requests"}]}
    sandbox.fault("sendgrid", answer={"status": 429, "headers": headers, "body": body})
    (result,) = send(carrier("sendgrid", sandbox), email())
    assert (result.outcome, result.scope, result.concern) == (THROTTLED, "lane", concern)
    assert seconds_until(result) == pytest.approx(seconds, abs=3)
