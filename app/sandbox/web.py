"""What is behind a door: the wires by their prefix, and pages for people and tests beside them."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from wsgiref.types import WSGIApplication

from app.sandbox.desk import Desk, Wire
from app.sandbox.faults import Rule
from app.sandbox.reply import Reply, bend
from app.sandbox.wire import Answer, Call, Request
from app.sandbox.wires import twilio
from app.sandbox.wires.fcm import refusal as fcm_refusal
from app.sandbox.wires.fcm_token import TokenDesk
from app.sandbox.wires.sendgrid import SendGrid
from app.sandbox.wsgi import call

TOKEN_PATH: Final = "/fcm/token"
_LINES: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Web:
    """Provider requests go to the desk, everything else to the pages."""

    def __init__(
        self,
        desk: Desk,
        wires: Mapping[str, Wire],
        tokens: TokenDesk,
        pages: WSGIApplication | None = None,
    ) -> None:
        self._desk = desk
        self._wires = wires
        self._tokens = tokens
        self._pages = pages

    def is_provider(self, path: str) -> bool:
        """Whether this path is a provider's, not a page's. Without pages all are."""
        return self._pages is None or path.split("/", 2)[1] in self._wires

    def page(self, path: str, request: Request) -> Reply:
        """A page; it may take its time, so this is called in a thread of its own."""
        if self._pages is None:
            return Reply(Answer(404))
        return Reply(call(self._pages, path, request))

    def is_mail(self, path: str) -> bool:
        """Whether one request may be for hundreds of people."""
        return isinstance(self._wires.get(path.split("/", 2)[1]), SendGrid)

    def read(self, path: str, request: Request) -> Call:
        """What the provider makes of a mail: touches nothing, and can be done in any thread."""
        return self._wires[path.split("/", 2)[1]].read(request)

    def reply(self, path: str, request: Request, read: Call | None = None) -> Reply:
        """What goes back to a request under this path; 404 where there is no provider.

        It may not leave before the desk is flushed. `read`: the request has been read already.
        """
        wire = self._wires.get(path.split("/", 2)[1])
        if wire is None:
            return Reply(Answer(404))
        if path == TOKEN_PATH:
            return self._token(request)
        if request.method == "GET" and isinstance(wire, twilio.Twilio):
            return self._look_up(wire, request)
        return self._desk.take(wire, request, read)

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


def within(path: str) -> str:
    """A path without its provider prefix."""
    return "/" + path.split("/", 2)[-1]


def status_line(status: int) -> str:
    """A status with its words."""
    return _LINES.get(status, f"{status} Unknown")
