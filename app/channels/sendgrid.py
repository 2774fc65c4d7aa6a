"""SendGrid v3 Mail Send: one call for up to hundreds of recipients (provider contract §1).

SendGrid has no idempotency key, so a lost answer stays ambiguous until an event brings our id back
(`custom_args`: `nid` is the message, `att` the attempt).
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import orjson

from app import clock
from app.channels import exchange, headers, sendgrid_calls
from app.channels.base import (
    CALL_SECONDS,
    EmailMessage,
    MayBegin,
    Message,
    OnResult,
    Outcome,
    Result,
    always,
)
from app.channels.curl import EngineOptions, HttpClient
from app.channels.exchange import Row
from app.channels.retry_after import Wait, from_reset, from_retry_after
from app.channels.sendgrid_calls import Call
from app.channels.transfer import Request, Response


@dataclass(frozen=True, slots=True)
class SendGridConfig:
    """`base_url` is https://api.eu.sendgrid.com for European subusers."""

    api_key: str
    base_url: str = "https://api.sendgrid.com"
    concurrency: int = 32
    deadline_s: float = CALL_SECONDS


BY_STATUS: Final[dict[int, Row]] = {
    401: Row(Outcome.CONFIG_ERROR, "SendGrid does not accept the API key.", "lane"),
    403: Row(Outcome.CONFIG_ERROR, "The SendGrid API key may not send mail.", "lane"),
    404: Row(Outcome.CONFIG_ERROR, "SendGrid's address is wrong (not found).", "lane"),
    405: Row(Outcome.CONFIG_ERROR, "SendGrid's address is wrong (method refused).", "lane"),
    413: Row(Outcome.REJECTED, "The e-mail is too large for SendGrid."),
    415: Row(Outcome.CONFIG_ERROR, "SendGrid does not take this kind of request.", "lane"),
    429: Row(Outcome.THROTTLED, "SendGrid asks for fewer calls.", "lane"),
    500: Row(Outcome.RETRY, "SendGrid had an internal fault."),
    502: Row(Outcome.RETRY, "A gateway of SendGrid's failed."),
    503: Row(Outcome.RETRY, "SendGrid is not available at the moment."),
    504: Row(Outcome.AMBIGUOUS, "A gateway of SendGrid's gave up; it may have passed it on."),
}
QUOTA: Final = Row(
    Outcome.CONFIG_ERROR, "The SendGrid account has used up its credits.", "lane", "quota"
)
SENDER: Final = Row(
    Outcome.CONFIG_ERROR, "SendGrid has not verified the sender's address.", "lane", "sender"
)
BAD_ADDRESS: Final = Row(
    Outcome.RECIPIENT_DEAD, "SendGrid says this is not a valid address.", code="invalid_address"
)

_PERSON: Final = re.compile(r"personalizations\W+(\d+)\b")
_FIELD: Final = re.compile(r"[A-Za-z0-9_.\[\]-]{1,80}")


class SendGridProvider:
    """The e-mail channel by SendGrid."""

    name = "sendgrid"

    def __init__(self, config: SendGridConfig, now: Callable[[], datetime] = clock.now) -> None:
        self._now = now
        self._deadline_s = config.deadline_s
        self._url = f"{config.base_url}/v3/mail/send"
        self._client = HttpClient(
            EngineOptions(
                headers=(
                    f"Authorization: Bearer {config.api_key}",
                    "Content-Type: application/json",
                    "Accept: application/json",
                    "User-Agent: Herald",
                    "Expect:",
                ),
                concurrency=config.concurrency,
                deadline_s=config.deadline_s,
            )
        )

    def send(
        self, messages: Sequence[Message], on_result: OnResult, may_begin: MayBegin = always
    ) -> None:
        """See Provider.send."""
        fit = []
        inspector = headers.Inspector()
        for place, message in enumerate(cast(Sequence[EmailMessage], messages)):
            if inspector.break_out(message):
                on_result(place, headers.refused())
            else:
                fit.append((place, message))
        sending = _Sending(self._client, self._url, self._now, on_result, may_begin)
        sending.send(sendgrid_calls.plan(fit), time.monotonic() + self._deadline_s)


