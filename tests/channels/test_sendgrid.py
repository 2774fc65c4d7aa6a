"""SendGrid: every row of the contract sheet, the body we send, and calls shared by many."""

from datetime import timedelta

import pytest

from app.channels.base import EmailShell, Outcome
from app.channels.sendgrid import SendGridConfig, SendGridProvider
from tests.channels.messages import NOW, attempted, email, frozen_now, send, shell_emails
from tests.channels.scripted import Reply, json_reply

OK = Reply(202, b"", (("X-Message-Id", "msg-1"),))


def provider(server, **changes):
    config = {"api_key": "SG.secret", "base_url": server.url, "concurrency": 4}
    return SendGridProvider(SendGridConfig(**(config | changes)), frozen_now)


def refusal(status, *errors):
    return json_reply(status, {"errors": [{"field": None, "help": None, **one} for one in errors]})


def refs(request):
    return [person["custom_args"]["nid"] for person in request.json()["personalizations"]]


def test_a_mail_is_accepted_with_its_message_id(server):
    server.script(OK)
    (result,) = send(provider(server), email())
    assert (result.outcome, result.provider_id) == (Outcome.ACCEPTED, "msg-1")


def test_a_single_mail_holds_what_the_contract_asks_for(server):
    server.script(OK)
    message = email(
        reply_to="help@herald.example",
        to_name="Lovelace, Ada; Countess",
        headers={"List-Unsubscribe": "<https://herald.example/u/t>", "X-SG-EID": "no"},
    )
    send(provider(server), message)
    request = server.requests[0]
    assert request.line == "POST /v3/mail/send HTTP/1.1"
    assert request.headers["authorization"] == "Bearer SG.secret"
    assert request.headers["content-type"] == "application/json"
    assert request.json() == {
        "personalizations": [
            {
                "to": [{"email": message.to, "name": "Lovelace Ada Countess"}],
                "custom_args": {"nid": message.ref, "att": "1"},
                "headers": {"List-Unsubscribe": "<https://herald.example/u/t>"},
            }
        ],
        "from": {"email": "hello@herald.example", "name": "Herald"},
        "reply_to": {"email": "help@herald.example"},
        "subject": "Hello",
        "content": [
            {"type": "text/plain", "value": "Hello"},
            {"type": "text/html", "value": "<p>Hello</p>"},
        ],
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
    }


SENDER = {"field": "from", "message": "The from address does not match a verified Sender Identity."}
ADDRESS = {"field": "personalizations.0.to.0.email", "message": "Does not contain a valid address."}
NAME = {"field": "personalizations.0.to.0.name", "message": "The name is too long."}

ROWS = [
    (202, (), Outcome.ACCEPTED, "202"),
    (200, (), Outcome.ACCEPTED, "200"),
    (400, (), Outcome.REJECTED, "400"),
    (400, (SENDER,), Outcome.CONFIG_ERROR, "sender"),
    (400, (ADDRESS,), Outcome.RECIPIENT_DEAD, "invalid_address"),
    (400, (NAME,), Outcome.REJECTED, "400"),
    (401, (), Outcome.CONFIG_ERROR, "401"),
    (401, ({"message": "Maximum credits exceeded"},), Outcome.CONFIG_ERROR, "quota"),
    (403, (), Outcome.CONFIG_ERROR, "403"),
    (404, (), Outcome.CONFIG_ERROR, "404"),
    (405, (), Outcome.CONFIG_ERROR, "405"),
    (413, (), Outcome.REJECTED, "413"),
    (415, (), Outcome.CONFIG_ERROR, "415"),
    (429, (), Outcome.THROTTLED, "429"),
    (500, (), Outcome.RETRY, "500"),
    (502, (), Outcome.RETRY, "502"),
    (503, (), Outcome.RETRY, "503"),
    (504, (), Outcome.AMBIGUOUS, "504"),
    (507, (), Outcome.RETRY, "507"),
    (418, (), Outcome.REJECTED, "418"),
    (301, (), Outcome.CONFIG_ERROR, "301"),
]


