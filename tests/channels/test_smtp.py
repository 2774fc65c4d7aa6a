"""SMTP: every row of the contract sheet at its stage, sessions, and what may not happen."""

import socket
import threading
import time
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest

from app.channels import smtp_session
from app.channels.base import Outcome
from app.channels.smtp import MESSAGES_PER_SESSION, SmtpConfig, SmtpProvider, server_of
from app.channels.sockets import connect
from tests.channels.messages import NOW, attempted, email, frozen_now, send, shell_emails
from tests.channels.scripted_smtp import ScriptedSmtp


def provider(server, connections=4):
    return SmtpProvider(SmtpConfig(server.url, "herald.example", connections), frozen_now)


def test_a_mail_is_accepted_with_the_queue_id(smtp_server):
    (result,) = send(provider(smtp_server), email())
    assert (result.outcome, result.provider_id) == (Outcome.ACCEPTED, "ABC123")
    delivery = smtp_server.deliveries[0]
    assert delivery.sender == "bounce+ntf_0000000000001@herald.example"
    assert delivery.recipient == "person1@example.com"


def test_without_a_queue_id_the_message_id_stands_in(smtp_server):
    smtp_server.replies["END"] = ["250 fine"]
    (result,) = send(provider(smtp_server), email())
    assert result.provider_id == "<ntf_0000000000001@herald.example>"


def test_a_line_with_a_single_dot_arrives(smtp_server):
    send(provider(smtp_server), email(html="", text="a\n.\n.b\n"))
    parsed = message_from_bytes(smtp_server.deliveries[0].content, policy=default)
    assert parsed.get_content().replace("\r\n", "\n").strip("\n") == "a\n.\n.b"


def test_many_mails_go_over_a_few_kept_sessions(smtp_server):
    smtp = provider(smtp_server)
    for _ in range(3):
        results = send(smtp, *shell_emails(40))
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
    assert len(smtp_server.deliveries) == 120
    assert smtp_server.connections <= 4


def test_a_session_ends_after_its_hundred_messages(smtp_server):
    send(provider(smtp_server, connections=1), *shell_emails(MESSAGES_PER_SESSION + 1))
    assert smtp_server.connections == 2


def test_a_slow_server_gets_more_sessions_and_a_quick_one_two(smtp_server):
    smtp_server.greets = 2  # however late the second thread comes to its turn
    send(provider(smtp_server, connections=6), *shell_emails(40))
    quick = smtp_server.connections
    assert 2 <= quick <= 6
    smtp_server.trickle_s = 0.002
    send(provider(smtp_server, connections=6), *shell_emails(40))
    slow = smtp_server.connections - quick
    assert max(2, quick - 1) < slow <= 6


def test_addresses_that_swallow_everything_do_not_add_up(smtp_server, monkeypatch):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole, socket.socket() as filler:
        filler.connect(hole.getsockname())  # its queue holds one: the next connection gets no reply
        one = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        good = (*one, ("127.0.0.1", smtp_server.port))
        found = [(*one, hole.getsockname())] * 8
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [*found, good])
        began = time.monotonic()
        with connect("mail.example", 25, 1.0) as connected:
            assert connected.getpeername() == good[4]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(TimeoutError):
            connect("mail.example", 25, 1.0)
        assert time.monotonic() - began < 3


def test_it_works_without_pipelining(smtp_server):
    smtp_server.extensions = ()
    results = send(provider(smtp_server), *shell_emails(10))
    assert {result.outcome for result in results} == {Outcome.ACCEPTED}


def test_user_and_password_are_sent(smtp_server):
    smtp_server.extensions = ("AUTH PLAIN LOGIN",)
    url = smtp_server.url.replace("smtp://", "smtp://ann:s%40cret@")
    (result,) = send(SmtpProvider(SmtpConfig(url), frozen_now), email())
    assert result.outcome is Outcome.ACCEPTED
    assert "AUTH" in smtp_server.verbs


RETRY, REJECTED, DEAD = Outcome.RETRY, Outcome.REJECTED, Outcome.RECIPIENT_DEAD
CONFIG = Outcome.CONFIG_ERROR

