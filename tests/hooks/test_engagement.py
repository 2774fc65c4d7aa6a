"""The pixel, clicks and device events."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from app import clock
from app.tracking.tokens import Tokens
from tests.support.messages import World

AGENT = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"}
Flush = Callable[[], None]


def stored(world: World) -> list[tuple[Any, ...]]:
    world.session.rollback()
    rows = world.session.execute(
        text("select kind, verdict, verdict_reason, link_id, source from event order by id")
    )
    return [tuple(row) for row in rows]


def sent(world: World, **values: Any) -> int:
    """A message that was really handed over a minute ago."""
    message = world.message(world.contact(), handed_at=clock.now() - timedelta(minutes=1), **values)
    world.session.commit()
    return message.id


def test_a_loaded_picture_is_an_open(
    client: FlaskClient, world: World, signers: Tokens, flush: Flush
) -> None:
    answer = client.get(f"/o/{signers.track.sign_id(sent(world))}.gif", headers=AGENT)
    assert (answer.status_code, answer.mimetype, len(answer.data)) == (200, "image/gif", 43)
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in answer.headers
    flush()
    assert stored(world) == [("opened", "human", None, None, "pixel")]


def test_a_forged_token_gets_the_picture_and_is_not_counted(
    client: FlaskClient, world: World, signers: Tokens, flush: Flush
) -> None:
    other_purpose = signers.unsubscribe.sign_id(sent(world))
    for token in ("x", other_purpose, "A" * 32, "%F0%9F%98%80"):
        assert client.get(f"/o/{token}.gif", headers=AGENT).status_code == 200
    flush()
    assert stored(world) == []


def test_a_head_request_is_a_machines(
    client: FlaskClient, world: World, signers: Tokens, flush: Flush
) -> None:
    client.head(f"/o/{signers.track.sign_id(sent(world))}.gif", headers=AGENT)
    flush()
    assert stored(world) == [("opened", "machine", "head", None, "pixel")]


def test_a_click_leads_to_its_target_and_is_counted(
    client: FlaskClient, world: World, signers: Tokens, flush: Flush
) -> None:
    token, link = signers.track.sign_id(sent(world)), world.links[1]
    answer = client.get(f"/c/{token}/{link.number}", headers=AGENT)
    assert (answer.status_code, answer.headers["Location"]) == (302, link.url)
    assert "Set-Cookie" not in answer.headers
    flush()
    assert stored(world) == [("clicked", "human", None, link.id, "link")]


@pytest.mark.parametrize("number", ["3", "99999999999999999999", "x", "-1"])
def test_nothing_but_the_links_of_the_version_is_followed(
    client: FlaskClient, world: World, signers: Tokens, number: str
) -> None:
    token = signers.track.sign_id(sent(world))
    answer = client.get(f"/c/{token}/{number}?url=https://evil.example", headers=AGENT)
    assert answer.status_code == 404
    assert "Location" not in answer.headers


def test_a_broken_link_says_so_in_words(client: FlaskClient) -> None:
    answer = client.get("/c/broken/0", headers=AGENT)
    assert answer.status_code == 404
    assert "This link leads nowhere" in answer.text


def test_a_target_that_is_no_web_address_is_not_followed(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    world.links[0].url = "javascript:alert(1)"
    token = signers.track.sign_id(sent(world))
    assert client.get(f"/c/{token}/0", headers=AGENT).status_code == 404


def test_a_device_tells_once_however_often_it_repeats(
    client: FlaskClient, world: World, signers: Tokens, flush: Flush
) -> None:
    token = signers.device.sign_id(sent(world, channel="ios"))
    body = {"event": "clicked", "at": clock.now().isoformat()}
    answers = [client.post(f"/t/{token}", json=body).status_code for _ in range(3)]
    assert answers == [204, 204, 204]
    flush()
    assert stored(world) == [("clicked", "human", None, None, "device")]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"{", ""),
        (b"[]", ""),
        (b'{"event": "bought"}', "/event"),
        (b'{"event": ["opened"]}', "/event"),
        (b'{"event": "opened", "at": "yesterday"}', "/at"),
        (b'{"event": "opened", "at": 5}', "/at"),
        (b'{"event": "opened", "at": "2026-11-24T18:05:00"}', "/at"),
        (b'{"event": "opened", "at": "1999-11-24T18:05:00Z"}', "/at"),
    ],
)
def test_a_wrong_device_event_is_told_which_field(
    client: FlaskClient, world: World, signers: Tokens, body: bytes, pointer: str
) -> None:
    token = signers.device.sign_id(sent(world, channel="ios"))
    answer = client.post(f"/t/{token}", data=body, content_type="application/json")
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == pointer


def test_a_device_event_with_a_foreign_token_is_not_found(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    token = signers.track.sign_id(sent(world))
    assert client.post(f"/t/{token}", json={"event": "opened"}).status_code == 404