@pytest.mark.parametrize(("status", "errors", "outcome", "code"), ROWS)
def test_every_row_of_the_contract(server, status, errors, outcome, code):
    server.script(refusal(status, *errors))
    (result,) = send(provider(server), email())
    assert (result.outcome, result.code) == (outcome, code)


@pytest.mark.parametrize("status", [400, 401, 403, 413, 429, 500, 503])
def test_a_body_that_is_no_json_changes_nothing(server, status):
    server.script(Reply(status, b"<html>"))
    (result,) = send(provider(server), email())
    assert result.outcome not in (Outcome.ACCEPTED, Outcome.AMBIGUOUS)


@pytest.mark.parametrize(
    "body", [b'{"errors": 5}', b'{"errors": [1, null, {"field": 3, "message": 4}]}', b"[]", b"\xff"]
)
def test_a_strange_error_body_is_survived(server, body):
    server.script(Reply(400, body))
    (result,) = send(provider(server), email())
    assert result.outcome is Outcome.REJECTED


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>It works</html>"),
        Reply(202, b"", length=100, ending="close"),
        Reply(ending="reset_before"),
        Reply(ending="close_before"),
    ],
)
def test_no_usable_answer_is_ambiguous(server, reply):
    server.script(reply)
    (result,) = send(provider(server), email())
    assert result.outcome is Outcome.AMBIGUOUS


def test_a_rate_limit_lasts_until_its_reset(server):
    reset = str(int(NOW.timestamp()) + 20)
    server.script(Reply(429, b"", (("X-RateLimit-Reset", reset), ("Retry-After", "5"))))
    results = send(provider(server, concurrency=2), *[email(number) for number in range(1, 21)])
    results = attempted(results)
    assert {result.outcome for result in results} == {Outcome.THROTTLED}
    assert {result.not_before for result in results} == {NOW + timedelta(seconds=20)}
    assert {result.scope for result in results} == {"lane"}
    assert len(server.requests) <= 3


def test_wrong_credentials_are_not_tried_again_for_the_rest(server):
    server.script(refusal(401))
    results = send(provider(server, concurrency=1), *[email(number) for number in range(1, 11)])
    results = attempted(results)
    assert {result.outcome for result in results} == {Outcome.CONFIG_ERROR}
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hi\r\nBcc: x@example.com"},
        {"to_name": "A\nB"},
        {"headers": {"X-A": "a\r\nb"}},
        {"headers": {"X-A\n": "a"}},
        {"reply_to": "a@b.example\r\n"},
        {"to": "a@b.example\n"},
    ],
)
def test_a_line_break_in_a_header_is_refused(server, changes):
    (result,) = send(provider(server), email(**changes))
    assert (result.outcome, result.code) == (Outcome.REJECTED, "bad_header")
    assert server.requests == []


