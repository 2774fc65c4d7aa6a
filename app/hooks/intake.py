"""Webhooks that arrive together are committed together.

A commit costs the web process and the disk far more than a post does. So the first post that comes
waits a moment for others, writes all of them in one transaction and lets each of them be answered;
what comes meanwhile is the next group. The threads that wait do this themselves, in turn: there is
no other thread that could die, be missing after a fork, or hold up a stop.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.tracking.receipts import Post

LINGER_SECONDS: Final = 0.004
PATIENCE_SECONDS: Final = 5.0
LARGEST_GROUP: Final = 200
LARGEST_BYTES: Final = 8 * 1024 * 1024
# The database is away for all of them alike: it is not asked again for each.
_AWAY: Final = (OperationalError, InterfaceError, PoolTimeout)


class NotKept(Exception):
    """The post was not committed in time; it may be later. The caller has to send it again."""


class _Ticket:
    """A post whose thread waits for `woken`: it is settled then, or has to lead the next group."""

    __slots__ = ("error", "leads", "post", "settled", "woken")

    def __init__(self, post: Post) -> None:
        self.post = post
        self.woken = threading.Event()
        self.leads = False
        self.settled = False
        self.error: Exception | None = None


class Intake:
    """`write` commits posts, all or none; `told` is called after a group was committed."""

    def __init__(
        self,
        write: Callable[[Sequence[Post]], None],
        told: Callable[[], None],
        linger: float = LINGER_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._write = write
        self._told = told
        self._linger = linger
        self._patience = patience
        self._lock = threading.Lock()
        self._waiting: list[_Ticket] = []
        self._is_led = False

    def keep(self, post: Post) -> None:
        """Return once the post is committed. Raises NotKept, or what refused this very post."""
        ticket = _Ticket(post)
        with self._lock:
            self._waiting.append(ticket)
            leads, self._is_led = not self._is_led, True
        if leads or self._must_lead(ticket):
            self._lead()
        if ticket.error is not None:
            raise ticket.error

    def _must_lead(self, ticket: _Ticket) -> bool:
        """Wait for the group that has this post, or for the turn to write the next one."""
        ticket.woken.wait(self._patience)
        with self._lock:
            if ticket.settled or ticket.leads:
                return not ticket.settled
            if ticket in self._waiting:
                self._waiting.remove(ticket)
        raise NotKept("The database took too long.")

    def _lead(self) -> None:
        """Write what waits, this thread's own post first, and hand over to the next group."""
        time.sleep(self._linger)
        with self._lock:
            group = self._next_group()
        try:
            self._write_all(group)
        finally:
            self._settle(group)
        if any(ticket.error is None for ticket in group):
            self._told()

    def _next_group(self) -> list[_Ticket]:
        size = 0
        for number, ticket in enumerate(self._waiting):
            size += len(ticket.post.body)
            if number and (number >= LARGEST_GROUP or size > LARGEST_BYTES):
                break
        else:
            number = len(self._waiting)
        group, self._waiting = self._waiting[:number], self._waiting[number:]
        for ticket in group:
            # Until it is known better, also should this thread be torn down.
            ticket.error = NotKept("The group was not written.")
        return group

    def _settle(self, group: Sequence[_Ticket]) -> None:
        with self._lock:
            for ticket in group:
                ticket.settled = True
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].woken.set()
        for ticket in group:
            ticket.woken.set()

    def _write_all(self, group: Sequence[_Ticket]) -> None:
        error = self._refusal(group)
        if error is None or len(group) == 1 or isinstance(error, _AWAY):
            for ticket in group:
                ticket.error = error
            return
        # One of them cannot be stored: the others must not suffer.
        for ticket in group:
            ticket.error = self._refusal([ticket])

    def _refusal(self, group: Sequence[_Ticket]) -> Exception | None:
        try:
            self._write([ticket.post for ticket in group])
        except Exception as error:
            return error
        return None
