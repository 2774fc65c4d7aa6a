"""Scripted faults: what the rules match, and what goes over the wire then."""

import json
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pycurl
import pytest

from tests.sandbox.calls import (
    access_token,
    mail,
    push,
    send_android,
    send_ios,
    send_mail,
    send_text,
)
from tests.support.sandbox import SandboxHandle

ANN = mail("ann@example.org")


def test_a_scripted_answer_lasts_for_its_requests(sandbox: SandboxHandle) -> None:
    sandbox.fault("sendgrid", answer={"status": 503}, span={"requests": 2})
    assert [send_mail(sandbox, ANN).status for _ in range(3)] == [503, 503, 202]
    assert [line["accepted"] for line in sandbox.journal()] == [False, False, True]
    assert sandbox.journal()[0]["fault"] == "answer"


def test_a_rule_can_name_its_recipient(sandbox: SandboxHandle) -> None:
    sandbox.fault("sendgrid", match={"to": "*@slow.example"}, answer={"status": 500})
    assert send_mail(sandbox, ANN).status == 202
    assert send_mail(sandbox, mail("bob@slow.example")).status == 500


def test_a_rule_can_hit_every_third_call(sandbox: SandboxHandle) -> None:
    sandbox.fault("twilio", match={"every": 3}, answer={"status": 429})
    statuses = [send_text(sandbox, "+447700900123").status for _ in range(6)]
    assert statuses == [201, 201, 429, 201, 201, 429]


