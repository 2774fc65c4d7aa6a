"""No request, however odd, makes a wire fail: a provider always has an answer."""

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.sandbox import credentials, letters
from app.sandbox.texts import Texts
from app.sandbox.wire import Request
from app.sandbox.wires.apns import Apns
from app.sandbox.wires.fcm import Fcm
from app.sandbox.wires.fcm_token import TokenDesk
from app.sandbox.wires.sendgrid import SendGrid
from app.sandbox.wires.twilio import Twilio, segments
from tests.sandbox.calls import DEVICE, mail, push

RSA = rsa.generate_private_key(65537, 2048)
DESK = TokenDesk(RSA.public_key(), b"secret", "aud")
ODD = (None, True, 5, "", "x", "é" * 99, [], [1], [[1]], [{}], {}, {"x": 1}, {"x": [1]})
MAIL = mail(
    "ann@example.org",
    custom_args={"a": "b"},
    headers={"X-A": "b"},
    categories=["a"],
    reply_to={"email": "a@b.example"},
    send_at=1,
    mail_settings={"sandbox_mode": {"enable": False}},
    tracking_settings={"open_tracking": {"enable": False}},
)


def variants(value: Any) -> Iterator[Any]:
    """Copies of a value with one node replaced by something odd."""
    for path in list(paths(value)):
        for odd in ODD:
            changed = copy.deepcopy(value)
            node = changed
            for step in path[:-1]:
                node = node[step]
            node[path[-1]] = odd
            yield changed


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for name in value:
            yield from paths(value[name], (*path, name))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from paths(inner, (*path, at))


def test_sendgrid_answers_any_mail() -> None:
    headers = {
        "authorization": f"Bearer {credentials.SENDGRID_API_KEY}",
        "content-type": "application/json",
    }
    wire, seen = SendGrid(), set()
    for changed in variants(MAIL):
        body = json.dumps(changed).encode()
        seen.add(wire.read(Request("POST", "/v3/mail/send", headers, body)).answer.status)
        letters.read("sendgrid", "", 0, body)
    assert seen == {200, 202, 400}


def test_fcm_answers_any_message() -> None:
    token = DESK._token(int(time.time()) + 60)
    path = f"/v1/projects/{credentials.FCM_PROJECT}/messages:send"
    wire, seen = Fcm(DESK), set()
    for changed in variants({"message": push()}):
        body = json.dumps(changed).encode()
        request = Request("POST", path, {"authorization": f"Bearer {token}"}, body)
        seen.add(wire.read(request).answer.status)
        letters.read("fcm", "", 0, body)
    assert seen == {200, 400}


def test_apns_answers_any_payload() -> None:
    wire = Apns(ec.generate_private_key(ec.SECP256R1()).public_key(), development=False)
    for changed in variants({"aps": {"alert": {"title": "a", "body": "b"}, "badge": 1}}):
        body = json.dumps(changed).encode()
        request = Request("POST", f"/3/device/{DEVICE}", {"authorization": "bearer é"}, body)
        assert wire.read(request).verdict == "403 InvalidProviderToken"
        letters.read("apns", "", 0, body)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"null", b"[1]", b"{", b"a=b&a", b"\r\n\r\n"])
def test_any_bytes_can_be_answered_and_shown(body: bytes) -> None:
    assert Twilio(Texts()).read(Request("POST", "/x", {}, body)).answer.status == 404
    for provider in ("twilio", "smtp", "sendgrid", "apns", "fcm"):
        assert letters.read(provider, "x", 0, body).to == "x"


@pytest.mark.parametrize(
    ("text", "count"),
    [("a" * 160, 1), ("a" * 161, 2), ("€" * 80, 1), ("€" * 81, 2), ("ж" * 70, 1), ("😀" * 36, 2)],
)
def test_segments_are_counted_as_twilio_does(text: str, count: int) -> None:
    assert segments(text) == count
