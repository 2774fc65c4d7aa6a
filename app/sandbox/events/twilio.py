"""Twilio's webhooks: status callbacks and inbound messages, signed with the auth token."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from app.sandbox import credentials
from app.sandbox.events.poster import Post
from app.sandbox.tags import scripted_number
from app.sandbox.wire import Call

_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
_AGENT: Final = ("User-Agent", "TwilioProxy/1.1")
_ALL: Final = frozenset({"4xx", "5xx", "ct", "rt"})

# Numbers beyond Twilio's own test numbers that end badly after they were taken.
_COURSES: Final = {
    "+15005550010": (("sent", ""), ("undelivered", "30003")),
    "+15005550011": (("failed", "30005"),),
    "+15005550012": (("sent", ""), ("undelivered", "30007")),
}
ORDINARY: Final = (("sent", ""), ("delivered", ""))
UNDELIVERED: Final = (("sent", ""), ("undelivered", "30003"))


class Text(NamedTuple):
    """What a status callback has to know about a text."""

    sid: str
    sender: str
    to: str
    service: str
    callback: str

    @classmethod
    def of(cls, call: Call) -> "Text":
        """The text of an accepted call."""
        facts = call.facts
        service, callback = facts["MessagingServiceSid"], facts["StatusCallback"]
        return cls(call.message_id, facts["From"], facts["To"], service, callback)


def course(to: str) -> tuple[tuple[str, str], ...]:
    """(status, error code) pairs in the order they are told; the first status never is."""
    return _COURSES.get(scripted_number(to), ORDINARY)


def status_post(text: Text, status: str, error: str, signature: str) -> Post | None:
    """One status callback; None when the message asked for none."""
    url, retries, on = connection_override(text.callback)
    if not url:
        return None
    form = {
        "SmsSid": text.sid,
        "SmsStatus": status,
        "MessageStatus": status,
        "MessageSid": text.sid,
        "AccountSid": credentials.TWILIO_ACCOUNT_SID,
        "From": text.sender,
        "To": text.to,
        "ApiVersion": "2010-04-01",
    }
    if text.service:
        form["MessagingServiceSid"] = text.service
    if error:
        form["ErrorCode"] = error
    return _post(url, form, signature, retries, on)


def inbound_post(url: str, sender: str, body: str, opt_out: str, signature: str) -> Post:
    """A text from a person to our number; `opt_out` is STOP, START, HELP or empty."""
    sid = "SM" + secrets.token_hex(16)
    form = {
        "MessageSid": sid,
        "SmsSid": sid,
        "SmsMessageSid": sid,
        "SmsStatus": "received",
        "AccountSid": credentials.TWILIO_ACCOUNT_SID,
        "From": sender,
        "To": credentials.TWILIO_FROM,
        "Body": body,
        "NumMedia": "0",
        "NumSegments": "1",
        "ApiVersion": "2010-04-01",
    }
    if opt_out:
        form["OptOutType"] = opt_out
    return _post(url, form, signature, 1, frozenset({"ct"}))


def connection_override(callback: str) -> tuple[str, int, frozenset[str]]:
    """The URL without its fragment, and the retries the fragment asks for.

    Twilio's own default is one retry, and only when no connection could be made.
    """
    parts = urlsplit(callback)
    wishes = parse_qs(parts.fragment)
    count = wishes.get("rc", ["1"])[0]
    policy = wishes.get("rp", ["ct"])[0].split(",")
    retries = min(5, int(count)) if count.isdigit() else 1
    on = _ALL if "all" in policy else frozenset(policy) & _ALL
    return urlunsplit(parts._replace(fragment="")), retries, on


def sign(url: str, form: Mapping[str, str], token: str = credentials.TWILIO_AUTH_TOKEN) -> str:
    """X-Twilio-Signature: HMAC-SHA1 over the URL and the sorted parameters, base64."""
    text = url + "".join(name + form[name] for name in sorted(form))
    mac = hmac.new(token.encode(), text.encode(), hashlib.sha1)
    return base64.b64encode(mac.digest()).decode()


def _post(url: str, form: dict[str, str], signature: str, retries: int, on: frozenset[str]) -> Post:
    headers = [_FORM, _AGENT, ("I-Twilio-Idempotency-Token", secrets.token_hex(16))]
    if signature in {"good", "old"}:
        headers.append(("X-Twilio-Signature", sign(url, form)))
    elif signature == "bad":
        headers.append(("X-Twilio-Signature", sign(url, form, "another token")))
    return Post(url, urlencode(form).encode(), tuple(headers), retries=retries, on=on)
