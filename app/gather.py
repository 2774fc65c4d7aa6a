"""What arrives together is written together.

A commit costs the web process and the disk far more than one row does. So the first thread that
comes writes for all that have come by then, in one transaction, and lets each of them be answered;
what comes meanwhile is the next group. The threads that wait do this themselves, in turn: there is
no other thread that could die, be missing after a fork, or hold up a stop.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar, cast

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

PATIENCE_SECONDS: Final = 5.0
LARGEST_GROUP: Final = 200
HEAVIEST_GROUP: Final = 8 * 1024 * 1024
# One item's trouble with others' locks: deadlock, and a lock that was not to be had in time.
_LOCKED: Final = ("40P01", "55P03")

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class NotWritten(Exception):
    """The item was not committed in time. Whoever sent it has to do so again.

    Of a gatherer that is not `sure` it may be committed later.
    """


class _Ticket(Generic[Item, Answer]):
    """An item whose thread waits for `woken`: it is settled then, or has to lead the next group."""

    __slots__ = ("answer", "error", "item", "leads", "settled", "woken")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.woken = threading.Event()
        self.leads = False
        self.settled = False
        self.answer: Answer | None = None
        self.error: Exception | None = None


class Gatherer(Generic[Item, Answer]):
    """`write` commits items, all or none, and answers for each of them in order.

    The first of a group waits `linger` seconds for company. A gatherer that is `eager` waits only
    while things come in crowds, and no longer than until as many have come as the last time: an
    item that comes alone is written at once. `weigh` says how many bytes an item has.

    After `patience` seconds an item is given up. One that is `sure` only gives up what nobody has
    begun to write, and waits for the end of the rest, which the database's time-outs bound.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Sequence[Answer]],
        *,
        linger: float,
        patience: float = PATIENCE_SECONDS,
        eager: bool = False,
        sure: bool = False,
        weigh: Callable[[Item], int] = lambda _item: 0,
    ) -> None:
        self._write = write
        self._linger = linger
        self._patience = patience
        self._eager = eager
        self._sure = sure
        self._weigh = weigh
        self._lock = threading.Lock()
        self._company = threading.Event()
        self._expected = 1
        self._waiting: list[_Ticket[Item, Answer]] = []
        self._is_led = False

    def hand_in(self, item: Item) -> Answer:
        """Return once the item is committed. Raises NotWritten, or what refused this very item."""
        ticket: _Ticket[Item, Answer] = _Ticket(item)
        with self._lock:
            self._waiting.append(ticket)
            leads, self._is_led = not self._is_led, True
            if self._is_crowd():
                self._company.set()
        if leads or self._must_lead(ticket):
            self._lead()
        if ticket.error is not None:
            raise ticket.error
        return cast(Answer, ticket.answer)

    def wrote(self, count: int) -> None:
        """Called by the thread that has written a group, of which `count` items were committed."""

    def _must_lead(self, ticket: _Ticket[Item, Answer]) -> bool:
        """Wait for the group that has this item, or for the turn to write the next one."""
        if not ticket.woken.wait(self._patience) and not self._withdraw(ticket) and self._sure:
            ticket.woken.wait()
        with self._lock:
            if ticket.settled or ticket.leads:
                return not ticket.settled
        raise NotWritten("The database took too long.")

    def _withdraw(self, ticket: _Ticket[Item, Answer]) -> bool:
        """Give up an item that waits for its group to begin; False: somebody has taken it."""
        with self._lock:
            waits = ticket in self._waiting and not ticket.leads
            if waits:
                self._waiting.remove(ticket)
            return waits

    def _lead(self) -> None:
        """Write what waits, this thread's own item first, and hand over to the next group."""
        self._wait_for_company()
        with self._lock:
            group = self._next_group()
        try:
            self._write_all(group)
        finally:
            self._settle(group)
        if written := sum(ticket.error is None for ticket in group):
            self.wrote(written)

    def _wait_for_company(self) -> None:
        with self._lock:
            if self._eager and self._is_crowd():
                return
            self._company.clear()
        self._company.wait(self._linger)

    def _is_crowd(self) -> bool:
        return self._eager and len(self._waiting) >= self._expected

    def _next_group(self) -> list[_Ticket[Item, Answer]]:
        size = 0
        for number, ticket in enumerate(self._waiting):
            size += self._weigh(ticket.item)
            if number and (number >= LARGEST_GROUP or size > HEAVIEST_GROUP):
                break
        else:
            number = len(self._waiting)
        group, self._waiting = self._waiting[:number], self._waiting[number:]
        self._expected = number
        for ticket in group:
            # Until it is known better, also should this thread be torn down.
            ticket.error = NotWritten("The group was not written.")
        return group

    def _settle(self, group: Sequence[_Ticket[Item, Answer]]) -> None:
        with self._lock:
            for ticket in group:
                ticket.settled = True
            self._is_led = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].woken.set()
        for ticket in group:
            ticket.woken.set()

    def _write_all(self, group: Sequence[_Ticket[Item, Answer]]) -> None:
        error = self._refusal(group)
        if error is None or len(group) == 1 or _is_of_all(error):
            for ticket in group:
                ticket.error = error
            return
        # One of them cannot be stored: the others must not suffer.
        for ticket in group:
            ticket.error = self._refusal([ticket])

    def _refusal(self, group: Sequence[_Ticket[Item, Answer]]) -> Exception | None:
        try:
            answers = self._write([ticket.item for ticket in group])
        except Exception as error:
            return error
        for ticket, answer in zip(group, answers, strict=True):
            ticket.answer = answer
        return None


def _is_of_all(error: Exception) -> bool:
    """Whether the database is away: it is not asked again for each."""
    if isinstance(error, OperationalError):
        return getattr(error.orig, "sqlstate", None) not in _LOCKED
    return isinstance(error, InterfaceError | PoolTimeout)
