"""The engine: deadlines that hold, and never a request sent twice."""

import socket
import time

import pytest

from app.channels.curl import RESPONSE_LIMIT, EngineOptions, HttpClient
from app.channels.transfer import Request, Response
from tests.channels.scripted import Reply, ScriptedServer


def run(client, *requests, stop=False):
    answers: dict[int, Response] = {}

    def on_response(index, response):
        assert index not in answers
        answers[index] = response
        return stop

    client.run(requests, on_response)
    return [answers[index] for index in range(len(requests))]


def post(server, count=1):
    return [Request(f"{server.url}/x", b"body %d" % number) for number in range(count)]


@pytest.fixture
def client():
    return HttpClient(EngineOptions(concurrency=4, deadline_s=1.0, connect_s=0.5))


def test_it_posts_and_brings_back_status_headers_and_body(client, server):
    server.script(Reply(201, b"made", (("X-Message-Id", "abc"),)))
    (answer,) = run(client, *post(server))
    assert (answer.status, answer.body, answer.header("x-message-id")) == (201, b"made", "abc")
    assert (answer.departed, answer.complete) == (True, True)
    assert server.requests[0].body == b"body 0"
    assert server.requests[0].line == "POST /x HTTP/1.1"


def test_connections_are_kept_between_calls(client, server):
    for _ in range(3):
        run(client, *post(server))
    assert (len(server.requests), server.connections) == (3, 1)


def test_no_more_than_the_allowed_requests_are_in_the_air(client, server):
    run(client, *post(server, 40))
    assert len(server.requests) == 40
    assert server.connections <= 4


def test_results_come_as_they_arrive_not_in_order(client, server):
    server.script(Reply(delay_s=0.4), Reply(status=204))
    order = []
    client.run(post(server, 2), lambda index, response: order.append(response.status))
    assert order == [204, 200]


def test_redirects_are_not_followed(client, server):
    server.script(Reply(302, b"", (("Location", "/elsewhere"),)))
    (answer,) = run(client, *post(server))
    assert (answer.status, len(server.requests)) == (302, 1)


def test_a_trickling_answer_ends_at_the_deadline(client, server):
    server.script(Reply(200, b"x" * 500, trickle_s=0.05))
    began = time.monotonic()
    (answer,) = run(client, *post(server))
    assert time.monotonic() - began < 1.5
    assert (answer.departed, answer.complete) == (True, False)


def test_a_silent_provider_holds_a_call_for_one_deadline_only(client, server):
    server.script(Reply(ending="silence"))
    began = time.monotonic()
    answers = run(client, *post(server, 50))
    assert time.monotonic() - began < 1.6
    assert [answer.begun for answer in answers] == [True] * 4 + [False] * 46


def test_nothing_more_is_started_once_the_caller_says_stop(client, server):
    answers = run(client, *post(server, 30), stop=True)
    begun = [answer for answer in answers if answer.begun]
    assert len(begun) == len(server.requests) <= 7


def test_what_is_withdrawn_while_it_connects_does_not_leave(client, server):
    wanted, answers = iter((True, False, True, True)), []
    for _ in range(2):
        client.run(post(server), lambda _, found: answers.append(found), lambda _: next(wanted))
    assert [(answer.begun, answer.departed) for answer in answers] == [(False, False), (True, True)]
    assert len(server.requests) == 1


def test_a_refused_connection_has_sent_nothing(client):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (answer,) = run(client, Request(f"http://127.0.0.1:{port}/x", b""))
    assert (answer.status, answer.departed) == (0, False)


def test_a_failed_tls_handshake_has_sent_nothing(client, server):
    (answer,) = run(client, Request(server.url.replace("http:", "https:"), b"secret"))
    assert (answer.status, answer.departed, server.requests) == (0, False, [])


def test_only_http_is_spoken(client, tmp_path):
    (answer,) = run(client, Request(f"file://{tmp_path}", b""))
    assert (answer.status, answer.departed) == (0, False)


@pytest.mark.parametrize("ending", ["reset_before", "close_before"])
def test_a_request_does_not_leave_twice_when_its_connection_dies(client, server, ending):
    server.script(Reply(), Reply(ending=ending))
    run(client, *post(server))  # from here on the connection is a kept one
    (answer,) = run(client, *post(server))
    assert (answer.status, answer.departed, answer.refused) == (0, True, False)
    assert len(server.requests) == 2


def test_an_answer_cut_short_is_not_complete(client, server):
    server.script(Reply(202, b"half", length=100, ending="close"))
    (answer,) = run(client, *post(server))
    assert (answer.status, answer.complete) == (202, False)


def test_a_huge_answer_is_cut_off(client, server):
    server.script(Reply(500, b"x" * (RESPONSE_LIMIT * 4)))
    (answer,) = run(client, *post(server))
    assert (answer.status, answer.complete) == (500, False)
    assert len(answer.body) <= RESPONSE_LIMIT


def test_the_engine_survives_a_caller_that_is_interrupted(client, server):
    class Shutdown(BaseException):
        pass

    def interrupted(index, response):
        raise Shutdown

    with pytest.raises(Shutdown):
        client.run(post(server, 10), interrupted)
    assert [answer.status for answer in run(client, *post(server, 3))] == [200] * 3


def test_nothing_to_send_is_nothing_done(client):
    assert run(client) == []


def test_two_servers_share_one_engine(client, server):
    with ScriptedServer() as other:
        answers = run(client, *post(server), *post(other))
        assert len(other.requests) == len(server.requests) == 1
    assert [answer.status for answer in answers] == [200, 200]
