"""What APNs and FCM have in common: a bearer token that ages, and payloads with a limit."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, cast

from app.channels import exchange
from app.channels.base import Message, OnResult, Outcome, PushMessage, Result
from app.channels.curl import HttpClient, Request
from app.channels.exchange import Judge

PAYLOAD_BYTES: Final = 4096  # both services' limit


class Token(Protocol):
    """Something that has a bearer token, or the Result that says why there is none."""

    def current(self) -> str | Result: ...

    def renewed(self, stale: str) -> str | Result:
        """A newer token than the one a service has just called stale."""
        ...


Write = Callable[[PushMessage, str], Request | Result]


def send(
    client: HttpClient,
    messages: Sequence[Message],
    token: Token,
    write: Write,
    judge: Judge,
    stale_code: str,
    on_result: OnResult,
) -> None:
    """Send all; those refused because the token was stale go out once more with a newer one.

    `judge` gets the place of the message in `messages`.
    """
    pushes = cast(Sequence[PushMessage], messages)
    places: Iterable[int] = range(len(pushes))
    bearer = token.current()
    for last_chance in (False, True):
        if isinstance(bearer, Result):
            for place in places:
                on_result(place, bearer)
            return
        stale = _pass(client, pushes, places, write, bearer, judge, on_result, stale_code)
        if last_chance:
            for place, result in stale:
                on_result(place, result)
        if not stale:
            return
        places, bearer = [place for place, _ in stale], token.renewed(bearer)


def _pass(
    client: HttpClient,
    pushes: Sequence[PushMessage],
    places: Iterable[int],
    write: Write,
    bearer: str,
    judge: Judge,
    on_result: OnResult,
    stale_code: str,
) -> list[tuple[int, Result]]:
    """One round; returns those whose answer was that the token is stale."""
    requests: list[Request] = []
    sent: list[int] = []
    stale: list[tuple[int, Result]] = []
    for place in places:
        written = write(pushes[place], bearer)
        if isinstance(written, Result):
            on_result(place, written)
        else:
            requests.append(written)
            sent.append(place)

    def settle(at: int, result: Result) -> None:
        if result.code == stale_code:
            stale.append((sent[at], result))
        else:
            on_result(sent[at], result)

    exchange.converse(client, requests, lambda at, answer: judge(sent[at], answer), settle)
    return stale


def too_large(size: int) -> Result:
    """The Result for a payload above the limit."""
    detail = f"The notification is {size} bytes; phones take at most {PAYLOAD_BYTES}."
    return Result(Outcome.REJECTED, None, "payload_too_large", detail)
