"""Webhooks: verified, kept, answered."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app import ids
from app.tracking import receipts
from tests.hooks.conftest import SANDBOX_TOKEN, TOKEN, SendGridKey
from tests.support.messages import World

URL = "http://herald.test"
STATUS = "/hooks/twilio/status/ntf_0000000000001/1"


def post_events(
    client: FlaskClient, key: SendGridKey, events: Any, age: int = 0, **headers: str
) -> TestResponse:
    body = json.dumps(events).encode() + b"\r\n"
    signed = key.sign(body, str(int(time.time()) - age))
    return client.post(
        "/hooks/sendgrid", data=body, headers={**signed, **headers}, content_type="application/json"
    )


def sign(path: str, fields: dict[str, str], token: str = TOKEN, base: str = URL) -> str:
    """X-Twilio-Signature, computed anew from the documentation."""
    text_to_sign = base + path + "".join(name + fields[name] for name in sorted(fields))
    mac = hmac.new(token.encode(), text_to_sign.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode()


def post_form(
    client: FlaskClient, path: str, fields: dict[str, str], signature: str
) -> TestResponse:
    headers = {"X-Twilio-Signature": signature, "I-Twilio-Idempotency-Token": "t"}
    return client.post(path, data=urlencode(fields).encode(), headers=headers,
                       content_type="application/x-www-form-urlencoded")  # fmt: skip


def kept(world: World) -> list[tuple[str, Any]]:
    world.session.rollback()
    rows = world.session.execute(text("select provider, context from receipt order by id"))
    return [(row[0], row[1]) for row in rows]


def test_a_signed_batch_is_committed_before_it_is_answered(
    client: FlaskClient, world: World, sendgrid_keys: list[SendGridKey]
) -> None:
    assert post_events(client, sendgrid_keys[0], [{"event": "delivered"}]).status_code == 204
    assert kept(world) == [("sendgrid", {})]


def test_several_keys_are_valid_at_once(
    client: FlaskClient, world: World, sendgrid_keys: list[SendGridKey]
) -> None:
    assert [post_events(client, key, []).status_code for key in sendgrid_keys] == [204, 204, 204]
    assert kept(world) == [("sendgrid", {}), ("sendgrid", {}), ("sendgrid", {"sandbox": True})]


def test_a_repeat_after_a_day_is_taken_and_after_longer_not(
    client: FlaskClient, sendgrid_keys: list[SendGridKey]
) -> None:
    key = sendgrid_keys[0]
    assert post_events(client, key, [], age=24 * 3600).status_code == 204
    assert post_events(client, key, [], age=26 * 3600).status_code == 403
    assert post_events(client, key, [], age=-600).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Twilio-Email-Event-Webhook-Signature": ""},
        {"X-Twilio-Email-Event-Webhook-Signature": "not base64 ~~"},
        {"X-Twilio-Email-Event-Webhook-Signature": "AAAA"},
        {"X-Twilio-Email-Event-Webhook-Timestamp": "yesterday"},
        {"X-Twilio-Email-Event-Webhook-Timestamp": "99999999999999999999"},
        {"X-Twilio-Email-Event-Webhook-Timestamp": "١٢٣"},
    ],
)
def test_a_bad_signature_is_refused_and_leaves_no_trace(
    client: FlaskClient, world: World, sendgrid_keys: list[SendGridKey], headers: dict[str, str]
) -> None:
    answer = post_events(client, sendgrid_keys[0], [{"event": "delivered"}], **headers)
    assert answer.status_code == 403
    assert kept(world) == []


def test_the_body_may_not_be_changed_on_its_way(
    client: FlaskClient, sendgrid_keys: list[SendGridKey]
) -> None:
    headers = sendgrid_keys[0].sign(b"[]", str(int(time.time())))
    assert client.post("/hooks/sendgrid", data=b"[ ]", headers=headers).status_code == 403
    assert client.post("/hooks/sendgrid", data=b"\xff\xfe", headers=headers).status_code == 403


def test_a_signed_body_of_garbage_is_taken_once_and_never_a_fault(
    client: FlaskClient, world: World, sendgrid_keys: list[SendGridKey]
) -> None:
    body = b"this is no JSON"
    headers = sendgrid_keys[0].sign(body, str(int(time.time())))
    assert client.post("/hooks/sendgrid", data=body, headers=headers).status_code == 204
    assert receipts.apply(world.session, world.now.replace(year=2099)).strange == 1


def test_twilios_own_test_vector_is_accepted(client: FlaskClient) -> None:
    """From the documentation, with our path: signed with and without the standard port."""
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered", "Blank": ""}
    for base in (URL, f"{URL}:80"):
        signature = sign(STATUS, fields, base=base)
        assert post_form(client, STATUS, fields, signature).status_code == 204


def test_the_address_is_rebuilt_from_our_own_not_from_the_host_header(client: FlaskClient) -> None:
    fields = {"MessageStatus": "delivered"}
    signature = sign(STATUS, fields, base="http://elsewhere.test")
    headers = {"X-Twilio-Signature": signature, "Host": "elsewhere.test"}
    assert client.post(STATUS, data=fields, headers=headers).status_code == 403


def test_an_old_token_is_still_accepted_and_a_wrong_one_is_not(
    client: FlaskClient, world: World
) -> None:
    fields = {"MessageStatus": "delivered"}
    assert (
        post_form(client, STATUS, fields, sign(STATUS, fields, "the old token")).status_code == 204
    )
    assert post_form(client, STATUS, fields, sign(STATUS, fields, "wrong")).status_code == 403
    assert post_form(client, STATUS, fields, "").status_code == 403
    assert len(kept(world)) == 1


def test_the_query_is_part_of_what_is_signed(client: FlaskClient) -> None:
    fields = {"MessageStatus": "delivered"}
    path = STATUS + "?k=1&b=%20"
    assert post_form(client, path, fields, sign(path, fields)).status_code == 204
    assert post_form(client, path, fields, sign(STATUS, fields)).status_code == 403


def test_the_sandbox_beside_a_real_provider_is_marked(client: FlaskClient, world: World) -> None:
    fields = {"MessageStatus": "delivered"}
    post_form(client, STATUS, fields, sign(STATUS, fields, SANDBOX_TOKEN))
    [(provider, context)] = kept(world)
    assert provider == "twilio_status"
    assert context == {"nid": "ntf_0000000000001", "att": "1", "sandbox": True}


def test_a_stop_holds_before_we_answer(client: FlaskClient, world: World) -> None:
    world.contact(phone="+447700900412")
    world.session.commit()
    fields = {"MessageSid": "SM1", "From": "+447700900412", "To": "+447700900000", "Body": "Stop"}
    path = "/hooks/twilio/inbound"
    answer = post_form(client, path, fields, sign(path, fields))
    assert (answer.status_code, answer.mimetype) == (200, "text/xml")
    assert answer.text.endswith("<Response/>")
    found = world.session.execute(text("select address, reason from suppression")).all()
    assert [tuple(row) for row in found] == [("+447700900412", "stop")]


def test_the_sandbox_cannot_stop_real_numbers(client: FlaskClient, world: World) -> None:
    fields = {"From": "+447700900412", "Body": "STOP"}
    path = "/hooks/twilio/inbound"
    signature = sign(path, fields, SANDBOX_TOKEN)
    assert post_form(client, path, fields, signature).status_code == 403
    assert kept(world) == []


def test_a_status_moves_the_message_of_its_address(client: FlaskClient, world: World) -> None:
    message = world.message(world.contact(), channel="sms")
    world.session.commit()
    path = f"/hooks/twilio/status/{ids.encode('ntf', message.id)}/1"
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered"}
    post_form(client, path, fields, sign(path, fields))
    receipts.apply(world.session, world.now.replace(year=2099))
    found = world.session.scalar(
        text("select status from notification where id = :id"), {"id": message.id}
    )
    assert found == "delivered"


@pytest.mark.parametrize("path", ["/hooks/sendgrid", STATUS, "/hooks/twilio/inbound"])
def test_garbage_is_refused_without_a_fault(client: FlaskClient, path: str) -> None:
    for body, kind in [
        (b"", "text/plain"),
        (b"\x00\xff" * 500, "application/x-www-form-urlencoded"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"{", "application/json"),
        (b"a=" + b"1&a=" * 5000, "application/x-www-form-urlencoded"),
    ]:
        answer = client.post(
            path, data=body, content_type=kind, headers={"X-Twilio-Signature": "aGk="}
        )
        assert 400 <= answer.status_code < 500


def test_a_get_is_not_a_webhook(client: FlaskClient) -> None:
    assert client.get("/hooks/sendgrid").status_code == 405


def test_too_large_a_body_is_refused(client: FlaskClient) -> None:
    body = b"x" * (4 * 1024 * 1024 + 1)
    assert client.post("/hooks/sendgrid", data=body).status_code == 413
