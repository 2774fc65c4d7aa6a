"""What all HTTP connections of a door share: where requests go, and the manner of their answers."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from app.sandbox.doors.till import Till, Visitor, complain
from app.sandbox.reply import Reply
from app.sandbox.web import Web
from app.sandbox.wire import Answer, Call, Request

_STEPS: Final = 40
# To read a mail to hundreds of people takes ten milliseconds: others do not wait for that.
_LARGE_BYTES: Final = 32 * 1024
FAILED: Final = Reply(Answer(500))


class Room:
    """`rough` is the gate's manner: it breaks connections where the front door breaks answers."""

    def __init__(
        self, web: Web, till: Till, loop: asyncio.AbstractEventLoop, *, rough: bool = False
    ) -> None:
        self.rough = rough
        self._web = web
        self._till = till
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader = ThreadPoolExecutor(1, "reader")

    def take(self, visitor: Visitor, ticket: int, path: str, request: Request) -> None:
        """Have a request judged and written down; the visitor hears of it later."""
        if not self._web.is_provider(path):
            self.spawn(self._show_page(visitor, ticket, path, request))
        elif len(request.body) > _LARGE_BYTES and self._web.is_mail(path):
            self.spawn(self._judge_slowly(visitor, ticket, path, request))
        else:
            self._judge(visitor, ticket, path, request)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something that takes its time."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _judge(
        self, visitor: Visitor, ticket: int, path: str, request: Request, read: Call | None = None
    ) -> None:
        try:
            reply = self._web.reply(path, request, read)
        except Exception:  # what a server does: 500, and the next request
            complain()
            reply = FAILED
        self._till.settle(visitor, ticket, reply)

    async def _judge_slowly(
        self, visitor: Visitor, ticket: int, path: str, request: Request
    ) -> None:
        try:
            read = await self._loop.run_in_executor(self._reader, self._web.read, path, request)
        except Exception:
            complain()
            self._till.settle(visitor, ticket, FAILED)
        else:
            self._judge(visitor, ticket, path, request, read)

    async def _show_page(self, visitor: Visitor, ticket: int, path: str, request: Request) -> None:
        page = partial(self._web.page, path, request)
        try:
            visitor.answer(ticket, await self._loop.run_in_executor(None, page))
        except Exception:
            complain()
            visitor.failed(ticket)
        visitor.flush()


async def trickle(
    write: Callable[[bytes], object], body: bytes, seconds: float, *, bytewise: bool
) -> None:
    """Write a body at once, or spread over some seconds: in steps, or a byte at a time."""
    if not seconds:
        write(body)
        return
    step = 1 if bytewise else max(1, len(body) // _STEPS)
    parts = [body[at : at + step] for at in range(0, len(body), step)]
    for part in parts:
        await asyncio.sleep(seconds / len(parts))
        write(part)
