"""The SMTP wire: a relay that wants a password and takes mail with the 250 after the dot."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from app.sandbox import credentials
from tests.support.sandbox import SandboxHandle


@pytest.fixture
def session(sandbox: SandboxHandle) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as found:
        yield found


def letter(to: str = "ann@example.org") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "hello@herald.example"
    message["To"] = to
    message["Subject"] = "Good morning"
    message["Message-ID"] = "<ntf_1@herald.example>"
    message["X-Herald-Id"] = "ntf_1"
    message.set_content("Hello")
    return message


def sign_in(session: smtplib.SMTP) -> smtplib.SMTP:
    session.login(credentials.SMTP_USER, credentials.SMTP_PASSWORD)
    return session


def test_a_mail_is_taken_and_journalled(sandbox: SandboxHandle, session: smtplib.SMTP) -> None:
    sign_in(session).send_message(letter())
    line = sandbox.journal()[0]
    assert (line["provider"], line["to"], line["answer"]) == ("smtp", "ann@example.org", "250")
    assert line["notification"] == "ntf_1"


def test_it_announces_what_relays_announce(session: smtplib.SMTP) -> None:
    session.ehlo()
    assert {"size", "8bitmime", "smtputf8", "auth", "pipelining"} <= set(session.esmtp_features)


def test_mail_without_a_password_is_refused(session: smtplib.SMTP) -> None:
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        session.send_message(letter())
    assert refused.value.smtp_code == 530


def test_a_wrong_password_is_refused(session: smtplib.SMTP) -> None:
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        session.login(credentials.SMTP_USER, "wrong")
    assert refused.value.smtp_code == 535


@pytest.mark.parametrize(
    ("to", "code"), [("ann+bounce@example.org", 550), ("ann+deferred@example.org", 451)]
)
def test_tagged_recipients_have_their_answer(
    sandbox: SandboxHandle, session: smtplib.SMTP, to: str, code: int
) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        sign_in(session).send_message(letter(to))
    assert refused.value.recipients[to][0] == code
    assert sandbox.journal()[0]["accepted"] is False


def test_a_scripted_answer_comes_after_the_dot(
    sandbox: SandboxHandle, session: smtplib.SMTP
) -> None:
    sandbox.fault("smtp", answer={"status": 554, "code": "5.6.0 Bad content"})
    with pytest.raises(smtplib.SMTPDataError) as refused:
        sign_in(session).send_message(letter())
    assert refused.value.smtp_code == 554


def test_a_reset_after_the_dot_leaves_the_mail_taken(
    sandbox: SandboxHandle, session: smtplib.SMTP
) -> None:
    sandbox.fault("smtp", fault="accept_then_reset")
    sign_in(session)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        session.send_message(letter())
    assert sandbox.journal()[0]["accepted"] is True


@pytest.mark.parametrize(("stage", "status"), [("ehlo", 421), ("auth", 454), ("mail", 550)])
def test_a_rule_may_answer_at_a_stage(
    sandbox: SandboxHandle, session: smtplib.SMTP, stage: str, status: int
) -> None:
    sandbox.fault("smtp", stage=stage, answer={"status": status, "code": "4.7.0 Not now"})
    hello, _ = session.ehlo()
    if stage == "ehlo":
        assert hello == status
    elif stage == "auth":
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            sign_in(session)
        assert refused.value.smtp_code == status
    else:
        assert sign_in(session).mail("hello@herald.example")[0] == status
