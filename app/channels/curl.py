"""One HTTP engine for every provider: libcurl's multi interface, one per thread.

It carries many requests at once over connections that stay open between calls, over HTTP/1.1 or
HTTP/2, each under a real deadline from being started to its last byte. It never follows a redirect
and **never sends a request twice**: libcurl by itself resends when a kept-open connection dies
under it, which would double a message, so a second departure is refused (see transfer.py).
"""

import contextlib
import select
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pycurl

from app.channels.base import CALL_SECONDS, CONNECT_SECONDS, MayBegin, always
from app.channels.sockets import action_of, ca_bundle, has_ended
from app.channels.transfer import NOT_STARTED, Breaks, Request, Response, Transfer

RESPONSE_LIMIT: Final = 64 * 1024  # bytes; providers answer with less than two kilobytes
# In the air where answers come at once: libcurl looks at every stream when one moves.
FEW_AT_ONCE: Final = 32
LONG_MS: Final = 20
_TIMERS_DUE: Final = pycurl.SOCKET_TIMEOUT
_IN, _OUT = select.POLLIN, select.POLLOUT
_POLL: Final = {pycurl.POLL_IN: _IN, pycurl.POLL_OUT: _OUT, pycurl.POLL_INOUT: _IN | _OUT}


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How an engine behaves; `ca_file` is for providers behind a private authority."""

    headers: tuple[str, ...] = ()
    concurrency: int = 32
    http2: bool = False
    connections: int = 0  # most connections per host; 0: as many as there are requests
    deadline_s: float = CALL_SECONDS
    connect_s: float = CONNECT_SECONDS
    idle_s: int = 50  # a connection unused for longer is not trusted any more
    ca_file: str = ""


# Returns True when nothing more should be started (the provider asked for peace).
OnResponse = Callable[[int, Response], bool]


class HttpClient:
    """The engines of one provider: one per thread, made when the thread first needs it."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._local = threading.local()

    def run(
        self, requests: Sequence[Request], on_response: OnResponse, may_begin: MayBegin = always
    ) -> None:
        """Do the requests that may begin; `on_response(index, response)` once for each, in this
        thread.
        """
        engine: Engine | None = getattr(self._local, "engine", None)
        if engine is None:
            engine = self._local.engine = Engine(self._options)
        try:
            engine.run(requests, on_response, may_begin)
        except BaseException:
            # A worker that is told to stop is interrupted anywhere: start afresh next time.
            del self._local.engine
            engine.close()
            raise