ROWS = [
    *[(verb, "421 4.3.2 closing", RETRY) for verb in ("MAIL", "RCPT", "DATA", "END")],
    *[("RCPT", f"{code} 4.2.2 later", RETRY) for code in (450, 451, 452, 471)],
    ("RCPT", "451 4.7.1 greylisted", RETRY),
    ("END", "452 4.3.1 full", RETRY),
    ("MAIL", "530 5.7.0 authentication required", CONFIG),
    *[
        ("RCPT", f"{code} {enhanced} no", DEAD)
        for code in (550, 551, 553)
        for enhanced in ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")
    ],
    *[("RCPT", f"{code} no such user", DEAD) for code in (550, 551, 553)],
    ("RCPT", "552 no", REJECTED),
    ("RCPT", "554 no", REJECTED),
    ("RCPT", "552 5.2.2 mailbox full", REJECTED),
    ("RCPT", "550 5.2.1 disabled", REJECTED),
    ("MAIL", "552 5.3.4 too big", REJECTED),
    ("END", "552 5.3.4 too big", REJECTED),
    ("END", "554 5.6.0 malformed", REJECTED),
    ("END", "550 5.7.26 DMARC", REJECTED),
    ("RCPT", "550 5.7.1 policy", REJECTED),
    ("RCPT", "554 5.7.1 listed", REJECTED),
    ("RCPT", "550 #5.7.1 Your access to submit messages has been rejected.", REJECTED),
    ("RCPT", "550-Message rejected by policy\r\n550 5.7.1 see our page", REJECTED),
    ("MAIL", "550 5.1.8 bad sender", CONFIG),
    *[("MAIL", f"{code} syntax", REJECTED) for code in (500, 501, 502, 503, 504, 555)],
    ("MAIL", "550 no", REJECTED),
    ("DATA", "554 no valid recipients", REJECTED),
    ("END", "554 no", REJECTED),
]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(("verb", "reply", "outcome"), ROWS)
def test_every_row_of_the_contract(smtp_server, verb, reply, outcome, pipelining):
    smtp_server.extensions = ("PIPELINING",) if pipelining else ()
    smtp_server.replies[verb] = [reply]
    (result,) = send(provider(smtp_server), email())
    assert result.outcome is outcome
    assert result.detail
    assert "@" not in result.detail


@pytest.mark.parametrize(
    ("verb", "reply", "outcome"),
    [
        ("GREETING", "421 busy", RETRY),
        ("GREETING", "554 no service", CONFIG),
        ("EHLO", "502 what", CONFIG),
        ("AUTH", "454 4.7.0 later", RETRY),
        *[("AUTH", f"{code} 5.7.8 no", CONFIG) for code in (530, 534, 535, 538)],
        ("GREETING", "", RETRY),
        ("GREETING", "nonsense", RETRY),
    ],
)
def test_a_session_that_cannot_be_opened_sends_nothing(smtp_server, verb, reply, outcome):
    smtp_server.extensions = ("AUTH PLAIN",)
    smtp_server.replies[verb] = [reply] * 20
    url = smtp_server.url.replace("smtp://", "smtp://ann:secret@")
    results = send(SmtpProvider(SmtpConfig(url, connections=1), frozen_now), *shell_emails(30))
    assert {result.outcome for result in attempted(results)} == {outcome}
    assert smtp_server.connections == 1
    assert smtp_server.deliveries == []


def test_a_recipient_out_of_many_does_not_hold_the_others(smtp_server):
    smtp_server.replies["RCPT"] = ["250 ok", "550 5.1.1 no such user"]
    results = send(provider(smtp_server, connections=1), *shell_emails(5))
    outcomes = [result.outcome for result in results]
    assert (outcomes.count(DEAD), outcomes.count(Outcome.ACCEPTED)) == (1, 4)
    assert "RSET" in smtp_server.verbs


def test_a_temporary_no_waits_five_minutes(smtp_server):
    smtp_server.replies["RCPT"] = ["450 4.7.1 greylisted"]
    (result,) = send(provider(smtp_server), email())
    assert result.not_before == NOW + timedelta(minutes=5)


@pytest.mark.parametrize("reply", ["", "nonsense"])
def test_no_answer_to_the_final_dot_is_ambiguous(smtp_server, reply):
    smtp_server.replies["END"] = [reply]
    results = send(provider(smtp_server, connections=1), *shell_emails(4))
    outcomes = [result.outcome for result in results]
    assert (outcomes.count(Outcome.AMBIGUOUS), outcomes.count(Outcome.ACCEPTED)) == (1, 3)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_a_session_that_breaks_before_the_content_has_sent_nothing(smtp_server, verb):
    smtp_server.replies[verb] = ["", ""]
    (result,) = send(provider(smtp_server), email())
    assert result.outcome is Outcome.RETRY
    assert smtp_server.deliveries == []


