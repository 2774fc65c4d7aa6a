"""One send() over HTTP: requests out, one Result per request in.

An adapter brings a judge that reads its provider's answers; what went wrong on the way is the same
for all of them and is judged here. When an answer closes the lane (slow down, wrong credentials) or
one call after the other fails, nothing more is started: what is left was not attempted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from app.channels.base import Concern, MayBegin, Outcome, Result, Scope, always
from app.channels.curl import HttpClient
from app.channels.retry_after import NO_WAIT, Wait, from_retry_after
from app.channels.transfer import Request, Response

Judge = Callable[[int, Response], Result]
Settle = Callable[[int, Result], None]

# So many failures without a success between them: the provider is down, stop asking.
MOST_FAILURES: Final = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a provider's outcome table."""

    outcome: Outcome
    detail: str
    scope: Scope = "message"
    code: str = ""  # our word where the provider has none
    concern: Concern | None = None


def converse(
    client: HttpClient,
    requests: Sequence[Request],
    judge: Judge,
    settle: Settle,
    may_begin: MayBegin = always,
) -> None:
    """Do the requests; `settle(index, result)` once for each, in this thread."""
    closed = False
    failures = 0

    def on_response(index: int, response: Response) -> bool:
        nonlocal closed, failures
        if not response.begun:
            settle(index, not_attempted())
            return closed
        failure = transport_failure(response)
        result = judge(index, response) if failure is None else failure
        failures = failures + 1 if result.outcome in FAILED else 0
        accepted = result.outcome is Outcome.ACCEPTED
        if failures >= MOST_FAILURES or (result.scope == "lane" and not accepted):
            closed = True
        settle(index, result)
        return closed

    client.run(requests, on_response, may_begin)


def transport_failure(response: Response) -> Result | None:
    """A Result when there was no usable answer, else None.

    An error status whose body was cut off is an answer: the request was not accepted. A 2xx cut
    short is not: nobody knows.
    """
    if response.complete or response.status >= 300:
        return None
    if response.refused:
        code, detail = "refused_stream", "The provider closed the connection without reading this."
        return Result(Outcome.RETRY, None, code, detail, duration_ms=response.duration_ms)
    if not response.departed:
        code, detail = "unreachable", "The provider could not be reached; nothing was sent."
        return Result(Outcome.RETRY, None, code, detail, duration_ms=response.duration_ms)
    code, detail = "no_answer", "The request left Herald, but no usable answer came back."
    return Result(Outcome.AMBIGUOUS, None, code, detail, duration_ms=response.duration_ms)


def broken_success(response: Response) -> Result:
    """A 2xx that does not look like this provider's: accepted or not, nobody knows."""
    detail = "The answer said yes but was not in the provider's form."
    return Result(
        Outcome.AMBIGUOUS, None, "broken_answer", detail, duration_ms=response.duration_ms
    )


def from_row(row: Row, code: str, response: Response, wait: Wait = NO_WAIT) -> Result:
    """The Result of a table row for this answer."""
    return Result(
        row.outcome,
        None,
        row.code or code,
        row.detail,
        wait.until,
        row.scope,
        duration_ms=response.duration_ms,
        concern=Concern.ABSURD_WAIT if wait.absurd else row.concern,
    )


def by_status(provider: str, response: Response, now: datetime, code: str = "") -> Result:
    """The rule for what no table names: 5xx may work later, 3xx is a wrong address, 4xx is a no.

    `code` is the provider's own word for it, if there was one.
    """
    status = response.status
    if status >= 500:
        row = Row(Outcome.RETRY, f"{provider} had an internal fault ({status}).")
        wait = from_retry_after(response.header("retry-after"), now)
        return from_row(row, str(status), response, wait)
    if status < 300:
        return broken_success(response)
    if status < 400:
        detail = f"{provider} answered with a redirect ({status}); check its base address."
        return from_row(Row(Outcome.CONFIG_ERROR, detail, "lane"), str(status), response)
    detail = f"{provider} refused the message in a way Herald does not know (status {status})."
    return from_row(
        Row(Outcome.REJECTED, detail, concern=Concern.UNMAPPED), code or str(status), response
    )


def json_object(body: bytes) -> Mapping[str, Any]:
    """The body as a JSON object; empty when it is anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def not_attempted() -> Result:
    """Its turn never came: withdrawn, out of time, or the provider wants or gives no answers."""
    return _NOT_ATTEMPTED


_NOT_ATTEMPTED: Final = Result(
    Outcome.RETRY, None, "not_attempted", "This message was not begun.", attempted=False
)
# Outcomes that speak against the provider, not against the message.
FAILED: Final = frozenset({Outcome.RETRY, Outcome.AMBIGUOUS})


def unencodable() -> Result:
    """Text that is not text (half of a surrogate pair) cannot be put on any wire."""
    detail = "The content holds characters that cannot be written as UTF-8."
    return Result(Outcome.REJECTED, None, "bad_characters", detail)
