"""The gate: a second door for what a server does only by accident.

It speaks the same wires over HTTP/1.1 and HTTP/2, and can break a connection before the first byte
of an answer, refuse connections, send GOAWAY, refuse a stream, or allow one stream at a time. Tests
point a provider's base URL here when they need such a fault.
"""

import asyncio
from typing import Final

from app.sandbox.doors.door import Door

STREAMS: Final = 100


class Gate:
    """The door in the event loop, for those who talk to it from other threads."""

    def __init__(self, door: Door, loop: asyncio.AbstractEventLoop) -> None:
        self._door = door
        self._loop = loop
        self.max_streams = STREAMS

    @property
    def max_streams(self) -> int:
        """How many streams a new connection may have at once."""
        return self._door.max_streams

    @max_streams.setter
    def max_streams(self, most: int) -> None:
        self._door.max_streams = most

    def refuse(self, seconds: float) -> None:
        """Break all connections and refuse new ones for a while; back when it is so."""
        asyncio.run_coroutine_threadsafe(self._door.close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._reopen_in, seconds)

    def _reopen_in(self, seconds: float) -> None:
        self._loop.call_later(seconds, lambda: self._loop.create_task(self._door.open()))