def test_a_kept_session_that_died_is_replaced_unnoticed(smtp_server):
    smtp = provider(smtp_server)
    send(smtp, email(1))
    smtp_server.replies["MAIL"] = [""]
    (result,) = send(smtp, email(2))
    assert (result.outcome, len(smtp_server.deliveries)) == (Outcome.ACCEPTED, 2)


def test_a_server_that_limits_sessions_is_used_within_its_limit(smtp_server):
    smtp_server.replies["GREETING"] = ["220 welcome", "421 too many", "421 too many", "421 no"]
    results = send(provider(smtp_server), *shell_emails(60))
    outcomes = [result.outcome for result in results]
    assert outcomes.count(Outcome.ACCEPTED) >= 57
    assert set(outcomes) <= {Outcome.ACCEPTED, Outcome.RETRY}


def test_an_unreachable_server_is_left_alone_soon():
    with ScriptedSmtp() as gone:
        pass
    results = send(provider(gone), *shell_emails(100))
    assert {result.outcome for result in results} == {Outcome.RETRY}
    assert [result.code for result in results].count("unreachable") <= 2


@pytest.mark.parametrize(
    "changes",
    [
        {"to": "a@b.example>\r\nRCPT TO:<x@y.example"},
        {"subject": "Hi\r\nBcc: x@y.example"},
        {"from_email": "a\n@b.example"},
        {"headers": {"X": "\r\n.\r\n"}},
    ],
)
def test_a_line_break_never_reaches_the_session(smtp_server, changes):
    (result,) = send(provider(smtp_server), email(**changes))
    assert (result.code, smtp_server.connections) == ("bad_header", 0)


def test_letters_beyond_ascii_need_smtputf8(smtp_server):
    smtp_server.extensions = ("PIPELINING",)
    (result,) = send(provider(smtp_server), email(to="jörg@example.com"))
    assert (result.outcome, result.code) == (REJECTED, "smtputf8")


def test_half_a_character_holds_only_its_own_mail(smtp_server):
    bad, good = send(provider(smtp_server), email(1, text="\ud83d"), email(2))
    assert (bad.code, good.outcome) == ("bad_characters", Outcome.ACCEPTED)


def test_results_are_reported_in_the_callers_thread(smtp_server):
    threads = set()
    smtp = provider(smtp_server)
    smtp.send(shell_emails(20), lambda *_: threads.add(threading.current_thread()))
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize(
    ("url", "port", "tls", "user"),
    [
        ("smtp://mail.example", 587, "starttls", ""),
        ("smtp://a%40b:c@mail.example:25?tls=optional", 25, "optional", "a@b"),
        ("smtps://a:b@mail.example", 465, "implicit", "a"),
    ],
)
def test_an_url_says_where_and_how(url, port, tls, user):
    server = server_of(url)
    assert (server.host, server.port, server.tls, server.user) == ("mail.example", port, tls, user)


def test_encryption_is_required_beyond_this_machine():
    assert not smtp_session.needs_encryption(server_of("smtp://127.0.0.1:25"))
    assert not smtp_session.needs_encryption(server_of("smtp://mail.example?tls=optional"))
    assert smtp_session.needs_encryption(server_of("smtp://mail.example"))


def test_a_trickling_server_cannot_hold_a_thread(smtp_server):
    smtp_server.trickle_s = 0.05
    server = server_of(smtp_server.url)
    began = time.monotonic()
    with pytest.raises(smtp_session.Broken):
        smtp_session.Session(server, command_s=0.4)
    assert time.monotonic() - began < 1


def test_a_mail_that_is_withdrawn_while_the_server_hesitates_does_not_leave(smtp_server):
    wanted, results = iter((True, False, True, True)), []
    carrier = provider(smtp_server)
    for _ in range(2):
        carrier.send([email()], lambda _, result: results.append(result), lambda _: next(wanted))
    assert [result.attempted for result in results] == [False, True]
    assert (len(smtp_server.deliveries), smtp_server.connections) == (1, 2)
