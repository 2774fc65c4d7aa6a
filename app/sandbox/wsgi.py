"""Calls the WSGI app of the pages (PEP 3333) for one request that is there as a whole."""

import io
import sys
from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication

from app.sandbox.wire import Answer, Request


def call(app: WSGIApplication, path: str, request: Request) -> Answer:
    """The app's answer, with all of its body."""
    status, headers, body = 500, [], io.BytesIO()

    def start_response(
        line: str,
        given: list[tuple[str, str]],
        exc_info: Any = None,  # noqa: ARG001
        /,
    ) -> Callable[[bytes], object]:
        nonlocal status, headers
        status, headers = int(line[:3]), given
        return body.write

    parts = app(_environ(path, request), start_response)
    try:
        body.writelines(parts)
    finally:
        if close := getattr(parts, "close", None):
            close()
    kept = tuple(pair for pair in headers if pair[0].lower() != "content-length")
    return Answer(status, body.getvalue(), kept)


def _environ(path: str, request: Request) -> dict[str, Any]:
    headers = request.headers
    host = headers.get("host") or headers.get(":authority", "127.0.0.1")
    name, _, port = host.partition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": request.query,
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(request.body)),
        "SERVER_NAME": name,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": host,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.input_terminated": True,  # it is all there, also when it came in chunks
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for header, value in headers.items():
        if not header.startswith(("content-", ":")):
            environ[f"HTTP_{header.upper().replace('-', '_')}"] = value
    return environ
