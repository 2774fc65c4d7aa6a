"""What comes back: signed webhooks, and readers who open and click."""

import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader
from twilio.request_validator import RequestValidator

from app.sandbox import credentials
from tests.sandbox.calls import mail, send_mail, send_text
from tests.sandbox.conftest import Hit, Receiver
from tests.support.sandbox import SandboxHandle


def events(receiver: Receiver) -> list[dict[str, Any]]:
    return [event for hit in receiver.at("/hooks/sendgrid") for event in json.loads(hit.body)]


def is_signed(sandbox: SandboxHandle, hit: Hit) -> bool:
    webhook = EventWebhook(sandbox.credentials()["sendgrid_webhook_keys"][0])
    signature = hit.headers.get(EventWebhookHeader.SIGNATURE, "")
    timestamp = hit.headers.get(EventWebhookHeader.TIMESTAMP, "")
    return bool(webhook.verify_signature(hit.body.decode(), signature, timestamp))


def test_a_mail_is_processed_and_delivered(
    talking_sandbox: SandboxHandle, receiver: Receiver
) -> None:
    message_id = send_mail(talking_sandbox, mail("ann@example.org")).headers["x-message-id"]
    talking_sandbox.wait_for(lambda: len(events(receiver)) == 2)
    first, last = sorted(events(receiver), key=lambda event: event["event"], reverse=True)
    assert (first["event"], last["event"]) == ("processed", "delivered")
    assert (last["nid"], last["att"], last["email"]) == ("ntf_0", "1", "ann@example.org")
    assert last["sg_message_id"].split(".")[0] == message_id
    assert first["sg_event_id"] != last["sg_event_id"]
    assert all(is_signed(talking_sandbox, hit) for hit in receiver.hits)


def test_tagged_addresses_have_their_course(
    talking_sandbox: SandboxHandle, receiver: Receiver
) -> None:
    talking_sandbox.control("events", {"processed": False})
    tags = ("bounce", "blocked", "dropped", "deferred", "complaint")
    send_mail(talking_sandbox, mail(*(f"ann+{tag}@example.org" for tag in tags)))
    talking_sandbox.wait_for(lambda: len(events(receiver)) == 7)
    told = Counter(event["event"] for event in events(receiver))
    assert told == {"bounce": 2, "dropped": 1, "deferred": 1, "delivered": 2, "spamreport": 1}
    assert {e["type"] for e in events(receiver) if e["event"] == "bounce"} == {"bounce", "blocked"}


def test_a_thousand_events_share_a_post(talking_sandbox: SandboxHandle, receiver: Receiver) -> None:
    talking_sandbox.control("events", {"processed": False})
    send_mail(talking_sandbox, mail(*(f"p{n}@example.org" for n in range(900))))
    talking_sandbox.wait_for(lambda: len(events(receiver)) == 900)
    assert len(receiver.hits) == 1


def test_a_refused_post_comes_again(talking_sandbox: SandboxHandle, receiver: Receiver) -> None:
    talking_sandbox.control("events", {"processed": False})
    receiver.refusals = 1
    send_mail(talking_sandbox, mail("ann@example.org"))
    talking_sandbox.wait_for(lambda: len(receiver.hits) == 2)
    assert receiver.hits[0].body == receiver.hits[1].body


def test_signatures_can_be_bad_and_events_doubled(
    talking_sandbox: SandboxHandle, receiver: Receiver
) -> None:
    settings = {"processed": False, "signature": "bad", "duplicate": 3, "unknown": True}
    talking_sandbox.control("events", settings)
    send_mail(talking_sandbox, mail("ann@example.org"))
    talking_sandbox.wait_for(lambda: len(events(receiver)) == 6)
    assert len({event["sg_event_id"] for event in events(receiver)}) == 2
    assert not is_signed(talking_sandbox, receiver.hits[0])


def test_an_event_can_be_asked_for(talking_sandbox: SandboxHandle, receiver: Receiver) -> None:
    talking_sandbox.control("events", {"processed": False, "delivered": False})
    send_mail(talking_sandbox, mail("ann@example.org"))
    script = {"event": "click", "fields": {"url": "https://example.org/"}}
    talking_sandbox.control("events/ntf_0", script)
    talking_sandbox.wait_for(lambda: len(events(receiver)) == 1)
    told = events(receiver)[0]
    assert (told["event"], told["url"], told["nid"]) == ("click", "https://example.org/", "ntf_0")


