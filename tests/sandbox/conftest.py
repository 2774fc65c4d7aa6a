"""A stand-in for Herald that keeps what the sandbox posts to it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.sandbox import SandboxHandle, running_sandbox


@dataclass
class Hit:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`refusals` is how many of the next requests are answered 500."""

    url: str = ""
    hits: list[Hit] = field(default_factory=list)
    refusals: int = 0

    def at(self, path: str) -> list[Hit]:
        return [hit for hit in self.hits if hit.path.startswith(path)]


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.hits.append(Hit(self.command, self.path, dict(self.headers), body))
            receiver.refusals -= 1
            self.send_response(500 if receiver.refusals >= 0 else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    Handler.do_GET = Handler.do_POST = Handler.answer  # type: ignore[attr-defined]
    return Handler


@pytest.fixture(scope="module")
def listening() -> Iterator[Receiver]:
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield receiver
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def calling_back(
    listening: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SandboxHandle]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), listening.url) as handle:
        yield handle


@pytest.fixture
def receiver(listening: Receiver) -> Receiver:
    listening.hits.clear()
    listening.refusals = 0
    return listening


@pytest.fixture
def talking_sandbox(calling_back: SandboxHandle, receiver: Receiver) -> SandboxHandle:
    """A clean sandbox that tells the receiver at once."""
    calling_back.reset()
    calling_back.control("events", {"delay_s": 0.1, "people_delay_s": 0.1})
    receiver.hits.clear()
    return calling_back
