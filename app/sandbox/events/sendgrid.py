"""SendGrid's event webhook: what each event says, and the signature over the raw body."""

import base64
import itertools
import secrets
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from app.sandbox.events.poster import PERSEVERANCE, Post
from app.sandbox.wire import Call

POST_BYTES: Final = 768 * 1024
# A signature this old is no retry any more: those end after 24 h.
OLD_S: Final = 26 * 3600
_SIGNATURE: Final = "X-Twilio-Email-Event-Webhook-Signature"
_TIMESTAMP: Final = "X-Twilio-Email-Event-Webhook-Timestamp"
_IP: Final = "127.0.0.1"

Event = dict[str, Any]

BOUNCED: Final[Event] = {
    "event": "bounce",
    "type": "bounce",
    "reason": "550 5.1.1 The email account that you tried to reach does not exist",
    "status": "5.1.1",
    "bounce_classification": "Invalid Address",
    "ip": _IP,
}
BLOCKED: Final[Event] = {
    "event": "bounce",
    "type": "blocked",
    "reason": "554 5.7.1 Message refused by policy",
    "status": "5.7.1",
    "bounce_classification": "Reputation",
    "ip": _IP,
}
DROPPED: Final[Event] = {"event": "dropped", "reason": "Bounced Address", "status": "5.0.0"}
DEFERRED: Final[Event] = {
    "event": "deferred",
    "response": "450 4.7.1 Greylisted, please try again later",
    "attempt": "1",
    "ip": _IP,
}
DELIVERED: Final[Event] = {"event": "delivered", "response": "250 OK", "ip": _IP, "tls": 1}
_SPAM: Final = {"event": "spamreport"}

# What becomes of a message, by the tag in the address: a list of events in order.
COURSES: Final[dict[str, tuple[Event, ...]]] = {
    "": (DELIVERED,),
    "bounce": (BOUNCED,),
    "blocked": (BLOCKED,),
    "dropped": (DROPPED,),
    "deferred": (DEFERRED, DELIVERED),
    "complaint": (DELIVERED, _SPAM),
}
PROCESSED: Final[Event] = {"event": "processed"}


def events(call: Call, at: int, custom_args: dict[str, str], kinds: Iterable[Event]) -> list[Event]:
    """Events about the recipient at this place of a call."""
    base = {
        "email": call.recipients[at].to,
        "timestamp": int(time.time()),
        "smtp-id": f"<{call.message_id}@sandbox.invalid>",
        "sg_message_id": f"{call.message_id}.recvd-sandbox-{at}",
        **custom_args,
    }
    found = []
    for kind in kinds:
        event = {**base, **kind, "sg_event_id": f"{_STEM}{next(_NUMBERS):010x}"}
        if event["event"] not in _WITH_SMTP_ID:
            event.pop("smtp-id")
        found.append(event)
    return found


# The ids of events are different ones over all sandboxes and their restarts.
_STEM: Final = secrets.token_urlsafe(16)
_NUMBERS: Final = itertools.count(1)
_WITH_SMTP_ID: Final = frozenset({"processed", "dropped", "delivered", "deferred", "bounce"})


def custom_args(mail: dict[str, Any]) -> list[dict[str, str]]:
    """The custom arguments of each recipient: they come back in every event."""
    common = mail.get("custom_args") or {}
    return [
        {**common, **(person.get("custom_args") or {})}
        for person in mail["personalizations"]
        for _ in person["to"]
    ]


def posts(
    events: list[Event], url: str, key: ec.EllipticCurvePrivateKey, signature: str, batch: int
) -> Iterator[Post]:
    """Signed posts of at most `batch` events and 768 KB."""
    for chunk in _chunks(events, batch):
        body = b"[" + b",\r\n".join(chunk) + b"]\r\n"
        headers = (("Content-Type", "application/json"), ("User-Agent", "SendGrid Event API"))
        yield Post(url, body, headers + sign(body, key, signature), retries=PERSEVERANCE)


def sign(
    body: bytes, key: ec.EllipticCurvePrivateKey, signature: str
) -> tuple[tuple[str, str], ...]:
    """ECDSA P-256 with SHA-256 over timestamp ++ raw body; headers as SendGrid sends them."""
    if signature == "missing":
        return ()
    age = OLD_S if signature == "old" else 0
    timestamp = str(int(time.time()) - age)
    signed = timestamp.encode() + (b"something else" if signature == "bad" else body)
    der = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    return (_SIGNATURE, base64.b64encode(der).decode()), (_TIMESTAMP, timestamp)


def _chunks(events: list[Event], batch: int) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    size = 0
    for event in events:
        data = orjson.dumps(event)
        if chunk and (len(chunk) >= batch or size + len(data) > POST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(data)
        size += len(data) + 3
    if chunk:
        yield chunk
