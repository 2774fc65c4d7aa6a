"""The WSGI app: the wires by their prefix, and the pages for people and tests beside them."""

import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication

from app.sandbox.desk import Desk, Wire
from app.sandbox.faults import Rule
from app.sandbox.reply import Reply, bend
from app.sandbox.wire import Answer, Request
from app.sandbox.wires import twilio
from app.sandbox.wires.fcm import refusal as fcm_refusal
from app.sandbox.wires.fcm_token import TokenDesk

Environ = dict[str, Any]
TOKEN_PATH: Final = "/fcm/token"
_CODES: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Web:
    """Provider requests go to the desk, everything else to the pages."""

    def __init__(
        self, desk: Desk, wires: Mapping[str, Wire], tokens: TokenDesk, pages: WSGIApplication
    ) -> None:
        self._desk = desk
        self._wires = wires
        self._tokens = tokens
        self._pages = pages

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """See PEP 3333."""
        path = environ["PATH_INFO"]
        if path.split("/", 2)[1] not in self._wires:
            return self._pages(environ, start_response)
        return _send(self.reply(path, _request(environ)), start_response)

    def reply(self, path: str, request: Request) -> Reply:
        """What goes back to a request under this path; 404 where there is no provider."""
        wire = self._wires.get(path.split("/", 2)[1])
        if wire is None:
            return Reply(Answer(404))
        if path == TOKEN_PATH:
            return self._token(request)
        if request.method == "GET" and isinstance(wire, twilio.Twilio):
            return self._look_up(wire, request)
        return self._desk.take(wire, request)

    def _look_up(self, wire: twilio.Twilio, request: Request) -> Reply:
        """A question, not a message: the journal does not know it."""
        rule = self._desk.faults.pick("twilio_look_up", [])
        answer = wire.look_up(request)
        return Reply(answer) if rule is None else bend(answer, rule, twilio.refusal)

    def _token(self, request: Request) -> Reply:
        rule = self._desk.faults.pick("fcm_token", [])
        answer = self._tokens.answer(request)
        return Reply(answer) if rule is None else bend(answer, rule, _token_refusal(rule))


def _token_refusal(rule: Rule) -> Callable[..., Answer]:
    def refusal(status: int, code: str = "", field: str | None = None) -> Answer:
        if rule.kind == "answer" and status == 400:
            body = b'{"error":"invalid_grant","error_description":"Invalid JWT Signature."}'
            return Answer(400, body, (("Content-Type", "application/json"),))
        return fcm_refusal(status, code, field)

    return refusal


def _request(environ: Environ) -> Request:
    headers = {
        name[5:].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    path = within(environ["PATH_INFO"])
    body, query = environ["wsgi.input"].read(), environ.get("QUERY_STRING", "")
    return Request(environ["REQUEST_METHOD"], path, headers, body, query)


def within(path: str) -> str:
    """A path without its provider prefix."""
    return "/" + path.split("/", 2)[-1]


def _send(reply: Reply, start_response: StartResponse) -> Iterable[bytes]:
    if reply.wait:
        time.sleep(reply.wait)
    start_response(status_line(reply.answer.status), reply.headers())
    return reply.parts()


def status_line(status: int) -> str:
    """A status with its words."""
    return _CODES.get(status, f"{status} Unknown")