def test_chance_repeats_with_its_seed(sandbox: SandboxHandle) -> None:
    runs = []
    for _ in range(2):
        sandbox.control("faults", method="DELETE")
        match = {"probability": 0.5, "seed": 7}
        sandbox.fault("twilio", match=match, answer={"status": 503})
        runs.append([send_text(sandbox, "+447700900123").status for _ in range(12)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {201, 503}


def test_a_rule_ends_with_its_time(sandbox: SandboxHandle) -> None:
    sandbox.fault("sendgrid", answer={"status": 500}, span={"seconds": 0.3})
    assert send_mail(sandbox, ANN).status == 500
    time.sleep(0.35)
    assert send_mail(sandbox, ANN).status == 202


def test_an_answer_speaks_the_providers_words(sandbox: SandboxHandle) -> None:
    sandbox.fault("apns", answer={"status": 410, "code": "Unregistered"})
    sandbox.fault("fcm", answer={"status": 404, "code": "UNREGISTERED"})
    sandbox.fault("twilio", answer={"status": 400, "code": "21610"})
    assert send_ios(sandbox).json()["reason"] == "Unregistered"
    error = send_android(sandbox, push()).json()["error"]
    assert error["details"][0]["errorCode"] == "UNREGISTERED"
    assert send_text(sandbox, "+447700900123").json()["code"] == 21610


def test_retry_after_can_be_anything(sandbox: SandboxHandle) -> None:
    for value in ("30", "soon", {"date": 60}):
        sandbox.control("faults", method="DELETE")
        sandbox.fault("fcm", answer={"status": 429, "headers": {"Retry-After": value}})
        header = send_android(sandbox, push()).headers["retry-after"]
        if isinstance(value, dict):
            assert parsedate_to_datetime(header).timestamp() - time.time() > 50
        else:
            assert header == value


def test_a_delayed_mail_is_taken_before_its_answer(sandbox: SandboxHandle) -> None:
    sandbox.fault("sendgrid", fault="delay", seconds=0.4)
    begin = time.monotonic()
    assert send_mail(sandbox, ANN).status == 202
    assert time.monotonic() - begin >= 0.4
    assert sandbox.journal()[0]["accepted"] is True


@pytest.mark.parametrize("fault", ["accept_then_reset", "reset_mid_body"])
def test_a_broken_answer_leaves_the_message_taken(sandbox: SandboxHandle, fault: str) -> None:
    sandbox.fault("twilio", fault=fault)
    with pytest.raises(pycurl.error):
        send_text(sandbox, "+447700900123")
    line = sandbox.journal()[0]
    assert (line["accepted"], line["fault"]) == (True, fault)


def test_a_stream_breaks_over_http_2_as_well(sandbox: SandboxHandle) -> None:
    sandbox.fault("apns", fault="accept_then_reset")
    with pytest.raises(pycurl.error):
        send_ios(sandbox)
    assert sandbox.journal()[0]["accepted"] is True


def test_a_reset_before_acceptance_takes_nothing(sandbox: SandboxHandle) -> None:
    sandbox.fault("sendgrid", fault="reset")
    with pytest.raises(pycurl.error):
        send_mail(sandbox, ANN)
    assert sandbox.journal()[0]["accepted"] is False


def test_slow_loris_spreads_the_answer(sandbox: SandboxHandle) -> None:
    sandbox.fault("twilio", fault="slow_loris", seconds=0.5)
    begin = time.monotonic()
    assert send_text(sandbox, "+447700900123").json()["status"] == "queued"
    assert time.monotonic() - begin >= 0.5


def test_half_of_the_json_arrives_whole(sandbox: SandboxHandle) -> None:
    sandbox.fault("fcm", fault="truncated_json")
    answer = send_android(sandbox, push())
    assert answer.status == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()


def test_a_web_page_can_answer_200(sandbox: SandboxHandle) -> None:
    sandbox.fault("twilio", fault="html_200")
    answer = send_text(sandbox, "+447700900123")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html")


def test_the_length_can_lie(sandbox: SandboxHandle) -> None:
    sandbox.fault("twilio", fault="wrong_length")
    body = send_text(sandbox, "+447700900123").body
    assert body.startswith(b"{")
    assert not body.endswith(b"}")


def test_a_rate_limit_answers_429(sandbox: SandboxHandle) -> None:
    sandbox.fault("twilio", fault="rate_limit", per_second=2)
    statuses = [send_text(sandbox, "+447700900123").status for _ in range(6)]
    assert statuses[:2] == [201, 201]
    assert 429 in statuses


def test_the_token_endpoint_has_faults_of_its_own(sandbox: SandboxHandle) -> None:
    sandbox.fault("fcm_token", answer={"status": 503}, span={"requests": 1})
    assert access_token(sandbox).status == 503
    assert access_token(sandbox).status == 200


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"provider": "pigeon", "fault": "delay"}, "provider"),
        ({"provider": "apns"}, "answer, fault"),
        ({"provider": "apns", "fault": "explode"}, "fault"),
        ({"provider": "apns", "answer": {"status": "x"}}, "answer.status"),
        ({"provider": "apns", "fault": "rate_limit"}, "per_second"),
        ({"provider": "apns", "fault": "delay", "match": {"probability": 2}}, "probability"),
    ],
)
def test_a_bad_rule_names_its_field(
    sandbox: SandboxHandle, rule: dict[str, Any], field: str
) -> None:
    with pytest.raises(HTTPError) as refused:
        sandbox.control("faults", rule)
    with refused.value as error:
        assert error.code == 400
        assert error.read().decode().startswith(f'{{"error":"{field}:')


def test_rules_are_listed_and_cleared(sandbox: SandboxHandle) -> None:
    made = sandbox.fault("sendgrid", answer={"status": 500})
    send_mail(sandbox, ANN)
    assert [rule["hits"] for rule in sandbox.control("faults")] == [1]
    assert sandbox.control(f"faults/{made['id']}", method="DELETE") == {"cleared": 1}
    assert send_mail(sandbox, ANN).status == 202


def test_an_order_that_does_not_say_it_is_json_is_refused_with_the_reason(
    sandbox: SandboxHandle,
) -> None:
    order = Request(f"{sandbox.control_url}/_control/faults", b'{"provider": "apns"}')
    with pytest.raises(HTTPError) as refused:
        urlopen(order, timeout=10)
    assert refused.value.code == 415
    assert "Content-Type: application/json" in json.load(refused.value)["error"]
