"""Rules that hold for every HTTP provider: broken wires, broken answers, deadlines, waits."""

import time
from dataclasses import replace

import pytest

from app.channels.apns import ApnsConfig
from app.channels.fcm import FcmConfig
from app.channels.sendgrid import SendGridConfig
from app.channels.twilio import TwilioConfig
from tests.channels.messages import send
from tests.channels.rows.carriers import (
    ACCEPTED,
    AMBIGUOUS,
    CONFIG,
    HTTP,
    RETRY,
    SAMPLES,
    THROTTLED,
    carrier,
    seconds_until,
)

PUSH = ("apns", "fcm")
# A rule for the gate -> what it means, and how many copies the provider has taken by then.
AT_THE_GATE = {
    "reset after the request": ({"fault": "accept_then_reset"}, AMBIGUOUS, 1),
    "reset, nothing taken": ({"fault": "reset"}, AMBIGUOUS, 0),
    "reset in mid-body": ({"fault": "reset_mid_body"}, AMBIGUOUS, 1),
    "200 with a web page": ({"fault": "html_200"}, AMBIGUOUS, 1),
    "silence": ({"fault": "delay", "seconds": 3}, AMBIGUOUS, 1),
    "a byte at a time": ({"fault": "slow_loris", "seconds": 5}, AMBIGUOUS, 1),
}
JSON_ONLY = {"half of the JSON": ({"fault": "truncated_json"}, AMBIGUOUS, 1)}


def cases():
    for name in HTTP:
        wires = {**AT_THE_GATE, **(JSON_ONLY if name in ("twilio", "fcm") else {})}
        for what, rule in wires.items():
            yield pytest.param(name, *rule, id=f"{name}: {what} -> {rule[1]}")


@pytest.mark.parametrize(("name", "rule", "outcome", "taken"), list(cases()))
def test_a_broken_answer_is_no_answer(sandbox, name, rule, outcome, taken):
    sandbox.fault(name, **rule)
    began = time.monotonic()
    (result,) = send(carrier(name, sandbox, sandbox.gate_url, deadline_s=0.7), SAMPLES[name])
    assert time.monotonic() - began < 2
    assert result.outcome is outcome
    assert result.attempted
    lines = sandbox.journal(provider=name)
    assert [line["accepted"] for line in lines] == [bool(taken)]


@pytest.mark.parametrize(
    ("config", "seconds"),
    [(SendGridConfig("x"), 15), (TwilioConfig("x", "y"), 15),
     (ApnsConfig("x", "y", "z", "t"), 10), (FcmConfig("{}"), 10)],
    ids=HTTP,
)  # fmt: skip
def test_the_deadline_of_a_whole_call(config, seconds):
    assert config.deadline_s == seconds


@pytest.mark.parametrize("name", ["twilio", "fcm"])
def test_a_wrong_content_length_is_no_answer(sandbox, name):
    sandbox.fault(name, fault="wrong_length")
    (result,) = send(carrier(name, sandbox, sandbox.gate_url, deadline_s=0.7), SAMPLES[name])
    assert result.outcome is AMBIGUOUS
    assert len(sandbox.journal(provider=name)) == 1


@pytest.mark.parametrize("name", HTTP)
def test_a_refused_connection_has_sent_nothing(sandbox, name):
    (result,) = send(carrier(name, sandbox, "http://127.0.0.1:9"), SAMPLES[name])
    assert (result.outcome, result.code) == (RETRY, "unreachable")


@pytest.mark.parametrize("name", HTTP)
def test_a_name_that_does_not_exist_has_sent_nothing(sandbox, name):
    (result,) = send(carrier(name, sandbox, "http://nobody.invalid"), SAMPLES[name])
    assert (result.outcome, result.code) == (RETRY, "unreachable")


@pytest.mark.parametrize("name", HTTP)
def test_tls_that_fails_before_the_first_byte_has_sent_nothing(sandbox, name):
    secure = sandbox.gate_url.replace("http:", "https:")
    (result,) = send(carrier(name, sandbox, secure), SAMPLES[name])
    assert (result.outcome, result.code) == (RETRY, "unreachable")
    assert sandbox.journal() == []