class TestManyOfOneShell:
    def test_they_share_calls_and_each_is_named(self, server):
        server.script(OK)
        messages = shell_emails(500)
        results = send(provider(server), *messages)
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        assert len(server.requests) == 2
        named = [ref for request in server.requests for ref in refs(request)]
        assert sorted(named) == sorted(message.ref for message in messages)

    def test_the_shell_travels_once_and_each_brings_substitutions(self, server):
        server.script(OK)
        shell = EmailShell("Hi -s0-", "<b>-s0-</b>", "-s0-", {"X-Who": "for -s0-", "X-All": "all"})
        send(provider(server), *shell_emails(3, shell))
        mail = server.requests[0].json()
        assert mail["subject"] == "Hi -s0-"
        assert mail["content"][1] == {"type": "text/html", "value": "<b>-s0-</b>"}
        assert mail["personalizations"][1] == {
            "to": [{"email": "person2@example.com", "name": "Ada Lovelace"}],
            "custom_args": {"nid": "ntf_0000000000002", "att": "1"},
            "substitutions": {"-s0-": "Person 2"},
            "headers": {"X-Who": "for Person 2", "X-All": "all"},
        }

    def test_custom_arguments_stay_below_their_limit(self, server):
        server.script(OK)
        send(provider(server), *shell_emails(500))
        for request in server.requests:
            args = [person["custom_args"] for person in request.json()["personalizations"]]
            assert len(str(args).replace(" ", "")) < 10_000

    def test_different_shells_and_senders_are_not_mixed(self, server):
        server.script(OK)
        one, other = EmailShell("a", "a", "a"), EmailShell("b", "b", "b")
        messages = [*shell_emails(2, one), *shell_emails(2, other), *shell_emails(2, one)]
        send(provider(server), *messages, *shell_emails(1, one, from_name="Other"))
        sizes = sorted(len(refs(request)) for request in server.requests)
        assert sizes == [1, 2, 4]

    def test_those_who_are_named_in_an_error_do_not_hold_the_others(self, server):
        at = {"field": "personalizations.2.to.0.email", "message": ADDRESS["message"]}
        too = {"field": "personalizations.4.headers", "message": "no"}
        server.script(refusal(400, at, too), OK)
        results = send(provider(server), *shell_emails(6))
        assert [result.outcome for result in results] == [
            Outcome.ACCEPTED,
            Outcome.ACCEPTED,
            Outcome.RECIPIENT_DEAD,
            Outcome.ACCEPTED,
            Outcome.REJECTED,
            Outcome.ACCEPTED,
        ]
        assert refs(server.requests[1]) == [f"ntf_{n:013}" for n in (1, 2, 4, 6)]

    def test_a_fault_of_the_call_as_a_whole_concerns_everybody(self, server):
        at = {"field": "personalizations.2.to.0.email", "message": ADDRESS["message"]}
        server.script(refusal(400, at, {"field": "content.0.value", "message": "too short"}))
        results = send(provider(server), *shell_emails(4))
        assert {result.outcome for result in results} == {Outcome.REJECTED}
        assert "content.0.value" in results[0].detail

    def test_a_place_that_does_not_exist_is_not_believed(self, server):
        server.script(refusal(400, {"field": "personalizations.99.to", "message": "no"}))
        results = send(provider(server), *shell_emails(4))
        assert {result.outcome for result in results} == {Outcome.REJECTED}

    def test_a_call_that_is_too_large_is_halved(self, server):
        server.script(Reply(413), OK)
        results = send(provider(server), *shell_emails(8))
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        assert [len(refs(request)) for request in server.requests] == [8, 4, 4]

    def test_a_lost_answer_is_ambiguous_for_all_of_them(self, server):
        server.script(Reply(ending="reset_before"))
        results = send(provider(server), *shell_emails(8))
        assert {result.outcome for result in results} == {Outcome.AMBIGUOUS}
        assert len(server.requests) == 1

    def test_half_a_character_holds_only_its_own_mail(self, server):
        server.script(OK)
        messages = list(shell_emails(8))
        messages[5].substitutions["-s0-"] = "\ud83d"
        results = send(provider(server), *messages)
        assert results[5].code == "bad_characters"
        assert [result.outcome for result in results].count(Outcome.ACCEPTED) == 7

    def test_a_line_break_is_refused_only_where_it_reaches_a_header(self, server):
        server.script(OK)
        messages = list(shell_emails(2, EmailShell("Hi -s0-", "<b>-s1-</b>", "-s1-")))
        messages[0].substitutions.update({"-s0-": "a\nb", "-s1-": "x"})
        messages[1].substitutions.update({"-s0-": "ab", "-s1-": "x\ny"})
        first, second = send(provider(server), *messages)
        assert (first.code, second.outcome) == ("bad_header", Outcome.ACCEPTED)


def test_what_may_not_begin_is_left_alone(server):
    results = {}
    messages = [email(number) for number in range(1, 4)]
    provider(server).send(messages, results.__setitem__, lambda index: index != 1)
    assert [results[index].attempted for index in range(3)] == [True, False, True]
    assert len(server.requests) == 2


def test_a_provider_that_is_down_is_not_asked_for_everybody(server):
    server.script(*[Reply(500)] * 60)
    results = send(provider(server, concurrency=4), *[email(number) for number in range(1, 61)])
    assert len(server.requests) < 25
    assert len(attempted(results)) == len(server.requests)
