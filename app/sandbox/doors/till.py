"""The till: answers wait here until the journal is on disk.

What the event loop finds ready at once is judged one by one, written down together, and answered.
"""

import asyncio
import contextlib
import sys
import traceback
from typing import Any, Protocol

from app.sandbox.desk import Desk


def complain() -> None:
    """Say on standard error what went wrong, unless that is a file on the same full disk."""
    with contextlib.suppress(OSError):
        traceback.print_exc(file=sys.stderr)


class Visitor(Protocol):
    """A connection that waits for answers."""

    def answer(self, ticket: int, answer: Any) -> None:
        """What was called for under this ticket is written down: `answer` may go out."""
        ...

    def failed(self, ticket: int) -> None:
        """It could not be written down, so it must not be answered as if it were."""
        ...

    def flush(self) -> None:
        """That was all for now."""
        ...


class Till:
    """Belongs to the thread of the event loop."""

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        self._desk = desk
        self._loop = loop
        self._waiting: list[tuple[Visitor, int, Any]] = []

    def settle(self, visitor: Visitor, ticket: int, answer: Any) -> None:
        """Answer as soon as everything noted so far is on disk."""
        if not self._waiting:
            self._loop.call_soon(self._pay)
        self._waiting.append((visitor, ticket, answer))

    def _pay(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            self._desk.flush()
        except OSError:  # a full disk: nobody may believe that it was taken
            complain()
            for visitor, ticket, _ in waiting:
                visitor.failed(ticket)
        else:
            for visitor, ticket, answer in waiting:
                _hand_over(visitor, ticket, answer)
        for visitor in dict.fromkeys(visitor for visitor, _, _ in waiting):
            visitor.flush()


def _hand_over(visitor: Visitor, ticket: int, answer: Any) -> None:
    """One answer that cannot be written must not cost the others theirs."""
    try:
        visitor.answer(ticket, answer)
    except Exception:
        complain()
        visitor.failed(ticket)
