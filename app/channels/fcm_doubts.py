"""Whose fault "invalid argument" is: the token's only if the same payload went through elsewhere.

FCM says INVALID_ARGUMENT of tokens and of payloads alike, so a mistake in a template could look
like hundreds of dead devices (provider contract §4).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from app.channels.base import OnResult, Outcome, PushMessage, Result

DOUBTED: Final = "doubted"
CODE: Final = "INVALID_ARGUMENT"
_NOT_A_DEVICE: Final = "FCM says this is not a device token; it took the same content for another."


class Doubts:
    """Results of one send on their way out; doubted tokens wait until all have been seen."""

    def __init__(self, messages: Sequence[PushMessage], on_result: OnResult) -> None:
        self._messages = messages
        self._on_result = on_result
        self._doubted: list[tuple[int, Result]] = []
        self._accepted: list[int] = []

    def take(self, place: int, result: Result) -> None:
        """An answer; `code` DOUBTED says that it may be about the token."""
        if result.code == DOUBTED:
            self._doubted.append((place, result))
            return
        if result.outcome is Outcome.ACCEPTED:
            self._accepted.append(place)
        self._on_result(place, result)

    def close(self) -> None:
        """Decide about the doubted ones."""
        if not self._doubted:
            return
        valid = {_payload(self._messages[place]) for place in self._accepted}
        for place, result in self._doubted:
            settled = replace(result, code=CODE)
            if _payload(self._messages[place]) in valid:
                settled = replace(settled, outcome=Outcome.RECIPIENT_DEAD, detail=_NOT_A_DEVICE)
            self._on_result(place, settled)


def _payload(message: PushMessage) -> tuple[object, ...]:
    """What FCM validates besides the token; ids of ours differ and are always well formed."""
    names = tuple(sorted(message.data))
    return message.title, message.body, message.image, message.url, message.sound, names
