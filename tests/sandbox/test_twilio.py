"""The SMS wire answers as Twilio does."""

import pytest

from app.sandbox import credentials
from tests.sandbox.calls import send_text
from tests.support.sandbox import SandboxHandle


def test_a_text_is_created(sandbox: SandboxHandle) -> None:
    answer = send_text(sandbox, "+447700900123")
    message = answer.json()
    assert answer.status == 201
    assert message["status"] == "queued"
    assert (message["num_segments"], message["error_code"]) == ("1", None)
    assert message["sid"].startswith("SM")
    line = sandbox.journal()[0]
    assert (line["to"], line["notification"], line["attempt"]) == ("+447700900123", "ntf_1", "1")


def test_a_messaging_service_accepts_first(sandbox: SandboxHandle) -> None:
    service = credentials.TWILIO_MESSAGING_SERVICE_SID
    message = send_text(sandbox, "+447700900123", MessagingServiceSid=service).json()
    assert (message["status"], message["num_segments"]) == ("accepted", "0")


@pytest.mark.parametrize(
    ("to", "status", "code"),
    [
        ("+15005550001", 400, 21211),
        ("+15005550002", 400, 21612),
        ("+15005550003", 403, 21408),
        ("+15005550004", 400, 21610),
        ("+15005550009", 400, 21614),
        ("+12025550004", 400, 21610),
        ("07700900123", 400, 21211),
    ],
)
def test_the_test_numbers_answer_as_documented(
    sandbox: SandboxHandle, to: str, status: int, code: int
) -> None:
    answer = send_text(sandbox, to)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.json()["more_info"].endswith(f"/{code}")
    assert sandbox.journal()[0]["answer"] == f"{status} {code}"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"From": "+15005550007"}, 21606),
        ({"ValidityPeriod": "0"}, 35118),
        ({"StatusCallback": "http://my_host/x"}, 21609),
    ],
)
def test_a_faulty_parameter_has_its_code(
    sandbox: SandboxHandle, changes: dict[str, str], code: int
) -> None:
    assert send_text(sandbox, "+447700900123", **changes).json()["code"] == code


def test_wrong_credentials_are_refused(sandbox: SandboxHandle) -> None:
    answer = send_text(sandbox, "+447700900123", token="wrong")
    assert (answer.status, answer.json()["code"]) == (401, 20003)


def test_somebody_who_sent_stop_gets_no_more(sandbox: SandboxHandle) -> None:
    sandbox.control("inbound", {"from": "+447700900123", "body": "Stop"})
    assert send_text(sandbox, "+447700900123").json()["code"] == 21610
    sandbox.control("inbound", {"from": "+447700900123", "body": "start"})
    assert send_text(sandbox, "+447700900123").status == 201
