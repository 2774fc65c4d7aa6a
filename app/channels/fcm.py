"""FCM HTTP v1 over HTTP/2: one request per notification (provider contract §4).

`android.notification.tag` is our id, so a resend replaces itself on the phone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

import orjson

from app import clock
from app.channels import exchange, push
from app.channels.base import (
    PUSH_CALL_SECONDS,
    Concern,
    MayBegin,
    Message,
    OnResult,
    Outcome,
    PushMessage,
    Result,
    always,
)
from app.channels.curl import EngineOptions, HttpClient
from app.channels.exchange import Row
from app.channels.fcm_doubts import DOUBTED, Doubts
from app.channels.fcm_token import FcmToken
from app.channels.retry_after import Wait, from_retry_after
from app.channels.transfer import Request, Response

LONGEST_LIFE_S: Final = 28 * 24 * 3600  # four weeks; also what FCM takes when nothing is said
QUOTA_PAUSE: Final = timedelta(seconds=60)
UNAVAILABLE_PAUSE: Final = timedelta(seconds=10)
STALE: Final = "UNAUTHENTICATED"


@dataclass(frozen=True, slots=True)
class FcmConfig:
    """`service_account` is the text of Google's JSON key file."""

    service_account: str
    base_url: str = "https://fcm.googleapis.com"
    concurrency: int = 200
    connections: int = 1
    deadline_s: float = PUSH_CALL_SECONDS


_THROTTLED: Final = Row(Outcome.THROTTLED, "Google asks for fewer messages.", "lane")
_FAULT: Final = Row(Outcome.RETRY, "Google had an internal fault.")
_AWAY: Final = Row(Outcome.RETRY, "FCM is not available at the moment.")
_CREDENTIALS: Final = Row(
    Outcome.CONFIG_ERROR, "Google does not accept the service account.", "lane"
)
_PERMISSION: Final = Row(
    Outcome.CONFIG_ERROR, "The service account may not send for this project.", "lane"
)
_INVALID: Final = Row(Outcome.REJECTED, "FCM refused the form of the notification.")
_BAD_TOKEN: Final = Row(Outcome.RECIPIENT_DEAD, "FCM says this is not a device token.")
_TOKEN_DOUBTED: Final = Row(
    Outcome.REJECTED, "FCM refused the notification, perhaps for its device token.", code=DOUBTED
)
_PROJECT: Final = Row(Outcome.CONFIG_ERROR, "FCM does not know the Firebase project.", "lane")

# errorCode of the FcmError detail: read first.
BY_ERROR_CODE: Final[dict[str, Row]] = {
    "UNREGISTERED": Row(Outcome.RECIPIENT_DEAD, "The app was removed from this device."),
    "SENDER_ID_MISMATCH": Row(
        Outcome.RECIPIENT_DEAD,
        "The device token belongs to another Firebase project.",
        concern=Concern.MISMATCH,
    ),
    "QUOTA_EXCEEDED": _THROTTLED,
    "UNAVAILABLE": _AWAY,
    "INTERNAL": _FAULT,
    "THIRD_PARTY_AUTH_ERROR": Row(
        Outcome.CONFIG_ERROR, "A key for another push service is missing or wrong.", "lane"
    ),
    "INVALID_ARGUMENT": _INVALID,
}
# status of the error object, or the HTTP status when there is not even that.
BY_STATUS: Final[dict[str | int, Row]] = {
    "INVALID_ARGUMENT": _INVALID,
    "UNAUTHENTICATED": _CREDENTIALS,
    "PERMISSION_DENIED": _PERMISSION,
    "NOT_FOUND": _PROJECT,
    "RESOURCE_EXHAUSTED": _THROTTLED,
    "INTERNAL": _FAULT,
    "UNAVAILABLE": _AWAY,
    401: _CREDENTIALS,
    403: _PERMISSION,
    404: _PROJECT,
    429: _THROTTLED,
    500: _FAULT,
    503: _AWAY,
}
_PAUSES: Final = {id(_THROTTLED): QUOTA_PAUSE, id(_AWAY): UNAVAILABLE_PAUSE}


