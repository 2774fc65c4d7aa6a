"""What APNs and FCM have in common: a bearer token that ages, and payloads with a limit."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

from app.channels import exchange
from app.channels.base import MayBegin, Message, OnResult, Outcome, PushMessage, Result
from app.channels.curl import HttpClient
from app.channels.exchange import Judge
from app.channels.transfer import Request

PAYLOAD_BYTES: Final = 4096  # both services' limit


class Token(Protocol):
    """Something that has a bearer token, or the Result that says why there is none."""

    def current(self) -> str | Result: ...

    def renewed(self, stale: str) -> str | Result:
        """A newer token than the one a service has just called stale."""
        ...


Write = Callable[[PushMessage, str], Request | Result]


@dataclass(frozen=True, slots=True)
class Wire:
    """How one service is spoken to; `stale_code` is its word for a bearer token that is too old."""

    client: HttpClient
    token: Token
    write: Write
    judge: Judge  # gets the place of the message
    stale_code: str


def send(wire: Wire, messages: Sequence[Message], on_result: OnResult, may_begin: MayBegin) -> None:
    """Send all; those refused because the token was stale go out once more with a newer one."""
    pushes = cast(Sequence[PushMessage], messages)
    places: Iterable[int] = range(len(pushes))
    bearer = wire.token.current()
    for last_chance in (False, True):
        if isinstance(bearer, Result):
            for turn, place in enumerate(places):
                on_result(place, exchange.not_attempted() if turn else bearer)
            return
        stale = _Pass(wire, pushes, on_result, may_begin).run(places, bearer)
        if last_chance:
            for place, result in stale:
                on_result(place, result)
        if not stale:
            return
        places, bearer = [place for place, _ in stale], wire.token.renewed(bearer)


class _Pass:
    """One round; `stale` are those whose answer was that the token is, and those behind them."""

    def __init__(
        self, wire: Wire, pushes: Sequence[PushMessage], on_result: OnResult, may_begin: MayBegin
    ) -> None:
        self._wire = wire
        self._pushes = pushes
        self._on_result = on_result
        self._may_begin = may_begin
        self._sent: list[int] = []
        self._stale: list[tuple[int, Result]] = []

    def run(self, places: Iterable[int], bearer: str) -> list[tuple[int, Result]]:
        requests: list[Request] = []
        for place in places:
            written = self._wire.write(self._pushes[place], bearer)
            if isinstance(written, Result):
                self._on_result(place, written)
            else:
                requests.append(written)
                self._sent.append(place)
        exchange.converse(
            self._wire.client,
            requests,
            lambda at, answer: self._wire.judge(self._sent[at], answer),
            self._settle,
            lambda at: self._may_begin(self._sent[at]),
        )
        return self._stale

    def _settle(self, at: int, result: Result) -> None:
        if result.code == self._wire.stale_code or (self._stale and not result.attempted):
            self._stale.append((self._sent[at], result))
        else:
            self._on_result(self._sent[at], result)


def too_large(size: int) -> Result:
    """The Result for a payload above the limit."""
    detail = f"The notification is {size} bytes; phones take at most {PAYLOAD_BYTES}."
    return Result(Outcome.REJECTED, None, "payload_too_large", detail)
