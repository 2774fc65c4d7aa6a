"""Twilio Messages, as Twilio would answer a create (201 with the message, or its error JSON) and a
look-up (`GET Messages/{Sid}.json`, `GET Messages.json?To=…&DateSent>=…`, in pages).

The numbers of Twilio's test credentials work: To +15005550001 is invalid, …0002 cannot be
reached, …0003 has no permission, …0004 has sent STOP, …0009 is no mobile. Any area code will do.
"""

import base64
import hashlib
import re
import secrets
import time
from email.utils import formatdate
from functools import lru_cache
from hmac import compare_digest
from string import hexdigits
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from app.sandbox import credentials
from app.sandbox.tags import scripted_number
from app.sandbox.texts import Texts
from app.sandbox.wire import Answer, Call, Recipient, Request, json_answer

BODY_CHARACTERS: Final = 1600
_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
_SERVICE: Final = re.compile(r"MG[0-9a-fA-F]{32}")
_ACCOUNT: Final = f"/2010-04-01/Accounts/{credentials.TWILIO_ACCOUNT_SID}"
_ONE: Final = re.compile(re.escape(_ACCOUNT) + r"/Messages/((?:SM|MM)[0-9a-f]{32})\.json")
_PAIR: Final = f"{credentials.TWILIO_ACCOUNT_SID}:{credentials.TWILIO_AUTH_TOKEN}".encode()
_AUTHORIZATION: Final = b"Basic " + base64.b64encode(_PAIR)
# An address that needs no closer look; others are taken apart.
_USUAL: Final = re.compile(r"https?://[A-Za-z0-9.-]*[A-Za-z0-9](?::\d{1,4})?(?:[/?#]|$)")
_BYTES: Final = {
    f"{one}{two}".encode(): bytes((int(one + two, 16),)) for one in hexdigits for two in hexdigits
}
# No hexadecimal digit is among these characters, so none of them makes a new escape.
_COMMON: Final = tuple((f"%{ord(character):02X}", character) for character in "/:,#=&?!+'")
_OURS: Final = re.compile(r"/status/([^/?#]+)/([^/?#]+)")
# GSM 03.38: basic alphabet and the extension table, whose characters count twice.
_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)
_GSM_TWICE: Final = frozenset("^{}\\[~]|€")
_ONCE: Final = re.compile(f"[{re.escape(''.join(sorted(_GSM - _GSM_TWICE)))}]*")

_TO: Final = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
_FROM: Final = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}

