"""Messages as their reader would see them, from the bodies the providers were given."""

from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qs

from app.sandbox.wire import parse_object


@dataclass(slots=True)
class Letter:
    """One message to one reader; what a channel does not have stays empty."""

    channel: str
    to: str = ""
    sender: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    title: str = ""
    subtitle: str = ""
    image: str = ""
    data: list[tuple[str, str]] = field(default_factory=list)
    callback: str = ""


def read(provider: str, to: str, at: int, body: bytes) -> Letter:
    """The message for the recipient at this place of a request. Never raises for a bad body."""
    reader = {
        "sendgrid": _sendgrid,
        "smtp": _smtp,
        "twilio": _twilio,
        "apns": _apns,
        "fcm": _fcm,
    }[provider]
    letter = reader(body, at)
    letter.to = letter.to or to
    return letter


def from_mail(mail: dict[str, Any], at: int) -> Letter:
    """The e-mail for the recipient at this place of a SendGrid request."""
    letter = Letter("email")
    person, address = _person(mail, at)
    swaps = _strings(person.get("substitutions"))

    def filled(value: Any) -> str:
        text = value if isinstance(value, str) else ""
        for token, own in swaps.items():
            text = text.replace(token, own)
        return text

    letter.to = _named(address)
    letter.sender = _named(mail.get("from"))
    letter.subject = filled(person.get("subject") or mail.get("subject"))
    content = mail.get("content")
    for part in content if isinstance(content, list) else []:
        if isinstance(part, dict) and part.get("type") == "text/html":
            letter.html = filled(part.get("value"))
        elif isinstance(part, dict):
            letter.text = filled(part.get("value"))
    headers = {**_strings(mail.get("headers")), **_strings(person.get("headers"))}
    if mail.get("reply_to"):
        headers = {"Reply-To": _named(mail["reply_to"]), **headers}
    letter.headers = [(name, filled(value)) for name, value in headers.items()]
    letter.data = list(_strings(person.get("custom_args")).items())
    return letter


def _person(mail: dict[str, Any], at: int) -> tuple[dict[str, Any], Any]:
    people = mail.get("personalizations")
    seen = 0
    for person in people if isinstance(people, list) else []:
        to = person.get("to") if isinstance(person, dict) else None
        addresses = to if isinstance(to, list) else []
        if at < seen + len(addresses):
            return person, addresses[at - seen]
        seen += len(addresses)
    return {}, {}


def _sendgrid(body: bytes, at: int) -> Letter:
    return from_mail(parse_object(body) or {}, at)


def _smtp(body: bytes, at: int) -> Letter:  # noqa: ARG001
    return from_mime(body)


def from_mime(body: bytes) -> Letter:
    """An e-mail as it came over SMTP."""
    message = message_from_bytes(body, policy=policy.default)
    letter = Letter("email", str(message.get("To", "")), str(message.get("From", "")))
    letter.subject = str(message.get("Subject", ""))
    letter.text = _part(message, "plain")
    letter.html = _part(message, "html")
    shown = {"to", "from", "subject"}
    letter.headers = [(k, str(v)) for k, v in message.items() if k.lower() not in shown]
    return letter


def _part(message: EmailMessage, kind: str) -> str:
    try:
        part = message.get_body((kind,))
        return str(part.get_content()) if part is not None else ""
    except (LookupError, KeyError, ValueError):
        return ""


def _twilio(body: bytes, at: int) -> Letter:  # noqa: ARG001
    form = {name: value[0] for name, value in parse_qs(body.decode("utf-8", "replace")).items()}
    return Letter(
        "sms",
        form.get("To", ""),
        form.get("From") or form.get("MessagingServiceSid", ""),
        text=form.get("Body", ""),
        data=[(k, v) for k, v in form.items() if k not in {"To", "From", "Body"}],
        callback=form.get("StatusCallback", ""),
    )


def _apns(body: bytes, at: int) -> Letter:  # noqa: ARG001
    payload = parse_object(body) or {}
    aps = payload.get("aps")
    alert = aps.get("alert") if isinstance(aps, dict) else None
    alert = alert if isinstance(alert, dict) else {"body": alert}
    letter = Letter("ios", sender="APNs")
    letter.title = str(alert.get("title") or "")
    letter.subtitle = str(alert.get("subtitle") or "")
    letter.text = str(alert.get("body") or "")
    letter.data = [(key, str(value)) for key, value in payload.items() if key != "aps"]
    letter.image = next((v for k, v in letter.data if "image" in k.lower()), "")
    return letter


def _fcm(body: bytes, at: int) -> Letter:  # noqa: ARG001
    envelope = parse_object(body) or {}
    message = envelope.get("message")
    message = message if isinstance(message, dict) else {}
    shown = _strings(message.get("notification"))
    android = message.get("android")
    own = _strings(android.get("notification")) if isinstance(android, dict) else {}
    letter = Letter("android", sender="FCM")
    letter.title = own.get("title") or shown.get("title", "")
    letter.text = own.get("body") or shown.get("body", "")
    letter.image = own.get("image") or shown.get("image", "")
    letter.data = list(_strings(message.get("data")).items())
    return letter


def _named(address: Any) -> str:
    if not isinstance(address, dict):
        return ""
    name, email = address.get("name"), str(address.get("email", ""))
    return f"{name} <{email}>" if name else email


def _strings(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(name): text for name, text in value.items() if isinstance(text, str)}