def send_tracked_text(sandbox: SandboxHandle, receiver: Receiver, to: str, fragment: str) -> None:
    callback = f"{receiver.url}/hooks/twilio/status/ntf_1/1?k=7{fragment}"
    assert send_text(sandbox, to, StatusCallback=callback).status == 201


def test_a_text_is_sent_and_delivered(talking_sandbox: SandboxHandle, receiver: Receiver) -> None:
    send_tracked_text(talking_sandbox, receiver, "+447700900123", "#rc=5&rp=all")
    talking_sandbox.wait_for(lambda: len(receiver.hits) == 2)
    forms = [dict(parse_qsl(hit.body.decode())) for hit in receiver.hits]
    assert {form["MessageStatus"] for form in forms} == {"sent", "delivered"}
    validator = RequestValidator(credentials.TWILIO_AUTH_TOKEN)
    for hit, form in zip(receiver.hits, forms, strict=True):
        assert hit.path == "/hooks/twilio/status/ntf_1/1?k=7"
        signature = hit.headers["X-Twilio-Signature"]
        assert validator.validate(receiver.url + hit.path, form, signature)


def test_a_status_is_lost_on_500_unless_retries_were_asked_for(
    talking_sandbox: SandboxHandle, receiver: Receiver
) -> None:
    receiver.refusals = 1
    send_tracked_text(talking_sandbox, receiver, "+15005550011", "")
    talking_sandbox.wait_for(lambda: talking_sandbox.control("counts")["events"]["dropped"] > 0)
    receiver.hits.clear()
    receiver.refusals = 1
    send_tracked_text(talking_sandbox, receiver, "+15005550011", "#rc=5&rp=all")
    talking_sandbox.wait_for(lambda: len(receiver.hits) == 2)
    assert dict(parse_qsl(receiver.hits[1].body.decode()))["ErrorCode"] == "30005"


def test_a_stop_arrives_signed(talking_sandbox: SandboxHandle, receiver: Receiver) -> None:
    talking_sandbox.control("inbound", {"from": "+447700900123", "body": "STOP"})
    talking_sandbox.wait_for(lambda: len(receiver.hits) == 1)
    hit = receiver.hits[0]
    form = dict(parse_qsl(hit.body.decode()))
    assert (hit.path, form["OptOutType"]) == ("/hooks/twilio/inbound", "STOP")
    validator = RequestValidator(credentials.TWILIO_AUTH_TOKEN)
    assert validator.validate(receiver.url + hit.path, form, hit.headers["X-Twilio-Signature"])


def test_readers_open_and_click_for_real(
    talking_sandbox: SandboxHandle, receiver: Receiver
) -> None:
    talking_sandbox.control("events", {"delivered": False, "processed": False, "clicked": 1.0})
    html = (
        '<a href="https://herald.example/c/-name-/1?a=1&amp;b=2">Read</a>'
        '<a href="https://elsewhere.example/x">No</a><img src="https://herald.example/o/-name-.gif">'
    )
    content = [{"type": "text/html", "value": html}]
    send_mail(talking_sandbox, mail("ann@example.org", content=content))
    talking_sandbox.wait_for(lambda: len(receiver.hits) == 2)
    assert {hit.path for hit in receiver.hits} == {"/o/ann.gif", "/c/ann/1?a=1&b=2"}
    assert all(hit.headers["User-Agent"].startswith("Mozilla/5.0") for hit in receiver.hits)


def test_nobody_reads_a_bounced_mail(talking_sandbox: SandboxHandle, receiver: Receiver) -> None:
    talking_sandbox.control("events", {"processed": False, "opened": 1.0})
    content = [{"type": "text/html", "value": '<img src="https://herald.example/o/x.gif">'}]
    send_mail(talking_sandbox, mail("ann+bounce@example.org", content=content))
    talking_sandbox.wait_for(lambda: talking_sandbox.control("events")["scheduled"] == 0)
    talking_sandbox.wait_for(lambda: len(events(receiver)) == 1)
    assert not receiver.at("/o/")