@pytest.mark.parametrize("name", HTTP)
def test_a_redirect_is_not_followed(sandbox, name):
    location = {"Location": f"{sandbox.url}/sendgrid/v3/mail/send"}
    sandbox.fault(name, answer={"status": 307, "headers": location, "body": ""})
    (result,) = send(carrier(name, sandbox), SAMPLES[name])
    assert (result.outcome, result.code) == (CONFIG, "307")
    assert len(sandbox.journal()) == 1


@pytest.mark.parametrize("name", PUSH)
@pytest.mark.parametrize(
    ("fault", "copies"),
    [("goaway", 1), ("goaway_unprocessed", 1), ("refused_stream", 1)],
    ids=["GOAWAY, processed", "GOAWAY, not processed", "REFUSED_STREAM"],
)
def test_http2_says_what_was_processed(sandbox, name, fault, copies):
    """A stream that was not processed goes out once more by itself; one that was does not."""
    sandbox.fault(name, fault=fault, span={"requests": 1})
    (result,) = send(carrier(name, sandbox, sandbox.gate_url), SAMPLES[name])
    assert result.outcome is ACCEPTED
    assert len([line for line in sandbox.journal() if line["accepted"]]) == copies


@pytest.mark.parametrize("name", PUSH)
@pytest.mark.parametrize("fault", ["goaway_unprocessed", "refused_stream"])
def test_a_stream_that_is_refused_again_and_again_is_tried_later(sandbox, name, fault):
    sandbox.fault(name, fault=fault)
    (result,) = send(carrier(name, sandbox, sandbox.gate_url), SAMPLES[name])
    assert (result.outcome, result.code) == (RETRY, "refused_stream")
    assert [line for line in sandbox.journal() if line["accepted"]] == []


DAY = 24 * 3600
WAITS = {
    "seconds": ("90", 90, None),
    "a date": ({"date": 120}, 120, None),
    "a date that is over": ({"date": -60}, 0, None),
    "absent": (None, None, None),
    "unreadable": ("soon", None, None),
    "negative -> a day, and an alert": ("-5", DAY, "absurd_wait"),
    "two days -> a day, and an alert": (str(2 * DAY), DAY, "absurd_wait"),
    "a date in a year -> a day, and an alert": ({"date": 365 * DAY}, DAY, "absurd_wait"),
}


@pytest.mark.parametrize(("name", "status"), [("sendgrid", 503), ("twilio", 429), ("apns", 503)])
@pytest.mark.parametrize("wait", list(WAITS.values()), ids=list(WAITS))
def test_retry_after(sandbox, name, status, wait):
    said, seconds, concern = wait
    headers = {} if said is None else {"Retry-After": said}
    sandbox.fault(name, answer={"status": status, "headers": headers})
    (result,) = send(carrier(name, sandbox), SAMPLES[name])
    assert result.outcome in (RETRY, THROTTLED)
    assert result.concern == concern
    if seconds is None:
        assert result.not_before is None
    else:
        assert seconds_until(result) == pytest.approx(seconds, abs=4)


@pytest.mark.parametrize("name", PUSH)
def test_one_stream_at_a_time_carries_them_all(sandbox, name):
    sandbox.control("gate", {"max_streams": 1})
    messages = [replace(SAMPLES[name], ref=f"ntf_{number:013}") for number in range(20)]
    results = send(carrier(name, sandbox, sandbox.gate_url), *messages)
    assert {result.outcome for result in results} == {ACCEPTED}
    assert len(sandbox.journal()) == 20


@pytest.mark.parametrize("name", HTTP)
def test_a_rate_limit_closes_the_lane_and_costs_the_others_no_try(sandbox, name):
    sandbox.fault(name, fault="rate_limit", per_second=1)
    answer = carrier(name, sandbox)
    first = send(answer, SAMPLES[name])
    rest = send(answer, *[replace(SAMPLES[name], attempt=number) for number in range(2, 40)])
    assert first[0].outcome is ACCEPTED
    assert THROTTLED in {result.outcome for result in rest}
    assert {result.outcome for result in rest} <= {ACCEPTED, THROTTLED, RETRY}
