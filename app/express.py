"""The short way for loaded pictures, followed links and Twilio's callbacks: one look at the
address, one answer.

Every mail that is opened and every text asks for them, and what Flask does around a request costs
as much as they do themselves, or several times that. Only the plain case goes this way. Whatever is
unusual (another method, another body, a strange host, a token that is not ours, a signature that
does not fit, a link that leads nowhere, a database that is away) is handed to Flask as it came,
which answers it as it does everything else.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from typing import Any, Final, NamedTuple

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import SecurityError
from werkzeug.sansio.utils import get_host
from werkzeug.utils import redirect

from app.console import pages
from app.frame import Header, request_id, with_late
from app.gather import NotWritten
from app.hooks import engagement, webhooks
from app.tracking import verdicts
from app.tracking.verdicts import Look

_PIXEL: Final = re.compile(r"/o/([A-Za-z0-9_-]{1,128})\.gif")
_CLICK: Final = re.compile(r"/c/([A-Za-z0-9_-]{1,128})/([0-9]{1,9})")
_STATUS: Final = re.compile(r"/hooks/twilio/status/(\w{1,64})/(\w{1,16})", re.ASCII)
_FORM: Final = "application/x-www-form-urlencoded"
_PURPOSE: Final = tuple(
    "HTTP_" + name.upper().replace("-", "_") for name in verdicts.PURPOSE_HEADERS
)
_BODY: Final = ("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")
_PICTURE: Final = (*engagement.PIXEL_HEADERS, ("Content-Length", str(len(engagement.GIF))))

Environ = dict[str, Any]


class _Ready(NamedTuple):
    """An answer without what every answer says."""

    status: str
    headers: Iterable[Header]
    body: bytes


class Express:
    """WSGI in front of Flask's own."""

    def __init__(self, app: Flask, otherwise: Any) -> None:
        self._app = app
        self._otherwise = otherwise
        self._trusted = tuple(app.config["TRUSTED_HOSTS"] or ())

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """The answer, by whichever way."""
        answer = self._answer(environ)
        if answer is None:
            found: Iterable[bytes] = self._otherwise(environ, start_response)
            return found
        number = request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        is_secure = environ["wsgi.url_scheme"] == "https"
        start_response(answer.status, with_late(answer.headers, number, is_secure))
        return [answer.body]

    def _answer(self, environ: Environ) -> _Ready | None:
        if _is_plain(environ):
            return self._tracked(environ)
        if _is_form(environ):
            return self._told(environ)
        return None

    def _tracked(self, environ: Environ) -> _Ready | None:
        path = environ["PATH_INFO"]
        picture, link = _PIXEL.fullmatch(path), _CLICK.fullmatch(path)
        if not (picture or link) or not self._is_our_name(environ):
            return None
        with self._app.app_context():
            look = _look(environ)
            if picture:
                return _picture(picture[1], look)
            return _link(link[1], int(link[2]), look) if link else None

    def _told(self, environ: Environ) -> _Ready | None:
        status = _STATUS.fullmatch(environ["PATH_INFO"])
        if status is None or not self._is_our_name(environ):
            return None
        with self._app.app_context():
            return _kept(environ, {"nid": status[1], "att": status[2]})

    def _is_our_name(self, environ: Environ) -> bool:
        return _is_trusted(environ.get("HTTP_HOST"), self._trusted)


def _is_plain(environ: Environ) -> bool:
    return (
        environ["PATH_INFO"].startswith(("/o/", "/c/"))
        and environ["REQUEST_METHOD"] == "GET"
        and not environ.get("SCRIPT_NAME")
        and not any(environ.get(name) for name in _BODY)
    )


def _is_form(environ: Environ) -> bool:
    length = environ.get("CONTENT_LENGTH", "")
    return (
        environ["PATH_INFO"].startswith("/hooks/twilio/status/")
        and environ["REQUEST_METHOD"] == "POST"
        and environ.get("CONTENT_TYPE", "").partition(";")[0].strip() == _FORM
        and not any(environ.get(name) for name in ("SCRIPT_NAME", "QUERY_STRING", _BODY[1]))
        and length.isdecimal()
        and 0 < int(length) <= webhooks.LARGEST_FORM
    )


@lru_cache(maxsize=256)
def _is_trusted(host: str | None, trusted: tuple[str, ...]) -> bool:
    try:
        return bool(get_host("http", host, None, trusted or None))
    except SecurityError:
        return False


def _look(environ: Environ) -> Look:
    purpose = " ".join(environ.get(name, "") for name in _PURPOSE)
    return verdicts.look("GET", environ.get("HTTP_USER_AGENT", ""), purpose)


def _picture(token: str, look: Look) -> _Ready | None:
    if not engagement.count_open(token, look):
        return None
    return _Ready("200 OK", _PICTURE, engagement.GIF)


def _link(token: str, number: int, look: Look) -> _Ready | None:
    try:
        url = engagement.follow(token, number, look)
    except (SQLAlchemyError, NotWritten):
        return None
    if url is None:
        return None
    headers, body = _leading_to(url)
    policy = ("Content-Security-Policy", pages.policy())
    return _Ready("302 FOUND", (*headers, *engagement.FLEETING, policy), body)


def _kept(environ: Environ, context: dict[str, Any]) -> _Ready | None:
    try:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = BytesIO(body)  # for Flask, should it have to answer
        path, headers = environ["PATH_INFO"], EnvironHeaders(environ)
        answer = webhooks.keep_status(path, context, body, headers)
    except (OSError, SQLAlchemyError):
        return None
    if answer is None:
        return None
    return _Ready(answer.status, answer.get_wsgi_headers({}).to_wsgi_list(), answer.get_data())


@lru_cache(maxsize=1024)
def _leading_to(url: str) -> tuple[tuple[Header, ...], bytes]:
    """What a redirect says. Many people follow the same few links."""
    answer = redirect(url, 302)
    return tuple(answer.get_wsgi_headers({}).to_wsgi_list()), answer.get_data()
