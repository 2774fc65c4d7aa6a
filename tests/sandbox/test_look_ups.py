"""Twilio's look-ups: what was taken can be found, whatever became of the answer."""

import base64
from typing import Any
from urllib.parse import quote, urlencode

import pycurl
import pytest

from app.sandbox import credentials
from tests.sandbox.calls import Response, post, send_text
from tests.support.sandbox import SandboxHandle

ANN = "+447700900123"
ACCOUNT = f"/2010-04-01/Accounts/{credentials.TWILIO_ACCOUNT_SID}"


def get(sandbox: SandboxHandle, path: str, token: str = credentials.TWILIO_AUTH_TOKEN) -> Response:
    basic = base64.b64encode(f"{credentials.TWILIO_ACCOUNT_SID}:{token}".encode()).decode()
    return post(f"{sandbox.url}/twilio{path}", None, {"Authorization": f"Basic {basic}"})


def listed(sandbox: SandboxHandle, **wishes: str) -> Any:
    return get(sandbox, f"{ACCOUNT}/Messages.json?{urlencode(wishes)}").json()


def test_a_text_is_found_by_its_sid(sandbox: SandboxHandle) -> None:
    sid = send_text(sandbox, ANN).json()["sid"]
    found = get(sandbox, f"{ACCOUNT}/Messages/{sid}.json").json()
    assert (found["sid"], found["to"], found["body"]) == (sid, ANN, "Your code is 1234")
    assert (found["status"], found["date_sent"], found["error_code"]) == ("queued", None, None)


def test_a_text_whose_answer_was_lost_is_listed(sandbox: SandboxHandle) -> None:
    sandbox.fault("twilio", fault="accept_then_reset")
    with pytest.raises(pycurl.error):
        send_text(sandbox.at_gate(), ANN)
    (found,) = listed(sandbox, To=ANN)["messages"]
    assert found["body"] == "Your code is 1234"


def test_what_was_refused_is_not_listed(sandbox: SandboxHandle) -> None:
    sandbox.fault("twilio", answer={"status": 503})
    send_text(sandbox, ANN)
    assert listed(sandbox, To=ANN)["messages"] == []


def test_lists_come_in_pages_newest_first(sandbox: SandboxHandle) -> None:
    for number in range(5):
        send_text(sandbox, ANN, Body=f"Number {number}")
    send_text(sandbox, "+447700900199")
    first = listed(sandbox, To=ANN, PageSize="3")
    second = get(sandbox, first["next_page_uri"]).json()
    bodies = [message["body"] for message in first["messages"] + second["messages"]]
    assert bodies == [f"Number {number}" for number in (4, 3, 2, 1, 0)]
    assert second["next_page_uri"] is None


def test_a_list_can_begin_at_a_moment(sandbox: SandboxHandle) -> None:
    send_text(sandbox, ANN)
    assert len(listed(sandbox, **{"To": ANN, "DateSent>": "2020-01-01"})["messages"]) == 1
    assert listed(sandbox, **{"To": ANN, "DateSent>": "2090-01-01"})["messages"] == []


def test_a_status_that_nobody_was_told_of_is_known(sandbox: SandboxHandle) -> None:
    sid = send_text(sandbox, ANN).json()["sid"]
    event = {"event": "undelivered", "error": "30003", "silent": True}
    sandbox.control("events/ntf_1", event)
    found = get(sandbox, f"{ACCOUNT}/Messages/{sid}.json").json()
    assert (found["status"], found["error_code"]) == ("undelivered", 30003)


def test_strangers_and_unknown_sids_are_refused(sandbox: SandboxHandle) -> None:
    assert get(sandbox, f"{ACCOUNT}/Messages.json", token="x").status == 401
    unknown = get(sandbox, f"{ACCOUNT}/Messages/SM{'0' * 32}.json")
    assert (unknown.status, unknown.json()["code"]) == (404, 20404)


def test_look_ups_have_faults_of_their_own_and_leave_the_journal_alone(
    sandbox: SandboxHandle,
) -> None:
    sandbox.fault("*", answer={"status": 500})
    assert get(sandbox, f"{ACCOUNT}/Messages.json?To={quote(ANN)}").status == 200
    sandbox.fault("twilio_look_up", answer={"status": 503})
    assert get(sandbox, f"{ACCOUNT}/Messages.json").status == 503
    assert sandbox.journal() == []
