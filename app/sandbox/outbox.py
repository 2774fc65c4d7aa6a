"""The outbox: every message as its reader would see it. Plain pages without scripts."""

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import orjson
from flask import Blueprint, Response, abort, render_template, request, url_for
from werkzeug.datastructures import MultiDict

from app.sandbox import letters
from app.sandbox.desk import Desk
from app.sandbox.journal import Line
from app.sandbox.letters import Letter
from app.sandbox.store import Place
from app.sandbox.wire import parse_object

PER_PAGE: Final = 50
RAW_BYTES: Final = 64 * 1024
PROVIDERS: Final = {
    "sendgrid": "SendGrid",
    "smtp": "SMTP",
    "twilio": "Twilio",
    "apns": "APNs",
    "fcm": "FCM",
}
CHANNELS: Final = {"email": "E-mail", "sms": "SMS", "ios": "iOS", "android": "Android"}
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A message is somebody's HTML: no scripts, no forms, an origin of its own. Pictures may come from
# this machine alone, so that reading a message here never tells an outside host.
_HEAD: Final = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_MAIL_POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; "
    "img-src data: http://127.0.0.1:* http://localhost:*; font-src data:; frame-ancestors 'self'"
)


def outbox(desk: Desk) -> Blueprint:
    """The pages of one sandbox."""
    pages = Blueprint("outbox", __name__, url_prefix="/outbox")

    @lru_cache(16)
    def mail_at(place: Place) -> dict[str, Any]:
        return parse_object(desk.store.body(place) or b"") or {}

    def letter_at(line: Line, place: Place, at: int) -> Letter:
        """A batch shares one body, so it is parsed once for a page of its recipients."""
        if line["provider"] == "sendgrid":
            return letters.from_mail(mail_at(place), at)
        return letters.read(line["provider"], line["to"], at, desk.store.body(place) or b"")

    def preview(line: Line) -> str:
        if "stored" not in line:
            return ""
        *place, at = line["stored"]
        letter = letter_at(line, Place(*place), at)
        return (letter.subject or letter.title or letter.text)[:120]

    @pages.after_request
    def guard(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    @pages.get("")
    def index() -> str:
        found = list(_matching(desk, request.args))
        page = max(1, request.args.get("page", 1, type=int))
        shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
        return render_template(
            "list.html",
            rows=[(line, preview(line)) for line in shown],
            total=len(found),
            page=page,
            pages=-(-len(found) // PER_PAGE),
            wanted=request.args,
            providers=PROVIDERS,
            channels=CHANNELS,
            link=_link,
        )

    @pages.get("/<int:segment>/<int:offset>/<int:length>/<int:at>")
    def show(segment: int, offset: int, length: int, at: int) -> str:
        place = Place(segment, offset, length)
        line = _line(desk, place, at)
        body = _body(desk, place)
        return render_template(
            "message.html",
            line=line,
            letter=letter_at(line, place, at),
            raw=_readable(body),
            cut=len(body) > RAW_BYTES,
            size=len(body),
            digest=hashlib.sha256(body).hexdigest(),
            mail_url=url_for(".mail", segment=segment, offset=offset, length=length, at=at),
            providers=PROVIDERS,
            channels=CHANNELS,
        )

    @pages.get("/<int:segment>/<int:offset>/<int:length>/<int:at>/mail")
    def mail(segment: int, offset: int, length: int, at: int) -> Response:
        place = Place(segment, offset, length)
        line = _line(desk, place, at)
        html = _in_new_tabs(letter_at(line, place, at).html)
        response = Response(html, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = _MAIL_POLICY
        return response

    return pages


def _matching(desk: Desk, wanted: MultiDict[str, str]) -> Iterator[Line]:
    """The newest first."""
    provider, to = wanted.get("provider", ""), wanted.get("to", "").strip().casefold()
    answer = wanted.get("answer", "")
    for line in reversed(desk.journal.recent.copy()):
        if provider and line["provider"] != provider:
            continue
        if to and to not in line["to"].casefold() and to != line["notification"].casefold():
            continue
        if answer and line["accepted"] is not (answer == "accepted"):
            continue
        yield line


def _line(desk: Desk, place: Place, at: int) -> Line:
    wanted = [*place, at]
    found = (
        line
        for line in reversed(desk.journal.recent.copy())
        if list(line.get("stored", ())) == wanted
    )
    return next(found, None) or abort(404)


def _body(desk: Desk, place: Place) -> bytes:
    body = desk.store.body(place)
    if body is None:
        abort(404)
    return body


def _readable(body: bytes) -> str:
    """The request's body for people: JSON is laid out, long ones are cut."""
    try:
        body = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2)
    except orjson.JSONDecodeError:
        pass  # a form or a mail is readable as it is
    return body[:RAW_BYTES].decode("utf-8", "replace")


def _link(line: Line) -> str:
    if "stored" not in line:
        return ""
    segment, offset, length, at = line["stored"]
    return url_for(".show", segment=segment, offset=offset, length=length, at=at)


def _in_new_tabs(html: str) -> str:
    """Links of a message open beside the outbox, not inside its frame."""
    if _HEAD.search(html):
        return _HEAD.sub(r'\g<0><base target="_blank">', html, count=1)
    return f'<base target="_blank">{html}'
