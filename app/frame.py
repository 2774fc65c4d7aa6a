"""The application object, and what is around every request: its id, its headers, its rest.

Machines make nearly all requests: services, providers, mail programs. They are spared what only
concerns people (session, form tokens, the gate of the console, limits on guesses), which was most
of what the frame of a request cost.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

import structlog
from flask import Blueprint, Response, g, request
from flask_openapi3.openapi import OpenAPI
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from app.console import pages

LARGEST_LEFTOVER: Final = 5 * 1024 * 1024
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SECURITY: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_ONLY_HTTPS: Final = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")

Header = tuple[str, str]


class Answer(Response):
    """An answer that, in its simplest form, costs the server one list and no iterator."""

    # For machines: put in front of the body without the care that a `Headers` object takes.
    late: Sequence[Header] = ()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """As werkzeug does it, with the late headers where nobody has set them before."""
        if not self.late:
            return super().__call__(environ, start_response)
        body: Iterable[bytes]
        if self._is_simple(environ["REQUEST_METHOD"]):
            body, status, headers = list(self.iter_encoded()), self.status, list(self.headers)
        else:
            body, status, headers = self.get_wsgi_response(environ)
        start_response(status, _added(headers, self.late))
        return body

    def _is_simple(self, method: str) -> bool:
        """A body whose length is known, no address to be put into shape, nothing to do after it."""
        return (
            self.is_sequence
            and not self._on_close
            and method != "HEAD"
            and self.status_code >= 200
            and self.status_code not in (204, 304)
            and "Content-Length" in self.headers
            and "Location" not in self.headers
            and "Content-Location" not in self.headers
        )


class Herald(OpenAPI):
    """The application."""

    response_class = Answer

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._of_machines: set[str] = set()

    def open_to_machines(self, blueprint: Blueprint) -> None:
        """No view of this blueprint uses a session, and only its own hooks are for it."""
        self._of_machines.add(blueprint.name)

    def full_dispatch_request(self) -> Response:
        """As Flask does it; for machines without the hooks that are not meant for them."""
        if request.blueprint not in self._of_machines:
            return super().full_dispatch_request()
        self._got_first_request = True
        try:
            begin_request()
            answer = self.dispatch_request()
        except Exception as error:
            answer = self.handle_user_exception(error)
        return self.finalize_request(answer)

    def process_response(self, response: Response) -> Response:
        """As Flask does it; for machines the blueprint's own hooks and ours."""
        name = request.blueprint
        if name not in self._of_machines:
            return super().process_response(response)
        for hook in reversed(self.after_request_funcs.get(name, [])):
            response = cast(Response, hook(response))
        response = read_the_rest(pages.headers(response))
        late = (("X-Request-Id", g.get("request_id", "")), *_security(request.is_secure))
        cast(Answer, response).late = late
        return response

    def do_teardown_request(self, *error: Any) -> None:
        """As Flask does it; what is taken down there was put up by hooks for people."""
        if request.blueprint not in self._of_machines:
            super().do_teardown_request(*error)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """There are no coroutines here; Flask would look a dozen times per request."""
        return func


def begin_request() -> None:
    """Give the request its id."""
    g.request_id = request_id(request.headers.get("X-Request-Id", ""))
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def security_headers(response: Response) -> Response:
    """What every answer says, unless the view has said otherwise."""
    response.headers["X-Request-Id"] = g.get("request_id", "")
    for name, value in _security(request.is_secure):
        response.headers.setdefault(name, value)
    return response


def read_the_rest(response: Response) -> Response:
    """A refusal may come before the body was read. The server would then drop the connection
    without a word, and with it whatever the caller sends next.
    """
    try:
        if getattr(request.stream, "is_exhausted", False):
            return response
        if (request.content_length or 0) > LARGEST_LEFTOVER:
            raise RequestEntityTooLarge
        request.stream.read()
    except HTTPException:  # too large to be read, for this server or for the view
        response.headers["Connection"] = "close"
    return response


def request_id(given: str) -> str:
    """The caller's own, if it can be printed, or a new one."""
    return given if _REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"


def with_late(headers: Iterable[Header], number: str, secure: bool) -> list[Header]:
    """These headers and what every answer says beside them."""
    return _added(headers, (("X-Request-Id", number), *_security(secure)))


def _added(headers: Iterable[Header], late: Iterable[Header]) -> list[Header]:
    found = list(headers)
    there = {name.lower() for name, _ in found}
    return found + [header for header in late if header[0].lower() not in there]


def _security(secure: bool) -> Sequence[Header]:
    return (*_SECURITY, _ONLY_HTTPS) if secure else _SECURITY
