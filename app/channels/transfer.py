"""One request of the HTTP engine: what is asked, when it may leave, and what came back."""

import time
from dataclasses import dataclass
from typing import Any, Final

import pycurl

from app.channels.base import MayBegin, always


@dataclass(slots=True)
class Request:
    """One POST, or without a body one GET. `headers` are whole lines; None means the engine's own
    standing headers.
    """

    url: str
    body: bytes | None
    headers: list[str] | None = None


@dataclass(slots=True)
class Response:
    """What came back. `status` 0 means no usable answer.

    `departed`: bytes of the request may have left us, so no answer is not a no. `refused`: the
    peer said by HTTP/2 that it did not process the request. `begun`: False when the request was
    never started because the provider stopped answering, time ran out or the caller withdrew it.
    `complete`: the last byte came.
    """

    status: int
    body: bytes = b""
    header_lines: tuple[bytes, ...] = ()
    departed: bool = False
    refused: bool = False
    begun: bool = True
    complete: bool = True
    error: str = ""
    duration_ms: int = 0

    def header(self, name: str) -> str:
        """The last value of a header, or an empty string."""
        prefix = name.lower().encode("ascii") + b":"
        for line in reversed(self.header_lines):
            if line[: len(prefix)].lower() == prefix:
                return line[len(prefix) :].strip().decode("latin-1")
        return ""


NOT_STARTED: Final = Response(0, begun=False, error="not started")


class Breaks:
    """How many connections of an engine have been seen to break off."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Transfer:
    """One reusable easy handle and the request that is in it."""

    __slots__ = (
        "_began",
        "_body",
        "_breaks",
        "_breaks_before",
        "_connected",
        "_departures",
        "_first",
        "_headers",
        "_http2",
        "_lines",
        "_may_begin",
        "_posts",
        "_refusals",
        "_url",
        "_withdrawn",
        "handle",
        "index",
    )

    def __init__(self, handle: Any, http2: bool, breaks: Breaks) -> None:
        self.handle = handle
        self.index = 0
        self._http2 = http2
        self._headers: object = None
        self._url = ""
        self._posts: bool | None = None
        self._breaks = breaks
        self._breaks_before = self._departures = self._refusals = 0
        self._may_begin: MayBegin = always
        self._connected = self._first = self._withdrawn = False
        self._began = 0.0
        self._body: list[bytes] = []
        self._lines: list[bytes] = []
        handle.setopt(pycurl.WRITEFUNCTION, self._body.append)
        handle.setopt(pycurl.HEADERFUNCTION, self._lines.append)
        handle.setopt(pycurl.PREREQFUNCTION, self._departs)
        handle.setopt(pycurl.SOCKOPTFUNCTION, self._connects)

    def prepare(
        self, index: int, request: Request, standing: list[str], may_begin: MayBegin
    ) -> None:
        """Load a request; what has not changed since the last one is left alone."""
        headers = standing if request.headers is None else request.headers
        posts = request.body is not None
        if request.url != self._url:
            self.handle.setopt(pycurl.URL, request.url)
            self._url = request.url
        if posts is not self._posts:
            self.handle.setopt(pycurl.POST if posts else pycurl.HTTPGET, 1)
            self._posts = posts
        if posts:
            self.handle.setopt(pycurl.POSTFIELDS, request.body)
        if headers is not self._headers:
            self.handle.setopt(pycurl.HTTPHEADER, headers)
            self._headers = headers
        self.index, self._may_begin = index, may_begin
        self._departures = self._refusals = 0
        self._connected = self._first = self._withdrawn = False
        self._body.clear()
        self._lines.clear()
        self._began = time.monotonic()

    def response(self, error: int, message: str) -> Response:
        """What came of it. A status with a cut-off body is kept: an error status is still a no."""
        if self._withdrawn:
            return NOT_STARTED
        return Response(
            self.handle.getinfo(pycurl.RESPONSE_CODE),
            b"".join(self._body),
            tuple(self._lines),
            departed=self._departures > 0,
            refused=self._refusals >= self._departures > 0,
            complete=error == 0,
            error=message or (f"libcurl error {error}" if error else ""),
            duration_ms=int((time.monotonic() - self._began) * 1000),
        )

    def _connects(self, _descriptor: int, _purpose: int) -> int:
        """Asked by libcurl when it opens a socket for this request."""
        self._connected = True
        return int(pycurl.SOCKOPT_OK)

    def _departs(self, *_addresses: object) -> int:
        """Asked by libcurl when connected, just before bytes leave. Once per request only, and only
        what still may: to connect, or to wait for a stream, can have taken seconds.

        An HTTP/2 stream that the peer refused unprocessed may leave once more, so that a provider's
        GOAWAY goes unnoticed.
        """
        if not self._departures and not self._may_begin(self.index):
            self._withdrawn = True
            return int(pycurl.PREREQFUNC_ABORT)
        if self._departures:
            if not self._was_refused():
                return int(pycurl.PREREQFUNC_ABORT)
            self._refusals += 1
            if self._refusals > 1:
                return int(pycurl.PREREQFUNC_ABORT)
        self._departures += 1
        self._breaks_before = self._breaks.count
        self._first, self._connected = self._connected, False
        return int(pycurl.PREREQFUNC_OK)

    def _was_refused(self) -> bool:
        """Whether libcurl asks again because the peer has said that it did not process the stream
        (RFC 9113 §8.7: REFUSED_STREAM, and those above a GOAWAY's last stream).

        libcurl also asks again when a connection that others had used before broke off: the peer
        may have read what was on it. On a connection of its own it asks for nothing but a refusal
        (`Curl_retry_request`), also when the peer hangs up right after its GOAWAY.
        """
        return self._http2 and (self._first or self._breaks.count == self._breaks_before)
