"""Contract §3: what each answer of Twilio's to a create means, on the wire, and its look-ups."""

from datetime import UTC, datetime, timedelta

import pytest

from app.channels import twilio_look_up
from app.channels.twilio import TwilioConfig, TwilioProvider
from tests.channels.messages import send, sms
from tests.channels.rows.carriers import (
    ACCEPTED,
    AMBIGUOUS,
    CONFIG,
    DEAD,
    PHONE,
    REJECTED,
    RETRY,
    SUPPRESSED,
    THROTTLED,
    Expected,
    carrier,
    ids,
    seconds_until,
)


def says(status, code):
    return {"status": status, "code": str(code)}


def rows(outcome, status, *codes, scope="message", concern=None):
    return [
        Expected(f"{status} / {code}", says(status, code), outcome, str(code), scope, concern)
        for code in codes
    ]


SENDER = (21212, 21603, 21606, 21607, 21608, 21609, 21701, 21703, 21704, 21705, 21708)
ROWS = [
    *rows(CONFIG, 401, 20003, scope="lane"),
    *rows(CONFIG, 404, 20404, scope="lane"),
    *rows(CONFIG, 405, 20004, scope="lane"),
    *rows(THROTTLED, 429, 20429, 21611, scope="lane"),
    *rows(THROTTLED, 429, 14107, concern="loop"),
    *rows(AMBIGUOUS, 500, 20500),
    *rows(RETRY, 503, 20503),
    *rows(DEAD, 400, 21211, 21217, 21401, 21421, 21614, 21612),
    *rows(SUPPRESSED, 400, 21610),
    *rows(REJECTED, 403, 21408, concern="region"),
    *rows(REJECTED, 400, 21215, concern="region"),
    *rows(REJECTED, 400, 21602, 21604, 21617, 21618, 21619, 21620, 21624, 21658),
    *rows(CONFIG, 400, *SENDER, 21709, 21712, 21715, scope="lane"),
    *rows(RETRY, 400, 21702),
    *rows(CONFIG, 403, 30002, scope="lane"),
    *rows(REJECTED, 400, 21999, concern="unmapped"),
    Expected("502", {"status": 502, "body": "bad gateway"}, AMBIGUOUS, "502"),
    Expected("504", {"status": 504, "body": "gateway timeout"}, AMBIGUOUS, "504"),
    Expected("429 without a code", {"status": 429, "body": ""}, THROTTLED, "429", "lane"),
    Expected("418", {"status": 418, "body": ""}, REJECTED, "418", concern="unmapped"),
    Expected("302", {"status": 302, "body": ""}, CONFIG, "302", "lane"),
    Expected(
        "problem details of newer services",
        {"status": 400, "body": {"type": "x", "title": "no", "status": 400, "code": 21211}},
        DEAD,
        "21211",
    ),
]


@pytest.mark.parametrize("expected", ROWS, ids=ids(ROWS))
def test_row(sandbox, expected):
    sandbox.fault("twilio", answer=expected.answer)
    (result,) = send(carrier("twilio", sandbox), sms(to=PHONE))
    expected.check(result)


def test_201_is_accepted_with_its_sid(sandbox):
    (result,) = send(carrier("twilio", sandbox), sms(to=PHONE))
    (line,) = sandbox.journal()
    assert (result.outcome, result.code, result.provider_id) == (
        ACCEPTED,
        "201",
        line["message_id"],
    )


@pytest.mark.parametrize(
    ("last", "code", "outcome"),
    [
        ("0001", "21211", DEAD),
        ("0002", "21612", DEAD),
        ("0003", "21408", REJECTED),
        ("0004", "21610", SUPPRESSED),
        ("0009", "21614", DEAD),
    ],
)
def test_twilios_own_test_numbers(sandbox, last, code, outcome):
    (result,) = send(carrier("twilio", sandbox), sms(to=f"+1500555{last}"))
    assert (result.outcome, result.code) == (outcome, code)


def test_14107_waits_for_twilios_own_window(sandbox):
    sandbox.fault("twilio", answer=says(429, 14107), span={"requests": 1})
    first, second = send(carrier("twilio", sandbox), sms(1, to=PHONE), sms(2, to="+447700900123"))
    outcomes = {first.outcome, second.outcome}
    assert outcomes == {THROTTLED, ACCEPTED}
    held = first if first.outcome is THROTTLED else second
    assert seconds_until(held) == pytest.approx(30, abs=3)


def test_a_wrong_token_is_a_config_error(sandbox):
    account = sandbox.credentials()["twilio_account_sid"]
    config = TwilioConfig(account, "wrong", sender="+1", base_url=f"{sandbox.url}/twilio")
    (result,) = send(TwilioProvider(config), sms(to=PHONE))
    assert (result.outcome, result.code, result.scope) == (CONFIG, "20003", "lane")


def test_a_text_whose_answer_was_lost_is_found_by_its_number(sandbox):
    sandbox.fault("twilio", fault="accept_then_reset", span={"requests": 1})
    (lost,) = send(carrier("twilio", sandbox, sandbox.gate_url), sms(to=PHONE))
    assert lost.outcome is AMBIGUOUS
    since = datetime.now(UTC) - timedelta(minutes=1)
    found = carrier("twilio", sandbox).texts_to({PHONE: since, "+447700900199": since})
    assert [text.body for text in found[PHONE]] == [sms().body]
    assert found["+447700900199"] == []


def test_a_list_is_read_page_by_page(sandbox):
    twilio = carrier("twilio", sandbox)
    send(twilio, *[sms(number, to=PHONE, body=f"Number {number}") for number in range(45)])
    found = twilio.texts_to({PHONE: datetime.now(UTC) - timedelta(minutes=1)})
    assert {text.body for text in found[PHONE]} == {f"Number {number}" for number in range(45)}


def test_a_list_that_is_not_read_to_its_end_is_no_evidence(sandbox):
    twilio = carrier("twilio", sandbox)
    readable = twilio_look_up.PAGE * twilio_look_up.MOST_PAGES
    send(twilio, *[sms(number, to=PHONE) for number in range(readable + 1)])
    since = datetime.now(UTC) - timedelta(minutes=1)
    assert list(twilio.texts_to({PHONE: since, "+447700900199": since})) == ["+447700900199"]


def test_what_twilio_does_not_answer_is_not_called_missing(sandbox):
    sandbox.fault("twilio_look_up", answer={"status": 503})
    twilio = carrier("twilio", sandbox)
    assert twilio.texts_to({PHONE: datetime.now(UTC)}) == {}
    assert twilio.texts(["SM" + "0" * 32]) == {}


def test_statuses_are_looked_up_by_sid(sandbox):
    twilio = carrier("twilio", sandbox)
    (sent,) = send(twilio, sms(to=PHONE))
    event = {"event": "undelivered", "error": "30003", "silent": True}
    sandbox.control(f"events/{sms().ref}", event)
    unknown = "SM" + "0" * 32
    found = twilio.texts([sent.provider_id, unknown])
    assert (found[sent.provider_id].status, found[sent.provider_id].error) == (
        "undelivered",
        "30003",
    )
    assert found[unknown].status == ""
