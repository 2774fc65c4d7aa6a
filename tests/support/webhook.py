"""Somebody's own endpoint: keeps what is posted to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Inbox:
    """The bodies that were posted, in order; `status` is what the next posts are answered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.bodies: list[dict[str, Any]] = []


@contextmanager
def listening() -> Iterator[Inbox]:
    """A server on a free port of this machine, for as long as the block runs."""
    inbox = Inbox("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            inbox.bodies.append(json.loads(self.rfile.read(length)))
            self.send_response(inbox.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inbox.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        server.server_close()