class Engine:
    """One CurlMulti, its idle handles and its connections. Belongs to one thread."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._standing = list(options.headers)
        self._poll = select.poll()
        self._timer_at: float | None = None
        self._multi = self._new_multi()
        self._idle: list[Transfer] = []
        self._busy: dict[Any, Transfer] = {}
        self._breaks = Breaks()
        self._warm = not options.http2
        self._most = min(FEW_AT_ONCE, options.concurrency)
        self._closing = False

    def run(
        self, requests: Sequence[Request], on_response: OnResponse, may_begin: MayBegin = always
    ) -> None:
        """See HttpClient.run. Ends within two deadlines, within one if the provider is silent."""
        self._closing = False
        starting_ends = time.monotonic() + self._options.deadline_s
        following = 0
        while True:
            while following < len(requests) and len(self._busy) < self._window():
                if self._closing or time.monotonic() >= starting_ends:
                    break
                if may_begin(following):
                    self._start(following, requests[following], may_begin)
                else:
                    on_response(following, NOT_STARTED)
                following += 1
            if not self._busy:
                break
            self._wait()
            self._collect(on_response)
        for index in range(following, len(requests)):
            on_response(index, NOT_STARTED)

    def close(self) -> None:
        """Drop every connection and handle, whatever they were doing."""
        for transfer in self._busy.values():
            self._multi.remove_handle(transfer.handle)
        self._busy.clear()
        self._multi.close()
        self._idle.clear()

    def _window(self) -> int:
        """One request alone until a fresh HTTP/2 peer has answered: its limit may start at 1."""
        return self._most if self._warm else 1

    def _learn(self, duration_ms: int) -> None:
        """At 80 ms a call, 32 at once become 200 within a quarter of a second."""
        if duration_ms > LONG_MS:
            self._most = min(self._most + 1, self._options.concurrency)
        elif self._most > FEW_AT_ONCE:
            self._most -= 1

    def _start(self, index: int, request: Request, may_begin: MayBegin) -> None:
        transfer = self._idle.pop() if self._idle else self._new_transfer(request.url)
        transfer.prepare(index, request, self._standing, may_begin)
        self._busy[transfer.handle] = transfer
        self._multi.add_handle(transfer.handle)

    def _wait(self) -> None:
        """Sleep until a socket or a timer of libcurl's needs attention, then let it work."""
        pause = 1000
        if self._timer_at is not None:
            left = self._timer_at - time.monotonic()
            pause = min(pause, int(left * 1000) + 1) if left > 0 else 0
        for descriptor, happened in self._poll.poll(pause):
            if happened & (select.POLLERR | select.POLLHUP):
                self._breaks.count += 1
            self._multi.socket_action(descriptor, action_of(happened))
        if self._timer_at is not None and time.monotonic() >= self._timer_at:
            self._timer_at = None
            self._multi.socket_action(_TIMERS_DUE, 0)

    def _collect(self, on_response: OnResponse) -> None:
        more = 1
        while more:
            more, finished, failed = self._multi.info_read()
            for handle in finished:
                self._finish(handle, 0, "", on_response)
            for handle, error, message in failed:
                self._finish(handle, error, message, on_response)

    def _finish(self, handle: Any, error: int, message: str, on_response: OnResponse) -> None:
        transfer = self._busy.pop(handle)
        self._multi.remove_handle(handle)
        response = transfer.response(error, message)
        self._idle.append(transfer)
        self._learn(response.duration_ms)
        if error == 0:
            self._warm = True
        elif self._options.http2 and not self._busy:
            self._warm = False
        unreachable = error and response.begun and not response.departed
        if error == pycurl.E_OPERATION_TIMEDOUT or unreachable:
            self._closing = True  # silent or unreachable: do not make the others wait for it
        if on_response(transfer.index, response):
            self._closing = True

    def _new_multi(self) -> Any:
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        multi.setopt(pycurl.M_MAXCONNECTS, max(4, self._options.concurrency))
        multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        if self._options.connections:
            multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, self._options.connections)
        return multi

    def _on_socket(self, event: int, descriptor: int, _multi: Any, _data: Any) -> None:
        if event == pycurl.POLL_REMOVE:
            if self._options.http2 and has_ended(descriptor):  # asked about streams only
                self._breaks.count += 1
            with contextlib.suppress(KeyError):
                self._poll.unregister(descriptor)
        else:
            self._poll.register(descriptor, _POLL.get(event, 0))

    def _on_timer(self, milliseconds: int) -> None:
        if milliseconds < 0:
            self._timer_at = None
        else:
            self._timer_at = time.monotonic() + milliseconds / 1000

    def _new_transfer(self, url: str) -> Transfer:
        options, curl = self._options, pycurl.Curl()
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(options.connect_s * 1000))
        curl.setopt(pycurl.TIMEOUT_MS, int(options.deadline_s * 1000))
        curl.setopt(pycurl.MAXFILESIZE, RESPONSE_LIMIT)
        curl.setopt(pycurl.MAXAGE_CONN, options.idle_s)
        curl.setopt(pycurl.TCP_KEEPALIVE, 1)
        curl.setopt(pycurl.SSL_VERIFYPEER, 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 2)
        curl.setopt(pycurl.CAINFO, options.ca_file or ca_bundle())
        curl.setopt(pycurl.HTTP_VERSION, _http_version(options.http2, url))
        curl.setopt(pycurl.PIPEWAIT, int(options.http2))
        return Transfer(curl, options.http2, self._breaks)


def _http_version(http2: bool, url: str) -> int:
    """HTTP/2 by ALPN under TLS; in clear by prior knowledge, for sandboxes."""
    if not http2:
        return int(pycurl.CURL_HTTP_VERSION_1_1)
    if url.startswith("https:"):
        return int(pycurl.CURL_HTTP_VERSION_2TLS)
    return int(pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
