"""Whether messages of a batch may still begin while the batch is being handed over.

Decided a moment ago, they may have been withdrawn since: somebody opted out, a campaign was paused.
Or their time is over: a slow provider may take a minute for what was decided at once.
A gate is brought up to date every second; one that was not (the process was stopped, the database
is away) closes by itself, so that nothing leaves on knowledge older than a few seconds.
"""

import time
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from app import clock

# An opt-out is honoured within 5 s of our answer.
STALE_SECONDS: Final = 3.5


class Gate:
    """The gate of one batch; `keys` are its notifications in the order of its messages."""

    def __init__(
        self,
        keys: Sequence[int],
        looked: float | None = None,
        expiries: Sequence[datetime | None] = (),
    ) -> None:
        """`looked`: the monotonic time before what was decided was read; None: now.

        `expiries`: when the time of each message is over; None: never.
        """
        self.keys = keys
        self._expiries = expiries if any(expiries) else ()
        self.since = time.monotonic() if looked is None else looked
        self._checked = self.since
        self._stopped = False
        self._withdrawn: Collection[int] = ()

    def may_begin(self, index: int) -> bool:
        """Asked by the provider's adapter just before it begins a message."""
        if self._stopped or time.monotonic() - self._checked > STALE_SECONDS:
            return False
        if self._expiries and _is_over(self._expiries[index]):
            return False
        return not self._withdrawn or self.keys[index] not in self._withdrawn

    def checked(self, withdrawn: Collection[int], at: float) -> None:
        """What is known now; `at` is the monotonic time before it was asked for."""
        self._withdrawn = withdrawn
        self._checked = at

    def stop(self) -> None:
        """Begin nothing more of this batch."""
        self._stopped = True


def _is_over(expires_at: datetime | None) -> bool:
    return expires_at is not None and expires_at <= clock.now()
