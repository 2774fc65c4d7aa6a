"""HTTP/2 with prior knowledge at the gate, with GOAWAY and refused streams at will."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded
from h2.settings import SettingCodes, Settings

from app.sandbox.gate_http1 import trickle
from app.sandbox.reply import Reply
from app.sandbox.web import Web, within
from app.sandbox.wire import Request


@dataclass(slots=True)
class _Stream:
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)


class Http2:
    """One connection."""

    def __init__(
        self,
        web: Web,
        transport: asyncio.Transport,
        break_off: Callable[[], None],
        max_streams: int,
    ) -> None:
        self._web = web
        self._transport = transport
        self._break_off = break_off
        self._streams: dict[int, _Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        config = H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2 = H2Connection(config)
        # Before the preface: what is changed later is not in the first SETTINGS frame.
        self._h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: H2Connection.DEFAULT_MAX_HEADER_LIST_SIZE,
            },
        )
        self._h2.initiate_connection()
        self._flush()

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        for event in self._h2.receive_data(data):
            self._handle(event)
        self._flush()

    def _handle(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            headers = {str(name): str(value) for name, value in event.headers}
            self._streams[event.stream_id] = _Stream(headers)
        elif isinstance(event, DataReceived):
            self._streams[event.stream_id].body += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self._take(event.stream_id)

    def _take(self, number: int) -> None:
        stream = self._streams.pop(number)
        path, _, query = stream.headers[":path"].partition("?")
        method = stream.headers[":method"]
        request = Request(method, within(path), stream.headers, bytes(stream.body), query)
        reply = self._web.reply(path, request)
        task = asyncio.get_running_loop().create_task(self._answer(number, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, number: int, reply: Reply) -> None:
        await asyncio.sleep(reply.wait)
        match reply.raw:
            case "goaway_unprocessed":
                await self._go_away(number - 2)
            case "refused_stream":
                self._h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
                self._flush()
            case "accept_then_reset" | "reset":
                self._break_off()
            case _:
                await self._send(number, reply)
                if reply.raw == "goaway":
                    await self._go_away(number)

    async def _send(self, number: int, reply: Reply) -> None:
        whole = reply.raw == "goaway"
        headers = [(name.lower(), value) for name, value in reply.headers()]
        self._h2.send_headers(number, [(":status", str(reply.answer.status)), *headers])
        self._flush()
        cut = None if whole else reply.cut_at
        await trickle(lambda part: self._data(number, part), reply.answer.body[:cut], reply.spread)
        if cut is not None:
            await asyncio.sleep(0.05)  # let the half arrive before the reset overtakes it
            self._break_off()
            return
        self._h2.end_stream(number)
        self._flush()

    def _data(self, number: int, part: bytes) -> None:
        if part:
            self._h2.send_data(number, part)
            self._flush()

    async def _go_away(self, last: int) -> None:
        self._h2.close_connection(
            ErrorCodes.NO_ERROR, b'{"reason":"Shutdown"}', last_stream_id=max(0, last)
        )
        self._flush()
        await asyncio.sleep(0.05)
        self._transport.close()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if not self._transport.is_closing():  # the client may have lost patience
            self._transport.write(data)
