"""The second door: the same wires, and faults below HTTP."""

import time
from dataclasses import replace

import pycurl
import pytest

from tests.sandbox.calls import (
    DEVICE,
    mail,
    push,
    push_handle,
    send_android,
    send_ios,
    send_mail,
    send_text,
)
from tests.support.sandbox import SandboxHandle

ANN = mail("ann@example.org")


@pytest.fixture
def gate(sandbox: SandboxHandle) -> SandboxHandle:
    return sandbox.at_gate()


def test_it_speaks_the_same_wires(gate: SandboxHandle) -> None:
    assert send_mail(gate, ANN).status == 202
    assert send_text(gate, "+447700900123").status == 201
    assert send_ios(gate).version == 3
    assert send_android(gate, push()).status == 200
    assert [line["accepted"] for line in gate.journal()] == [True] * 4


@pytest.mark.parametrize(("fault", "taken"), [("accept_then_reset", True), ("reset", False)])
def test_a_connection_breaks_before_the_first_byte(
    gate: SandboxHandle, fault: str, taken: bool
) -> None:
    gate.fault("sendgrid", fault=fault)
    with pytest.raises(pycurl.error) as broken:
        send_mail(gate, ANN)
    assert broken.value.args[0] in {pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING}
    assert gate.journal()[0]["accepted"] is taken


def test_a_connection_breaks_in_the_middle_of_an_answer(gate: SandboxHandle) -> None:
    gate.fault("twilio", fault="reset_mid_body")
    with pytest.raises(pycurl.error) as broken:
        send_text(gate, "+447700900123")
    assert broken.value.args[0] in {pycurl.E_RECV_ERROR, pycurl.E_PARTIAL_FILE}


def test_a_connection_breaks_over_http_2(gate: SandboxHandle) -> None:
    gate.fault("apns", fault="accept_then_reset")
    with pytest.raises(pycurl.error):
        send_ios(gate)
    assert gate.journal()[0]["accepted"] is True


def test_an_unprocessed_goaway_is_sent_again_by_libcurl(gate: SandboxHandle) -> None:
    """libcurl knows that a stream above the last id was not processed."""
    gate.fault("apns", fault="goaway_unprocessed", span={"requests": 1}, match={"after": 1})
    with push_handle(gate) as pushes:
        assert pushes.send(DEVICE) == 200
        assert pushes.send(DEVICE) == 200
    assert [line["accepted"] for line in gate.journal()] == [True, False, True]


def test_a_goaway_after_the_answer_costs_nothing(gate: SandboxHandle) -> None:
    gate.fault("apns", fault="goaway", span={"requests": 1})
    with push_handle(gate) as pushes:
        assert pushes.send(DEVICE) == 200
        assert pushes.send(DEVICE) == 200
    assert [line["accepted"] for line in gate.journal()] == [True, True]


def test_a_refused_stream_is_not_taken(gate: SandboxHandle) -> None:
    gate.fault("apns", fault="refused_stream", span={"requests": 1})
    with push_handle(gate) as pushes:
        pushes.send(DEVICE, may_fail=True)
    assert gate.journal()[0]["accepted"] is False


def test_connections_are_refused_for_a_while(gate: SandboxHandle) -> None:
    gate.control("gate", {"refuse_s": 0.4})
    with pytest.raises(pycurl.error) as refused:
        send_mail(gate, ANN)
    assert refused.value.args[0] == pycurl.E_COULDNT_CONNECT
    time.sleep(0.6)
    assert send_mail(gate, ANN).status == 202


def test_one_stream_at_a_time_still_works(gate: SandboxHandle) -> None:
    gate.control("gate", {"max_streams": 1})
    assert send_ios(gate).status == 200


def test_tls_fails_in_the_handshake(gate: SandboxHandle) -> None:
    secure = replace(gate, url=gate.url.replace("http:", "https:"))
    with pytest.raises(pycurl.error) as failed:
        send_mail(secure, ANN)
    assert failed.value.args[0] == pycurl.E_SSL_CONNECT_ERROR
    assert gate.journal() == []
