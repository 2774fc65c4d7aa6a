"""APNs over HTTP/2: one stream per notification (provider contract §5).

`apns-collapse-id` is our id, so a resend replaces itself on the phone; `apns-id` is made from id
and attempt, so one attempt always has the same one.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import quote

import orjson

from app import clock
from app.channels import exchange, push
from app.channels.apns_token import RENEWAL_GAP, ApnsToken
from app.channels.apns_verdicts import OTHER, Verdicts
from app.channels.base import (
    PUSH_CALL_SECONDS,
    Concern,
    MayBegin,
    Message,
    OnResult,
    Outcome,
    PushMessage,
    Result,
    Scope,
    always,
)
from app.channels.curl import EngineOptions, HttpClient
from app.channels.exchange import Row
from app.channels.retry_after import Wait, from_retry_after
from app.channels.token_guard import TokenGuard
from app.channels.transfer import Request, Response

DEFAULT_LIFE: Final = timedelta(days=1)  # how long Apple keeps a message that has no expiry
_REASON: Final = re.compile(r"[A-Za-z]{1,60}")
_BUNDLE_ID: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
STALE: Final = "ExpiredProviderToken"


@dataclass(frozen=True, slots=True)
class ApnsConfig:
    """`key` is the PEM text of the .p8 file; `topic` the bundle id of devices that name none."""

    key: str
    key_id: str
    team_id: str
    topic: str
    base_url: str = "https://api.push.apple.com"
    sandbox_url: str = "https://api.sandbox.push.apple.com"
    concurrency: int = 200
    connections: int = 1
    deadline_s: float = PUSH_CALL_SECONDS


def _rows(
    outcome: Outcome, detail: str, *reasons: str, lane: bool = False, concern: Concern | None = None
) -> dict[str, Row]:
    scope: Scope = "lane" if lane else "message"
    return dict.fromkeys(reasons, Row(outcome, detail, scope, concern=concern))


BY_REASON: Final[dict[str, Row]] = {
    **_rows(Outcome.RECIPIENT_DEAD, "Apple does not know this device token.", "BadDeviceToken"),
    **_rows(
        Outcome.RECIPIENT_DEAD, "The device token is another app's.", "DeviceTokenNotForTopic"
    ),
    **_rows(
        Outcome.REJECTED,
        "Apple refused the form of the request.",
        "MissingDeviceToken", "BadMessageId", "BadPriority", "BadExpirationDate",
        "BadCollapseId", "DuplicateHeaders", "InvalidPushType", "PayloadEmpty",
        concern=Concern.ADAPTER,
    ),
    **_rows(
        Outcome.CONFIG_ERROR,
        "Apple does not accept the topic (the app's bundle id).",
        "BadTopic", "MissingTopic", "TopicDisallowed",
        lane=True,
    ),
    **_rows(Outcome.RETRY, "Apple closed an idle connection.", "IdleTimeout"),
    **_rows(
        Outcome.CONFIG_ERROR,
        "Apple does not accept the key, key id or team id.",
        "ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken",
        "UnrelatedKeyIdInToken", "BadEnvironmentKeyIdInToken", "BadEnvironmentKeyInToken",
        "BadCertificate", "BadCertificateEnvironment", "Forbidden",
        lane=True,
    ),
    **_rows(
        Outcome.CONFIG_ERROR, "APNs' address is wrong.", "BadPath", "MethodNotAllowed", lane=True
    ),
    **_rows(Outcome.RECIPIENT_DEAD, "The app was removed from this device.", "Unregistered"),
    **_rows(Outcome.RECIPIENT_DEAD, "The device token has expired.", "ExpiredToken"),
    **_rows(Outcome.REJECTED, "The notification is too large for Apple.", "PayloadTooLarge"),
    **_rows(Outcome.THROTTLED, "Too many notifications to this device.", "TooManyRequests"),
    **_rows(
        Outcome.THROTTLED,
        "Apple says the provider token is renewed too often.",
        "TooManyProviderTokenUpdates",
        lane=True,
        concern=Concern.KEY_UPDATES,
    ),
    **_rows(Outcome.RETRY, "Apple had an internal fault.", "InternalServerError"),
    **_rows(Outcome.RETRY, "Apple is not available at the moment.", "ServiceUnavailable"),
    **_rows(Outcome.RETRY, "Apple is shutting this server down.", "Shutdown"),
}  # fmt: skip

# For an answer without a reason we know.
BY_STATUS: Final[dict[int, Row]] = {
    403: BY_REASON["Forbidden"],
    404: BY_REASON["BadPath"],
    405: BY_REASON["MethodNotAllowed"],
    413: BY_REASON["PayloadTooLarge"],
    429: BY_REASON["TooManyRequests"],
}


class ApnsProvider:
    """The iOS channel."""

    name = "apns"

    def __init__(self, config: ApnsConfig, now: Callable[[], datetime] = clock.now) -> None:
        self._config = config
        self._now = now
        self._token = ApnsToken(config.key, config.key_id, config.team_id, now)
        self._guards = {"production": TokenGuard(), "sandbox": TokenGuard()}
        client = HttpClient(
            EngineOptions(
                concurrency=config.concurrency,
                connections=config.connections,
                http2=True,
                deadline_s=config.deadline_s,
                idle_s=3600,  # Apple wants connections kept for hours
            )
        )
        self._wire = push.Wire(client, self._token, self._write, self._judge, STALE)

    def send(
        self, messages: Sequence[Message], on_result: OnResult, may_begin: MayBegin = always
    ) -> None:
        """See Provider.send. "Bad token" is believed only once the whole send has been seen, and
        the other environment's host has been asked once.
        """
        pushes = cast(Sequence[PushMessage], messages)
        verdicts = Verdicts(pushes, self._guards, on_result)
        push.send(self._wire, pushes, verdicts.take, may_begin)
        if self._config.sandbox_url != self._config.base_url:
            self._ask_elsewhere(pushes, verdicts, may_begin)
        verdicts.close()

    def _ask_elsewhere(
        self, pushes: Sequence[PushMessage], verdicts: Verdicts, may_begin: MayBegin
    ) -> None:
        """A token the host does not know may live in the other environment: ask there, once."""
        places = verdicts.unknown_tokens()
        elsewhere = [
            replace(pushes[place], environment=OTHER[pushes[place].environment]) for place in places
        ]
        push.send(
            self._wire,
            elsewhere,
            lambda at, result: verdicts.take_elsewhere(places[at], result),
            lambda at: may_begin(places[at]),
        )

    def _write(self, message: PushMessage, bearer: str) -> Request | Result:
        now = self._now()
        expires_at = message.expires_at or now + DEFAULT_LIFE
        try:
            body = orjson.dumps(_payload(message))
        except orjson.JSONEncodeError:
            return exchange.unencodable()
        if len(body) > push.PAYLOAD_BYTES:
            return push.too_large(len(body))
        config = self._config
        base = config.sandbox_url if message.environment == "sandbox" else config.base_url
        return Request(
            f"{base}/3/device/{quote(message.token, safe='')}",
            body,
            [
                f"authorization: bearer {bearer}",
                f"apns-topic: {_topic(message.app, config.topic)}",
                "apns-push-type: alert",
                "apns-priority: 10",
                f"apns-expiration: {int(expires_at.timestamp())}",
                f"apns-collapse-id: {message.ref}",
                f"apns-id: {apns_id(message)}",
                "content-type: application/json",
                "expect:",
            ],
        )

    def _judge(self, _place: int, response: Response) -> Result:
        if response.status == 200:
            if response.body.strip():
                return exchange.broken_success(response)
            provider_id = response.header("apns-id") or None
            return Result(Outcome.ACCEPTED, provider_id, "200", duration_ms=response.duration_ms)
        answer = exchange.json_object(response.body) if response.status >= 400 else {}
        said = answer.get("reason")
        reason = said if isinstance(said, str) and said in BY_REASON else str(response.status)
        row = BY_REASON.get(reason) or BY_STATUS.get(response.status)
        now = self._now()
        if row is None:
            word = said if isinstance(said, str) and _REASON.fullmatch(said) else ""
            return exchange.by_status("Apple", response, now, word)
        wait = from_retry_after(response.header("retry-after"), now)
        if reason == "TooManyProviderTokenUpdates":
            self._token.hold()
            wait = Wait(now + RENEWAL_GAP) if wait.until is None else wait
        result = exchange.from_row(row, reason, response, wait)
        if response.status == 410:
            return replace(result, registered_before=_moment(answer.get("timestamp")))
        return result


def apns_id(message: PushMessage) -> str:
    """A UUID in Apple's form (8-4-4-4-12, lower case), the same for the same attempt."""
    name = f"{message.ref}/{message.attempt}".encode()
    digits = hashlib.blake2b(name, digest_size=16).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@lru_cache(maxsize=256)
def _topic(app: str, default: str) -> str:
    """A device whose app is a bundle id is addressed by it; any other name is only a label."""
    return app if _BUNDLE_ID.fullmatch(app) else default


def _payload(message: PushMessage) -> dict[str, Any]:
    alert = {"title": message.title, "subtitle": message.subtitle, "body": message.body}
    aps: dict[str, Any] = {"alert": {name: text for name, text in alert.items() if text}}
    if message.badge is not None:
        aps["badge"] = message.badge
    if message.sound:
        aps["sound"] = message.sound
    payload: dict[str, Any] = dict(message.data)
    if message.image:
        aps["mutable-content"] = 1  # lets the app's extension fetch the picture
        payload["image"] = message.image
    if message.url:
        payload["url"] = message.url
    payload["nid"] = message.ref
    payload["aps"] = aps
    return payload


def _moment(milliseconds: object) -> datetime | None:
    if not isinstance(milliseconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