_ERRORS: Final[dict[int, tuple[int, str]]] = {
    20003: (401, "Authenticate"),
    20004: (405, "Method not allowed"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    20503: (503, "Service is unavailable. Please try again"),
    14107: (429, "Message send rate limit exceeded"),
    21211: (400, "Invalid 'To' Phone Number"),
    21212: (400, "The 'From' number is not a valid phone number or shortcode"),
    21408: (403, "Permission to send an SMS has not been enabled for this region"),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number or messaging service is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number provided is not a valid message-capable number"),
    21609: (400, "The 'StatusCallback' URL is not a valid URL."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (429, "This 'From' number has exceeded the maximum number of queued messages"),
    21612: (400, "Message cannot be sent with the current combination of 'To' and 'From'"),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21701: (400, "The Messaging Service does not exist"),
    21705: (400, "The Messaging Service Sid is invalid"),
    30002: (403, "Account suspended"),
    35118: (400, "The ValidityPeriod must be between 1 and 36000 seconds"),
}


def refusal(status: int, code: str = "", field: str | None = None) -> Answer:  # noqa: ARG001
    """An error as Twilio words it; `code` is Twilio's number."""
    number = int(code) if code.isdigit() else {429: 20429, 503: 20503}.get(status, 20500)
    known = _ERRORS.get(number, (status, "Error"))
    return json_answer(
        status,
        {
            "code": number,
            "message": known[1],
            "more_info": f"https://www.twilio.com/docs/errors/{number}",
            "status": status,
        },
    )


class Twilio:
    """The SMS wire."""

    name = "twilio"
    channel = "sms"
    refusal = staticmethod(refusal)

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        # Numbers that sent STOP; a real sender's block list.
        self.stopped: set[str] = set()

    def read(self, request: Request) -> Call:
        """What Twilio makes of this request."""
        form = _form(request.body)
        people = _people(form)
        code = _door(request) or _wrong(form, self.stopped)
        if code:
            status = _ERRORS[code][0]
            verdict = f"{status} {code}"
            return Call(self.name, self.channel, refusal(status, str(code)), False, verdict, people)
        sid = "SM" + secrets.token_hex(16)
        facts: dict[str, Any] = {
            name: form.get(name, "") for name in ("To", "Body", "StatusCallback")
        }
        facts["From"] = form.get("From", credentials.TWILIO_FROM)
        facts["MessagingServiceSid"] = form.get("MessagingServiceSid", "")
        message = _message(sid, form)
        answer = json_answer(201, message)
        facts["message"] = message
        return Call(self.name, self.channel, answer, True, "201", people, sid, facts)

    def look_up(self, request: Request) -> Answer:
        """What Twilio says to a GET: one message, or a page of them."""
        if not _is_ours(request):
            return refusal(401, "20003")
        if request.path == f"{_ACCOUNT}/Messages.json":
            wishes = dict(parse_qsl(request.query))
            return json_answer(200, self._texts.page(request.path, wishes))
        found = _ONE.fullmatch(request.path)
        message = self._texts.one(found[1]) if found else None
        return refusal(404, "20404") if message is None else json_answer(200, message)


def segments(text: str) -> int:
    """How many SMS a text is: 160/153 characters of GSM 03.38, else 70/67 UTF-16 units."""
    if _ONCE.fullmatch(text):
        return 1 if len(text) <= 160 else -(-len(text) // 153)
    characters = set(text)
    if characters <= _GSM:
        twice = sum(text.count(char) for char in characters & _GSM_TWICE)
        units, single, many = len(text) + twice, 160, 153
    else:
        units, single, many = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if units <= single else -(-units // many)


def _form(body: bytes) -> dict[str, str]:
    """A form; of a name that is there twice the last value counts."""
    form: dict[str, str] = {}
    try:
        for pair in body.decode().split("&"):
            name, _, value = pair.partition("=")
            if pair:
                form[name if name.isalpha() else _decoded(name)] = _decoded(value)
    except UnicodeDecodeError:
        return {}
    return form


def _decoded(text: str) -> str:
    """application/x-www-form-urlencoded; a percent sign without two digits is one."""
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    for escape, character in _COMMON:
        text = text.replace(escape, character)
    if "%" not in text:
        return text
    first, *others = text.encode().split(b"%")
    try:
        parts = [_BYTES[part[:2]] + part[2:] for part in others]
    except KeyError:
        return unquote(text)
    return (first + b"".join(parts)).decode("utf-8", "replace")


def _people(form: dict[str, str]) -> list[Recipient]:
    if not form.get("To"):
        return []
    ours = _OURS.search(form.get("StatusCallback", ""))
    fingerprint = hashlib.sha256(form.get("Body", "").encode()).hexdigest()
    notification, attempt = ours.groups() if ours else ("", "")
    return [Recipient(form["To"], notification, attempt, fingerprint)]


def _door(request: Request) -> int:
    if request.path != f"{_ACCOUNT}/Messages.json":
        return 20404
    if not _is_ours(request):
        return 20003
    if request.method != "POST":
        return 20004
    return 0


def _is_ours(request: Request) -> bool:
    return compare_digest(request.headers.get("authorization", "").encode(), _AUTHORIZATION)


def _wrong(form: dict[str, str], stopped: set[str]) -> int:
    return _wrong_sender(form) or _wrong_recipient(form, stopped) or _wrong_content(form)


def _wrong_sender(form: dict[str, str]) -> int:
    service, sender = form.get("MessagingServiceSid"), form.get("From")
    if service:
        if not _SERVICE.fullmatch(service):
            return 21705
        return 0 if service == credentials.TWILIO_MESSAGING_SERVICE_SID else 21701
    if not sender:
        return 21603
    if sender in _FROM:
        return _FROM[sender]
    return 0 if sender == credentials.TWILIO_FROM else 21606


def _wrong_recipient(form: dict[str, str], stopped: set[str]) -> int:
    to = form.get("To", "")
    if not to:
        return 21604
    if scripted := _TO.get(scripted_number(to)):
        return scripted
    if not _E164.fullmatch(to):
        return 21211
    return 21610 if to in stopped else 0


def _wrong_content(form: dict[str, str]) -> int:
    if not (form.get("Body") or form.get("MediaUrl") or form.get("ContentSid")):
        return 21602
    if len(form.get("Body", "")) > BODY_CHARACTERS:
        return 21617
    period = form.get("ValidityPeriod", "1")
    if not (period.isdigit() and 1 <= int(period) <= 36_000):
        return 35118
    return _wrong_callback(form.get("StatusCallback", ""))


def _wrong_callback(url: str) -> int:
    if not url or _USUAL.match(url):
        return 0
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return 21609
    return 0 if parts.scheme in {"http", "https"} and host and "_" not in host else 21609


def _message(sid: str, form: dict[str, str]) -> dict[str, Any]:
    now = _date(int(time.time()))
    service = form.get("MessagingServiceSid")
    uri = f"/2010-04-01/Accounts/{credentials.TWILIO_ACCOUNT_SID}/Messages/{sid}"
    return {
        "sid": sid,
        "account_sid": credentials.TWILIO_ACCOUNT_SID,
        "api_version": "2010-04-01",
        "body": form.get("Body", ""),
        "date_created": now,
        "date_sent": None,
        "date_updated": now,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": form.get("From") if not service else None,
        "to": form["To"],
        "messaging_service_sid": service,
        "num_media": "0",
        "num_segments": "0" if service else str(segments(form.get("Body", ""))),
        "price": None,
        "price_unit": "USD",
        "status": "accepted" if service else "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "uri": f"{uri}.json",
    }


@lru_cache(1)
def _date(second: int) -> str:
    return formatdate(second).replace("-0000", "+0000")