class FcmProvider:
    """The Android channel."""

    name = "fcm"

    def __init__(self, config: FcmConfig, now: Callable[[], datetime] = clock.now) -> None:
        self._now = now
        account = dict(exchange.json_object(config.service_account.encode()))
        self._token = FcmToken(account, now)
        self._url = f"{config.base_url}/v1/projects/{account.get('project_id', '')}/messages:send"
        self._headers: tuple[str, list[str]] = ("", [])
        client = HttpClient(
            EngineOptions(
                concurrency=config.concurrency,
                connections=config.connections,
                http2=True,
                deadline_s=config.deadline_s,
            )
        )
        self._wire = push.Wire(client, self._token, self._write, self._judge, STALE)

    def send(
        self, messages: Sequence[Message], on_result: OnResult, may_begin: MayBegin = always
    ) -> None:
        """See Provider.send."""
        doubts = Doubts(cast(Sequence[PushMessage], messages), on_result)
        push.send(self._wire, messages, doubts.take, may_begin)
        doubts.close()

    def _write(self, message: PushMessage, bearer: str) -> Request | Result:
        now = self._now()
        content = _content(message)
        try:
            size = len(orjson.dumps(content))
            body = orjson.dumps({"message": content | _envelope(message, now)})
        except orjson.JSONEncodeError:
            return exchange.unencodable()
        if size > push.PAYLOAD_BYTES:
            return push.too_large(size)
        return Request(self._url, body, self._headers_for(bearer))

    def _headers_for(self, bearer: str) -> list[str]:
        """One list for all requests of a token, so that handles need not be set up again."""
        made_for, headers = self._headers
        if made_for != bearer:
            headers = [
                f"authorization: Bearer {bearer}",
                "content-type: application/json",
                "expect:",
            ]
            self._headers = (bearer, headers)
        return headers

    def _judge(self, _place: int, response: Response) -> Result:
        answer = exchange.json_object(response.body)
        if response.status == 200:
            name = answer.get("name")
            if not isinstance(name, str) or not name:
                return exchange.broken_success(response)
            return Result(Outcome.ACCEPTED, name, "200", duration_ms=response.duration_ms)
        error = answer.get("error") if response.status >= 400 else None
        error = error if isinstance(error, dict) else {}
        code, row = _row(error, response.status)
        now = self._now()
        if row is None:
            return exchange.by_status("FCM", response, now)
        return exchange.from_row(row, code, response, _wait(row, response, now))


def _row(error: Mapping[str, Any], status: int) -> tuple[str, Row | None]:
    """The provider's word for it and what it means."""
    listed = error.get("details")
    details = (
        [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    )
    code = next((item["errorCode"] for item in details if "errorCode" in item), "")
    code = code if isinstance(code, str) else ""
    if code == "INVALID_ARGUMENT" and _about_token(error):
        violated = _violated(details)
        if violated <= {"message.token"}:
            return code, _TOKEN_DOUBTED if violated else _BAD_TOKEN
    if code in BY_ERROR_CODE:
        return code, BY_ERROR_CODE[code]
    word = error.get("status")
    if isinstance(word, str) and word in BY_STATUS:
        return word, BY_STATUS[word]
    row = BY_STATUS.get(status)
    return (STALE if row is _CREDENTIALS else str(status)), row


def _about_token(error: Mapping[str, Any]) -> bool:
    return "registration token" in str(error.get("message") or "").lower()


def _violated(details: Sequence[Mapping[str, Any]]) -> set[str]:
    """The fields that a BadRequest detail calls wrong; `?` for one that names none."""
    found: set[str] = set()
    for item in details:
        if not str(item.get("@type", "")).endswith("google.rpc.BadRequest"):
            continue
        listed = item.get("fieldViolations")
        named = listed if isinstance(listed, list) and listed else [{}]
        found |= {str(one.get("field") or "?") if isinstance(one, dict) else "?" for one in named}
    return found


def _wait(row: Row, response: Response, now: datetime) -> Wait:
    asked = from_retry_after(response.header("retry-after"), now)
    pause = _PAUSES.get(id(row))
    return Wait(now + pause) if asked.until is None and pause is not None else asked


def _content(message: PushMessage) -> dict[str, Any]:
    """What counts against the limit: the notification and its data."""
    notification = {"title": message.title, "body": message.body, "image": message.image}
    data = dict(message.data)
    if message.url:
        data["url"] = message.url
    data["nid"] = message.ref
    shown = {name: text for name, text in notification.items() if text}
    return {"notification": shown, "data": data}


def _envelope(message: PushMessage, now: datetime) -> dict[str, Any]:
    shown: dict[str, Any] = {"tag": message.ref}
    if message.sound:
        shown["sound"] = message.sound
    android: dict[str, Any] = {"priority": "HIGH", "notification": shown}
    if message.expires_at is not None:
        left = int((message.expires_at - now).total_seconds())
        android["ttl"] = f"{max(0, min(left, LONGEST_LIFE_S))}s"
    return {"token": message.token, "android": android}
