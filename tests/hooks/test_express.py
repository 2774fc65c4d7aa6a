"""The short way answers exactly as Flask does, and leaves everything unusual to Flask."""

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import Client, TestResponse

from app.express import Express
from app.tracking.tokens import Tokens
from tests.hooks.test_engagement import AGENT, sent, stored
from tests.hooks.test_webhooks import STATUS, sign
from tests.support.application import NO_DATABASE, another
from tests.support.messages import World

Flush = Callable[[], None]
FORM = "application/x-www-form-urlencoded"
_NONCE = re.compile(r"nonce-[A-Za-z0-9_-]+")


def said(answer: TestResponse) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body, without what is new in every answer."""
    headers = {name: _NONCE.sub("nonce-", value) for name, value in answer.headers}
    assert headers.pop("X-Request-Id")
    return answer.status_code, headers, answer.data


def long_way(app: Flask) -> Client:
    """Flask alone."""

    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        return Flask.wsgi_app(app, environ, start_response)

    return Client(application)


def short_way(app: Flask) -> Client:
    """As it is served, unless the long way would be taken."""

    def nobody(environ: Any, start_response: Any) -> Iterable[bytes]:
        raise AssertionError("Flask was asked")

    return Client(Express(app, nobody))


def paths(world: World, signers: Tokens) -> list[str]:
    token, link = signers.track.sign_id(sent(world)), world.links[1]
    return [f"/o/{token}.gif", f"/c/{token}/{link.number}"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_both_ways_answer_alike(app: Flask, world: World, signers: Tokens, scheme: str) -> None:
    for path in paths(world, signers):
        base = f"{scheme}://127.0.0.1:8000"
        short = short_way(app).get(path, base_url=base, headers=AGENT)
        long = long_way(app).get(path, base_url=base, headers=AGENT)
        assert said(short) == said(long)
        assert (scheme == "https") == ("Strict-Transport-Security" in short.headers)


def test_both_ways_keep_a_callback_alike(app: Flask, world: World) -> None:
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered", "Blank": "", "Body": "ü & =+"}
    form = {
        "data": urlencode(fields).encode(),
        "headers": {"X-Twilio-Signature": sign(STATUS, fields)},
        "content_type": "application/x-www-form-urlencoded; charset=UTF-8",
    }
    short, long = (way(app).post(STATUS, **form) for way in (short_way, long_way))
    assert said(short) == said(long)
    assert short.status_code == 204
    rows = world.session.execute(text("select provider, context, body from receipt")).all()
    assert len(rows) == 2
    assert tuple(rows[0]) == tuple(rows[1])


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("path", "fields", "content_type"),
    [
        (STATUS, {"MessageStatus": "forged"}, FORM),
        (f"{STATUS}?k=1", {"MessageStatus": "delivered"}, FORM),
        (f"{STATUS}/2", {"MessageStatus": "delivered"}, FORM),
        (STATUS, {"MessageStatus": "delivered"}, "application/json"),
        (STATUS, {"MessageStatus": "d" * 200_000}, FORM),
        (STATUS, {}, FORM),
        ("/hooks/twilio/inbound", {"Body": "STOP"}, FORM),
    ],
)
def test_an_unusual_callback_comes_to_flask_as_it_was(
    app: Flask, method: str, path: str, fields: dict[str, str], content_type: str
) -> None:
    came: list[bytes] = []

    def flask(environ: Any, start_response: Any) -> Iterable[bytes]:
        came.append(environ["wsgi.input"].read())
        start_response("403 FORBIDDEN", [])
        return []

    signature = sign(path, {"MessageStatus": "delivered"})
    body = urlencode(fields).encode()
    Client(Express(app, flask)).open(
        path,
        method=method,
        data=body,
        content_type=content_type,
        headers={"X-Twilio-Signature": signature},
    )
    assert came == [body]


def test_both_ways_count_alike(app: Flask, world: World, signers: Tokens, flush: Flush) -> None:
    seen = []
    agents: list[dict[str, str]] = [
        AGENT,
        {},
        {"User-Agent": "curl/8"},
        {**AGENT, "X-Moz": "prefetch"},
    ]
    for way in (short_way(app), long_way(app)):
        for agent in agents:
            for path in paths(world, signers):
                assert way.get(path, headers=agent).status_code in (200, 302)
        flush()
        seen.append(stored(world))
        world.session.execute(text("delete from event"))
        world.session.commit()
    assert len(seen[0]) == 8
    assert sorted(map(str, seen[0])) == sorted(map(str, seen[1]))


def test_the_callers_name_for_the_request_is_kept(
    app: Flask, world: World, signers: Tokens
) -> None:
    way, path = short_way(app), paths(world, signers)[0]
    for given, kept in (("abc-1", "abc-1"), ("a b", None), ("x" * 200, None)):
        found = way.get(path, headers={"X-Request-Id": given}).headers["X-Request-Id"]
        assert found == kept or (kept is None and found.startswith("req_"))


def test_whatever_is_unusual_goes_to_flask(app: Flask, world: World, signers: Tokens) -> None:
    picture, link = paths(world, signers)
    way = short_way(app)
    token = picture[3:-4]
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("HEAD", picture, {}),
        ("OPTIONS", picture, {}),
        ("POST", link, {}),
        ("GET", picture, {"data": b"a body"}),
        ("GET", "/o/forged.gif", {}),
        ("GET", f"/o/{token}.gif/", {}),
        ("GET", f"/c/{token}/99", {}),
        ("GET", f"/c/{token}/-1", {}),
        ("GET", picture, {"headers": {"Host": "a name with spaces"}}),
        ("GET", "/healthz", {}),
    ]
    for method, path, more in asked:
        with pytest.raises(AssertionError, match="Flask was asked"):
            way.open(path, method=method, **more)


def test_only_the_names_we_answer_to_are_answered(
    app: Flask, world: World, signers: Tokens
) -> None:
    picture, _ = paths(world, signers)
    with another(app.config["HERALD"], trusted_hosts=("mail.example.com",)) as named:
        way = short_way(named)
        assert way.get(picture, base_url="http://mail.example.com").status_code == 200
        with pytest.raises(AssertionError, match="Flask was asked"):
            way.get(picture, base_url="http://evil.example")


def test_without_the_database_a_click_is_refused_for_a_while(
    app: Flask, world: World, signers: Tokens
) -> None:
    _, link = paths(world, signers)
    with another(app.config["HERALD"], database_url=NO_DATABASE) as away:
        answer = away.test_client(use_cookies=False).get(link, headers=AGENT)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
