"""The e-mail wire answers as SendGrid does."""

from typing import Any

import pytest

from tests.sandbox.calls import mail, post, send_mail
from tests.support.sandbox import SandboxHandle


def test_a_mail_is_accepted_with_an_id_and_no_body(sandbox: SandboxHandle) -> None:
    answer = send_mail(sandbox, mail("ann@example.org"))
    assert (answer.status, answer.body) == (202, b"")
    assert answer.headers["x-message-id"]
    assert answer.headers["content-length"] == "0"
    assert "content-type" not in answer.headers


def test_a_batch_is_journalled_one_line_per_recipient(sandbox: SandboxHandle) -> None:
    people = [f"p{number}@example.org" for number in range(500)]
    assert send_mail(sandbox, mail(*people)).status == 202
    lines = sandbox.journal()
    assert [line["to"] for line in lines] == people
    assert lines[7]["notification"] == "ntf_7"
    assert {line["answer"] for line in lines} == {"202"}
    assert len({line["body_sha256"] for line in lines}) == 500


def test_the_same_mail_has_the_same_fingerprint(sandbox: SandboxHandle) -> None:
    for _ in range(2):
        send_mail(sandbox, mail("ann@example.org"))
    first, second = sandbox.journal()
    assert first["body_sha256"] == second["body_sha256"]
    assert sandbox.control("counts")["doubled"] == 1


def test_a_wrong_key_is_refused(sandbox: SandboxHandle) -> None:
    answer = send_mail(sandbox, mail("ann@example.org"), key="SG.wrong")
    assert answer.status == 401
    assert "authorization grant is invalid" in answer.json()["errors"][0]["message"]
    assert sandbox.journal()[0]["accepted"] is False


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"from": {"email": "nobody"}}, "from.email"),
        ({"subject": ""}, "subject"),
        ({"content": []}, "content"),
        ({"content": [{"type": "text/html", "value": ""}]}, "content.0.value"),
        (
            {
                "content": [
                    {"type": "text/html", "value": "a"},
                    {"type": "text/plain", "value": "a"},
                ]
            },
            "content",
        ),
        ({"personalizations": []}, "personalizations"),
        ({"personalizations": [{"to": [{"email": "ann@"}]}]}, "personalizations.0.to.0.email"),
        ({"headers": {"Reply-To": "x"}}, "headers.Reply-To"),
        ({"categories": ["a", "a"]}, "categories"),
        ({"colour": "blue"}, "colour"),
        (
            {
                "personalizations": [
                    {"to": [{"email": "a@b.example"}], "custom_args": {"x": "y" * 10_000}}
                ]
            },
            "custom_args",
        ),
    ],
)
def test_a_fault_names_its_field(
    sandbox: SandboxHandle, changes: dict[str, Any], field: str
) -> None:
    answer = send_mail(sandbox, mail("ann@example.org", **changes))
    assert answer.status == 400
    assert answer.json()["errors"][0]["field"] == field


def test_one_bad_recipient_refuses_the_whole_request(sandbox: SandboxHandle) -> None:
    answer = send_mail(sandbox, mail("ann@example.org", "bad", "bob@example.org"))
    assert answer.json()["errors"][0]["field"] == "personalizations.1.to.0.email"
    assert [line["accepted"] for line in sandbox.journal()] == [False] * 3


def test_more_than_a_thousand_people_are_refused(sandbox: SandboxHandle) -> None:
    people = [f"p{number}@example.org" for number in range(1001)]
    assert send_mail(sandbox, mail(*people)).status == 400


def test_sandbox_mode_is_checked_but_not_sent(sandbox: SandboxHandle) -> None:
    settings = {"sandbox_mode": {"enable": True}}
    assert send_mail(sandbox, mail("ann@example.org", mail_settings=settings)).status == 200
    assert sandbox.journal()[0]["accepted"] is False


def test_an_unknown_path_is_not_found(sandbox: SandboxHandle) -> None:
    assert post(f"{sandbox.url}/sendgrid/v3/mail", b"{}", {}).status == 404
