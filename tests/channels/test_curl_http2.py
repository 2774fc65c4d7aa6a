"""The engine over HTTP/2: many streams, refusals that are not losses, and losses that are."""

import pytest

from app.channels.curl import EngineOptions, HttpClient
from app.channels.transfer import Request, Response
from tests.channels.scripted_h2 import H2Reply


@pytest.fixture
def client():
    return HttpClient(EngineOptions(http2=True, concurrency=50, connections=1, deadline_s=2.0))


def run(client, server, count=1):
    answers: dict[int, Response] = {}

    def on_response(index, response):
        assert index not in answers
        answers[index] = response
        return False

    requests = [Request(f"{server.url}/3/device/{number}", b"{}") for number in range(count)]
    client.run(requests, on_response)
    return [answers[index] for index in range(count)]


def test_many_requests_share_a_connection(client, h2_server):
    answers = run(client, h2_server, 300)
    assert {answer.status for answer in answers} == {200}
    assert len(h2_server.requests) == 300
    assert h2_server.connections == 1


def test_a_fresh_connection_is_tried_with_one_stream(client, h2_server):
    h2_server.max_streams = 1
    answers = run(client, h2_server, 5)
    assert {answer.status for answer in answers} == {200}
    assert h2_server.most_open_streams == 1


def test_a_stream_refused_once_leaves_again_and_is_read_once(client, h2_server):
    h2_server.script(H2Reply(), H2Reply(action="refuse"), H2Reply(status=201))
    run(client, h2_server)
    (answer,) = run(client, h2_server)
    assert (answer.status, answer.complete) == (201, True)


def test_a_goaway_moves_the_unread_stream_to_a_new_connection(client, h2_server):
    h2_server.script(H2Reply(), H2Reply(action="goaway"), H2Reply(status=201))
    run(client, h2_server)
    (answer,) = run(client, h2_server)
    assert (answer.status, h2_server.connections) == (201, 2)


@pytest.mark.parametrize("action", ["refuse", "goaway"])
def test_a_stream_refused_again_was_not_processed(client, h2_server, action):
    h2_server.script(H2Reply(), H2Reply(action=action))
    run(client, h2_server)
    (answer,) = run(client, h2_server)
    assert (answer.status, answer.refused) == (0, True)
    assert len(h2_server.requests) == 3


@pytest.mark.parametrize("_round", range(8))
def test_a_goaway_is_a_refusal_also_when_the_server_hangs_up_at_once(client, h2_server, _round):
    h2_server.script(H2Reply(action="goaway_and_close"), H2Reply(status=201))
    (answer,) = run(client, h2_server)
    assert (answer.status, h2_server.connections) == (201, 2)


@pytest.mark.parametrize("action", ["internal", "close", "reset"])
def test_the_first_stream_of_a_connection_may_have_been_read_too(client, h2_server, action):
    h2_server.script(H2Reply(action=action), H2Reply())
    (answer,) = run(client, h2_server)
    assert (answer.status, answer.departed, answer.refused) == (0, True, False)
    assert len(h2_server.requests) == 1


@pytest.mark.parametrize("action", ["internal", "close", "reset"])
def test_a_stream_lost_in_any_other_way_may_have_been_read(client, h2_server, action):
    h2_server.script(H2Reply(), H2Reply(action=action), H2Reply())
    run(client, h2_server)
    (answer,) = run(client, h2_server)
    assert (answer.status, answer.departed, answer.refused) == (0, True, False)
    assert len(h2_server.requests) == 2


def test_a_reset_connection_loses_its_streams_and_doubles_none(client, h2_server):
    h2_server.script(*[H2Reply()] * 20, H2Reply(action="reset"), H2Reply())
    answers = run(client, h2_server, 100)
    lost = [answer for answer in answers if answer.status == 0]
    assert lost
    assert not any(answer.refused for answer in lost)
    paths = [request.path for request in h2_server.requests]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("round_", range(8))
def test_a_reset_between_two_looks_doubles_nothing_either(client, h2_server, round_):
    h2_server.script(*[H2Reply()] * (3 + round_ * 5), H2Reply(action="reset"), H2Reply())
    run(client, h2_server, 100)
    paths = [request.path for request in h2_server.requests]
    assert len(paths) == len(set(paths))


def test_silence_ends_at_the_deadline(client, h2_server):
    h2_server.script(H2Reply(action="silence"))
    (answer,) = run(client, h2_server)
    assert (answer.status, answer.departed, answer.refused) == (0, True, False)