class _Sending:
    """One send(): calls go out in rounds, because a faulty recipient must not hold the others.

    A second round carries those who shared a call with somebody SendGrid refused by name, or a
    call that was too large as a whole.
    """

    def __init__(
        self,
        client: HttpClient,
        url: str,
        now: Callable[[], datetime],
        on_result: OnResult,
        may_begin: MayBegin,
    ) -> None:
        self._client = client
        self._url = url
        self._now = now
        self._on_result = on_result
        self._may_begin = may_begin
        self._calls: list[Call] = []
        self._again: list[Call] = []

    def send(self, calls: list[Call], ends: float) -> None:
        while calls:
            self._again = []
            self._calls, requests = self._encode(calls)
            exchange.converse(self._client, requests, self._judge, self._settle, self._begins)
            calls = self._again
            if calls and time.monotonic() > ends:
                for call in calls:
                    self._report(call, exchange.not_attempted())
                return

    def _encode(self, calls: list[Call]) -> tuple[list[Call], list[Request]]:
        good, requests = [], []
        for call in calls:
            try:
                body = call.body()
            except orjson.JSONEncodeError:
                if len(call.members) == 1:
                    self._report(call, exchange.unencodable())
                else:
                    self._again.extend(call.halves())
                continue
            if len(body) > sendgrid_calls.CALL_BYTES and len(call.members) > 1:
                self._again.extend(call.halves())
                continue
            good.append(call)
            requests.append(Request(self._url, body))
        return good, requests

    def _begins(self, at: int) -> bool:
        """A call leaves as a whole or not at all: what is left behind is decided anew at once."""
        return all(self._may_begin(place) for place, _ in self._calls[at].members)

    def _judge(self, at: int, response: Response) -> Result:
        status = response.status
        if status == 202:
            message_id = response.header("x-message-id") or None
            return Result(Outcome.ACCEPTED, message_id, "202", duration_ms=response.duration_ms)
        if status == 200:  # sandbox mode of mail_settings: checked, not sent on
            return _sandbox_mode(response)
        errors = _errors(response.body)
        if status == 413 and self._split(self._calls[at]):
            return _HANDLED
        if status == 400:
            return self._judge_400(at, response, errors)
        if status == 401 and any("credits exceeded" in _text(error) for error in errors):
            return exchange.from_row(QUOTA, "quota", response)
        row = BY_STATUS.get(status)
        if row is None:
            return exchange.by_status("SendGrid", response, self._now())
        return exchange.from_row(row, str(status), response, self._wait(response))

    def _judge_400(
        self, at: int, response: Response, errors: Sequence[Mapping[str, Any]]
    ) -> Result:
        if any(_about_sender(error) for error in errors):
            return exchange.from_row(SENDER, "sender", response)
        call = self._calls[at]
        named: dict[int, Mapping[str, Any]] = {}
        for error in errors:
            found = _PERSON.search(str(error.get("field") or ""))
            if found is None:  # about the call as a whole
                return exchange.from_row(_refusal(error), "400", response)
            named.setdefault(int(found[1]), error)
        named = {place: error for place, error in named.items() if place < len(call.members)}
        if not named:
            return exchange.from_row(_refusal({}), "400", response)
        rest = [member for place, member in enumerate(call.members) if place not in named]
        for place, error in named.items():
            row = BAD_ADDRESS if _about_address(error) else _refusal(error)
            self._on_result(call.members[place][0], exchange.from_row(row, "400", response))
        if rest:
            self._again.append(Call(rest))
        return _HANDLED

    def _split(self, call: Call) -> bool:
        if len(call.members) == 1:
            return False
        self._again.extend(call.halves())
        return True

    def _settle(self, at: int, result: Result) -> None:
        if result is not _HANDLED:
            self._report(self._calls[at], result)

    def _report(self, call: Call, result: Result) -> None:
        for place, _ in call.members:
            self._on_result(place, result)

    def _wait(self, response: Response) -> Wait:
        """No Retry-After is documented; the reset time of the rate limit is what counts."""
        now = self._now()
        if response.status == 429:
            reset = from_reset(response.header("x-ratelimit-reset"), now)
            if reset.until is not None:
                return reset
        return from_retry_after(response.header("retry-after"), now)


# The members of this call have their results already, or go out again.
_HANDLED: Final = Result(Outcome.RETRY, code="handled")


def _sandbox_mode(response: Response) -> Result:
    if response.body.strip() and not exchange.json_object(response.body):
        return exchange.broken_success(response)
    message_id = response.header("x-message-id") or None
    return Result(Outcome.ACCEPTED, message_id, "200", duration_ms=response.duration_ms)


def _errors(body: bytes) -> list[Mapping[str, Any]]:
    errors = exchange.json_object(body).get("errors")
    if not isinstance(errors, list):
        return []
    return [error for error in errors if isinstance(error, dict)]


def _text(error: Mapping[str, Any]) -> str:
    return str(error.get("message") or "").lower()


def _about_sender(error: Mapping[str, Any]) -> bool:
    field = str(error.get("field") or "")
    return field.split(".", maxsplit=1)[0] == "from" or "verified sender identity" in _text(error)


def _about_address(error: Mapping[str, Any]) -> bool:
    to = re.search(r"personalizations\W+\d+\W+to\b", str(error.get("field") or ""))
    return to is not None and "valid" in _text(error) and "address" in _text(error)


def _refusal(error: Mapping[str, Any]) -> Row:
    """A refusal names the field, never its value: that may be an address."""
    field = str(error.get("field") or "")
    about = f" because of the field {field}" if _FIELD.fullmatch(field) else ""
    return Row(Outcome.REJECTED, f"SendGrid refused the e-mail{about}.")
