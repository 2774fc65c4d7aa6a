"""Twilio Messages: one form POST per text message (provider contract §3).

Twilio keeps no client reference and has no idempotency for create, so our id travels in the status
callback's URL: a callback is the evidence that settles a lost answer.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast
from urllib.parse import quote_plus

from app import clock
from app.channels import exchange
from app.channels.base import (
    CALL_SECONDS,
    Concern,
    KnownText,
    MayBegin,
    Message,
    OnResult,
    Outcome,
    Result,
    SmsMessage,
    always,
)
from app.channels.curl import EngineOptions, HttpClient
from app.channels.exchange import Row
from app.channels.retry_after import Wait, from_retry_after
from app.channels.transfer import Request, Response
from app.channels.twilio_look_up import TwilioLookUp

LONGEST_VALIDITY_S: Final = 36_000
# Connection overrides: five retries, on every kind of failure. Twilio's own default is one retry,
# and none at all when we answer 5xx. The fragment is never sent to us and is not signed.
_CALLBACK_RETRIES: Final = quote_plus("#rc=5&rp=all")


@dataclass(frozen=True, slots=True)
class TwilioConfig:
    """`sender` is an E.164 number; a messaging service (MG…) wins over it."""

    account_sid: str
    auth_token: str
    sender: str = ""
    messaging_service_sid: str = ""
    callback_base: str = ""
    base_url: str = "https://api.twilio.com"
    concurrency: int = 64
    deadline_s: float = CALL_SECONDS


def _rows(
    outcome: Outcome, detail: str, *codes: int, lane: bool = False, concern: Concern | None = None
) -> dict[int, Row]:
    return dict.fromkeys(
        codes, Row(outcome, detail, "lane" if lane else "message", concern=concern)
    )


TOO_MANY_TO_ONE: Final = 14107
LOOP_PAUSE: Final = timedelta(seconds=30)  # the window in which Twilio counts them
_CONTENT: Final = "Twilio refused the text or one of the parameters."
_SENDER: Final = "The sender number or messaging service is not set up for this at Twilio."

BY_CODE: Final[dict[int, Row]] = {
    **_rows(Outcome.CONFIG_ERROR, "Twilio does not accept the credentials.", 20003, lane=True),
    **_rows(Outcome.CONFIG_ERROR, "Twilio does not know this address.", 20404, 20004, lane=True),
    **_rows(Outcome.THROTTLED, "Twilio asks for fewer calls at a time.", 20429, lane=True),
    **_rows(Outcome.THROTTLED, "The sender number's queue at Twilio is full.", 21611, lane=True),
    **_rows(
        Outcome.THROTTLED,
        "Too many texts to this number in 30 seconds.",
        TOO_MANY_TO_ONE,
        concern=Concern.LOOP,
    ),
    **_rows(Outcome.AMBIGUOUS, "Twilio failed while it had the message.", 20500),
    **_rows(Outcome.RETRY, "Twilio is not available at the moment.", 20503, 21702),
    **_rows(
        Outcome.RECIPIENT_DEAD, "This is not a valid phone number.", 21211, 21217, 21401, 21421
    ),
    **_rows(Outcome.RECIPIENT_DEAD, "This number cannot receive texts.", 21614, 21612),
    **_rows(Outcome.SUPPRESSED, "The person answered STOP to this sender.", 21610),
    **_rows(
        Outcome.REJECTED,
        "Texts to this region are not enabled at Twilio.",
        21408,
        21215,
        concern=Concern.REGION,
    ),
    **_rows(Outcome.REJECTED, _CONTENT, 21602, 21604, 21617, 21618, 21619, 21620, 21624, 21658),
    **_rows(Outcome.CONFIG_ERROR, _SENDER, 21212, 21603, 21606, 21607, 21608, 21609, lane=True),
    **_rows(Outcome.CONFIG_ERROR, _SENDER, 21701, 21703, 21704, 21705, 21708, lane=True),
    **_rows(Outcome.CONFIG_ERROR, _SENDER, 21709, 21712, 21715, lane=True),
    **_rows(Outcome.CONFIG_ERROR, "The Twilio account is suspended.", 30002, lane=True),
}

BY_STATUS: Final[dict[int, Row]] = {
    401: BY_CODE[20003],
    404: BY_CODE[20404],
    405: BY_CODE[20004],
    429: BY_CODE[20429],
    500: BY_CODE[20500],
    502: Row(Outcome.AMBIGUOUS, "A gateway of Twilio's failed; it may have passed the text on."),
    503: BY_CODE[20503],
    504: Row(Outcome.AMBIGUOUS, "A gateway of Twilio's gave up; it may have passed the text on."),
}


class TwilioProvider:
    """The SMS channel."""

    name = "twilio"

    def __init__(self, config: TwilioConfig, now: Callable[[], datetime] = clock.now) -> None:
        self._now = now
        self._url = f"{config.base_url}/2010-04-01/Accounts/{config.account_sid}/Messages.json"
        self._sender = _sender(config)
        self._callback = quote_plus(f"{config.callback_base}/hooks/twilio/status/")
        client = self._client = HttpClient(
            EngineOptions(
                headers=_headers(config),
                concurrency=config.concurrency,
                deadline_s=config.deadline_s,
            )
        )
        self._asking = TwilioLookUp(client, config.base_url, config.account_sid)

    def send(
        self, messages: Sequence[Message], on_result: OnResult, may_begin: MayBegin = always
    ) -> None:
        """See Provider.send."""
        texts = cast(Sequence[SmsMessage], messages)
        now = self._now()
        requests, places = [], []
        for index, text in enumerate(texts):
            try:
                form = self._form(text, now)
            except UnicodeError:
                on_result(index, exchange.unencodable())
                continue
            requests.append(Request(self._url, form))
            places.append(index)
        exchange.converse(
            self._client,
            requests,
            self._judge,
            lambda at, result: on_result(places[at], result),
            lambda at: may_begin(places[at]),
        )

    def texts(self, provider_ids: Sequence[str]) -> Mapping[str, KnownText]:
        """See LooksUp.texts."""
        return self._asking.texts(provider_ids)

    def texts_to(self, numbers: Mapping[str, datetime]) -> Mapping[str, Sequence[KnownText]]:
        """See LooksUp.texts_to."""
        return self._asking.texts_to(numbers)

    def _form(self, text: SmsMessage, now: datetime) -> bytes:
        form = (
            f"To={_form_value(text.to)}&{self._sender}&Body={_form_value(text.body)}"
            f"&StatusCallback={self._callback}{text.ref}%2F{text.attempt}{_CALLBACK_RETRIES}"
        )
        if text.expires_at is not None:
            left = int((text.expires_at - now).total_seconds())
            form += f"&ValidityPeriod={min(max(left, 1), LONGEST_VALIDITY_S)}"
        return form.encode("ascii")

    def _judge(self, _index: int, response: Response) -> Result:
        answer = exchange.json_object(response.body)
        if response.status == 201:
            sid = answer.get("sid")
            if not isinstance(sid, str) or not sid:
                return exchange.broken_success(response)
            return Result(Outcome.ACCEPTED, sid, "201", duration_ms=response.duration_ms)
        if response.status < 300:
            return exchange.broken_success(response)
        now = self._now()
        code = answer.get("code")
        row = BY_CODE.get(code) if isinstance(code, int) else None
        # A status that is certain (429 is "never processed") wins over a code we do not know.
        row = row or BY_STATUS.get(response.status)
        if row is None:
            return exchange.by_status("Twilio", response, now, str(code or ""))
        wait = from_retry_after(response.header("retry-after"), now)
        if code == TOO_MANY_TO_ONE and wait.until is None:
            wait = Wait(now + LOOP_PAUSE)
        return exchange.from_row(row, str(code or response.status), response, wait)


class _Percent(dict[str, str]):
    """Character -> how a form writes it; filled as characters occur."""

    def __missing__(self, character: str) -> str:
        self[character] = quote_plus(character)
        return self[character]


_PERCENT: Final = _Percent()
_UNSAFE: Final = re.compile("[^A-Za-z0-9_.~ -]")


def _form_value(text: str) -> str:
    """What `quote_plus` makes of it, which looks at every byte in Python."""
    return _UNSAFE.sub(_written, text).replace(" ", "+")


def _written(found: re.Match[str]) -> str:
    return _PERCENT[found[0]]


def _headers(config: TwilioConfig) -> tuple[str, ...]:
    pair = f"{config.account_sid}:{config.auth_token}".encode()
    return (
        f"Authorization: Basic {base64.b64encode(pair).decode('ascii')}",
        "Content-Type: application/x-www-form-urlencoded",
        "Accept: application/json",
        "User-Agent: Herald",
        "Expect:",
    )


def _sender(config: TwilioConfig) -> str:
    if config.messaging_service_sid:
        return f"MessagingServiceSid={quote_plus(config.messaging_service_sid)}"
    return f"From={quote_plus(config.sender)}"
