"""Twilio: every row of the contract sheet, and the form we send."""

import base64
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from app.channels.base import Outcome
from app.channels.twilio import TwilioConfig, TwilioProvider
from tests.channels.messages import NOW, attempted, frozen_now, send, sms
from tests.channels.scripted import Reply, json_reply

SID = "SM" + "0" * 32


def provider(server, **changes):
    config = {
        "account_sid": "AC" + "1" * 32,
        "auth_token": "secret",
        "sender": "+15550009999",
        "callback_base": "https://herald.example",
        "base_url": server.url,
        "concurrency": 8,
    }
    return TwilioProvider(TwilioConfig(**(config | changes)), frozen_now)


def form_of(request):
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def error(status, code, *headers):
    return json_reply(status, {"code": code, "message": "no", "status": status}, *headers)


def test_a_text_is_accepted_with_its_sid(server):
    server.script(json_reply(201, {"sid": SID, "status": "queued"}))
    (result,) = send(provider(server), sms())
    assert (result.outcome, result.provider_id) == (Outcome.ACCEPTED, SID)


def test_the_form_holds_what_the_contract_asks_for(server):
    text = sms(to="+15550001111", body="Grüße & 100 %", expires_at=NOW + timedelta(minutes=5))
    send(provider(server), text)
    request = server.requests[0]
    assert request.line == f"POST /2010-04-01/Accounts/AC{'1' * 32}/Messages.json HTTP/1.1"
    pair = base64.b64encode(b"AC" + b"1" * 32 + b":secret").decode()
    assert request.headers["authorization"] == f"Basic {pair}"
    assert form_of(request) == {
        "To": "+15550001111",
        "From": "+15550009999",
        "Body": "Grüße & 100 %",
        "StatusCallback": f"https://herald.example/hooks/twilio/status/{text.ref}/1#rc=5&rp=all",
        "ValidityPeriod": "300",
    }


def test_a_messaging_service_wins_over_the_number(server):
    send(provider(server, messaging_service_sid="MG" + "2" * 32), sms())
    form = form_of(server.requests[0])
    assert form["MessagingServiceSid"] == "MG" + "2" * 32
    assert "From" not in form


def test_the_validity_never_exceeds_twilios_ten_hours(server):
    send(provider(server), sms(expires_at=NOW + timedelta(days=2)))
    assert form_of(server.requests[0])["ValidityPeriod"] == "36000"


def test_half_a_character_is_refused_here(server):
    server.script(json_reply(201, {"sid": SID}))
    bad, good = send(provider(server), sms(1, body="\ud83d"), sms(2))
    assert (bad.outcome, good.outcome) == (Outcome.REJECTED, Outcome.ACCEPTED)


LANE, ONE = "lane", "message"

ROWS = [
    (401, 20003, Outcome.CONFIG_ERROR, LANE),
    (404, 20404, Outcome.CONFIG_ERROR, LANE),
    (405, 20004, Outcome.CONFIG_ERROR, LANE),
    (429, 20429, Outcome.THROTTLED, LANE),
    (429, 21611, Outcome.THROTTLED, LANE),
    (400, 14107, Outcome.THROTTLED, ONE),
    (500, 20500, Outcome.AMBIGUOUS, ONE),
    (502, None, Outcome.AMBIGUOUS, ONE),
    (504, None, Outcome.AMBIGUOUS, ONE),
    (503, 20503, Outcome.RETRY, ONE),
    *[(400, code, Outcome.RECIPIENT_DEAD, ONE) for code in (21211, 21217, 21401, 21421)],
    *[(400, code, Outcome.RECIPIENT_DEAD, ONE) for code in (21614, 21612)],
    (400, 21610, Outcome.SUPPRESSED, ONE),
    *[(400, code, Outcome.REJECTED, ONE) for code in (21408, 21215)],
    *[
        (400, code, Outcome.REJECTED, ONE)
        for code in (21602, 21604, 21617, 21618, 21619, 21620, 21624, 21658)
    ],
    *[
        (400, code, Outcome.CONFIG_ERROR, LANE)
        for code in (21212, 21603, 21606, 21607, 21608, 21609, 21701, 21703, 21704, 21705)
    ],
    *[(400, code, Outcome.CONFIG_ERROR, LANE) for code in (21708, 21709, 21712, 21715)],
    (400, 21702, Outcome.RETRY, ONE),
    (403, 30002, Outcome.CONFIG_ERROR, LANE),
]


@pytest.mark.parametrize(("status", "code", "outcome", "scope"), ROWS)
def test_every_row_of_the_contract(server, status, code, outcome, scope):
    server.script(error(status, code))
    (result,) = send(provider(server), sms())
    assert (result.outcome, result.scope) == (outcome, scope)
    assert result.code == str(code or status)
    assert result.detail


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (401, Outcome.CONFIG_ERROR),
        (404, Outcome.CONFIG_ERROR),
        (429, Outcome.THROTTLED),
        (500, Outcome.AMBIGUOUS),
        (503, Outcome.RETRY),
    ],
)
def test_a_status_speaks_for_itself_when_the_body_is_no_json(server, status, outcome):
    server.script(Reply(status, b"<html>"))
    (result,) = send(provider(server), sms())
    assert (result.outcome, result.code) == (outcome, str(status))


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (599, Outcome.RETRY, "599"),
        (418, Outcome.REJECTED, "99999"),
        (302, Outcome.CONFIG_ERROR, "302"),
    ],
)
def test_what_no_table_names_follows_the_general_rule(server, status, outcome, code):
    server.script(error(status, 99999))
    (result,) = send(provider(server), sms())
    assert (result.outcome, result.code) == (outcome, code)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(201, b"<html>It works</html>"),
        Reply(201, b'{"sid": "SM'),
        Reply(201, b'{"sid": null}'),
        Reply(201, b"[]"),
        Reply(200, b"{}"),
        Reply(201, b'{"sid"', length=500, ending="close"),
        Reply(ending="reset_before"),
    ],
)
def test_no_usable_answer_is_ambiguous(server, reply):
    server.script(reply)
    (result,) = send(provider(server), sms())
    assert result.outcome is Outcome.AMBIGUOUS


def test_an_error_cut_short_is_still_an_error(server):
    server.script(Reply(503, b'{"code"', length=500, ending="close"))
    (result,) = send(provider(server), sms())
    assert result.outcome is Outcome.RETRY


def test_retry_after_is_obeyed_and_the_lane_is_left_alone(server):
    server.script(error(429, 20429, ("Retry-After", "30")))
    results = send(provider(server, concurrency=2), *[sms(number) for number in range(1, 20)])
    results = attempted(results)
    assert {result.outcome for result in results} == {Outcome.THROTTLED}
    assert {result.not_before for result in results} == {NOW + timedelta(seconds=30)}
    assert len(server.requests) <= 3


def test_nothing_private_is_in_a_detail(server):
    server.script(error(400, 21211))
    (result,) = send(provider(server), sms(to="+15550001111"))
    assert "555" not in result.detail
