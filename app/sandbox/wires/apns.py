"""APNs' provider API, as Apple would answer it: 200 with apns-id, or a JSON reason.

Device tokens that begin with eight digits `00000` + a status ask for that answer:
`00000400…` BadDeviceToken, `00000410…` Unregistered, `0000041e…` ExpiredToken,
`0000040f…` DeviceTokenNotForTopic, `00000429…`, `00000500…`, `00000503…`. Tokens that begin with
`5bad5bad` belong to the development environment.
"""

import hashlib
import re
import time
import uuid
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from app.sandbox import credentials
from app.sandbox.wire import Answer, Call, Recipient, Request, json_answer, parse_object, words

PAYLOAD_BYTES: Final = 4096
VOIP_BYTES: Final = 5120
TOKEN_SECONDS: Final = 3600
_CLOCK_SKEW_S: Final = 300
DEVELOPMENT: Final = "5bad5bad"
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}){32,100}")
_BUNDLE_ID: Final = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9_-]+)*")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TYPES: Final = words(
    "alert background voip complication fileprovider mdm location liveactivity pushtotalk "
    "controls widgets"
)
_STATUS: Final = {
    "ExpiredProviderToken": 403,
    "InvalidProviderToken": 403,
    "MissingProviderToken": 403,
    "UnrelatedKeyIdInToken": 403,
    "Forbidden": 403,
    "BadPath": 404,
    "MethodNotAllowed": 405,
    "Unregistered": 410,
    "ExpiredToken": 410,
    "PayloadTooLarge": 413,
    "TooManyRequests": 429,
    "TooManyProviderTokenUpdates": 429,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
    "Shutdown": 503,
}
_MAGIC: Final = {
    "00000400": "BadDeviceToken",
    "0000040f": "DeviceTokenNotForTopic",
    "00000410": "Unregistered",
    "0000041e": "ExpiredToken",
    "00000429": "TooManyRequests",
    "00000500": "InternalServerError",
    "00000503": "ServiceUnavailable",
}


def refusal(status: int, code: str = "", field: str | None = None) -> Answer:  # noqa: ARG001
    """An error as APNs words it; `code` is the reason."""
    first = {413: "PayloadTooLarge", 429: "TooManyRequests", 503: "ServiceUnavailable"}
    reason = code or first.get(status, "InternalServerError")
    body: dict[str, Any] = {"reason": reason}
    if status == 410:
        body["timestamp"] = int(time.time() * 1000)
    return json_answer(status, body, ("apns-id", str(uuid.uuid4())))


class Apns:
    """The iOS wire, for one environment."""

    channel = "ios"
    refusal = staticmethod(refusal)

    def __init__(self, key: ec.EllipticCurvePublicKey, development: bool) -> None:
        self.name = "apns"
        self._key = key
        self._development = development
        self._good_tokens: dict[str, int] = {}

    def read(self, request: Request) -> Call:
        """What APNs makes of this request."""
        device = request.path.removeprefix("/3/device/")
        payload = parse_object(request.body)
        people = _people(device, request, payload)
        reason = (
            _wrong_path(request)
            or self._wrong_token(request)
            or self._wrong_device(device)
            or _wrong_headers(request)
            or _wrong_payload(request, payload)
        )
        apns_id = request.headers.get("apns-id") or str(uuid.uuid4())
        if reason:
            status = _STATUS.get(reason, 400)
            answer = refusal(status, reason)
            return Call(self.name, self.channel, answer, False, f"{status} {reason}", people)
        headers: tuple[tuple[str, str], ...] = (("apns-id", apns_id),)
        if self._development:
            headers += (("apns-unique-id", str(uuid.uuid4())),)
        return Call(
            self.name, self.channel, Answer(200, b"", headers), True, "200", people, apns_id
        )

    def _wrong_token(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "MissingProviderToken"
        issued = self._good_tokens.get(token)
        if issued is None:
            issued = self._issued_at(token)
            if issued is None:
                return "InvalidProviderToken"
            if len(self._good_tokens) > 1000:
                self._good_tokens.clear()
            self._good_tokens[token] = issued
        now = time.time()
        if issued > now + _CLOCK_SKEW_S:
            return "InvalidProviderToken"
        return "ExpiredProviderToken" if issued < now - TOKEN_SECONDS else ""

    def _issued_at(self, token: str) -> int | None:
        """When a well signed token of our team was made."""
        try:
            head = jwt.get_unverified_header(token)
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["ES256"],
                options={"verify_iat": False, "require": ["iss", "iat"]},
            )
        except jwt.PyJWTError:
            return None
        if head.get("kid") != credentials.APNS_KEY_ID:
            return None
        if claims["iss"] != credentials.APNS_TEAM_ID or not isinstance(claims["iat"], int):
            return None
        return int(claims["iat"])

    def _wrong_device(self, device: str) -> str:
        if not device:
            return "MissingDeviceToken"
        if not _HEX.fullmatch(device):
            return "BadDeviceToken"
        prefix = device[:8].lower()
        if (prefix == DEVELOPMENT) != self._development:
            return "BadDeviceToken"
        return _MAGIC.get(prefix, "")


def _people(device: str, request: Request, payload: dict[str, Any] | None) -> list[Recipient]:
    notification = request.headers.get("apns-collapse-id", "")
    attempt = str((payload or {}).get("att", ""))
    return [Recipient(device, notification, attempt, hashlib.sha256(request.body).hexdigest())]


def _wrong_path(request: Request) -> str:
    if not request.path.startswith("/3/device"):
        return "BadPath"
    return "" if request.method == "POST" else "MethodNotAllowed"


def _wrong_headers(request: Request) -> str:
    headers = request.headers
    topic = headers.get("apns-topic")
    if not topic:
        return "MissingTopic"
    # A token-signing key is good for every app of its team.
    if not _BUNDLE_ID.fullmatch(topic):
        return "TopicDisallowed"
    kind = headers.get("apns-push-type", "")
    if kind not in _TYPES:
        return "InvalidPushType"
    priority = headers.get("apns-priority", "10")
    if priority not in {"1", "5", "10"} or (kind == "background" and priority != "5"):
        return "BadPriority"
    if not headers.get("apns-expiration", "0").isdigit():
        return "BadExpirationDate"
    if len(headers.get("apns-collapse-id", "").encode()) > 64:
        return "BadCollapseId"
    apns_id = headers.get("apns-id")
    return "BadMessageId" if apns_id and not _UUID.fullmatch(apns_id) else ""


def _wrong_payload(request: Request, payload: dict[str, Any] | None) -> str:
    if not request.body or not payload:
        return "PayloadEmpty"
    kind = request.headers["apns-push-type"]
    if len(request.body) > (VOIP_BYTES if kind == "voip" else PAYLOAD_BYTES):
        return "PayloadTooLarge"
    aps = payload.get("aps")
    if not isinstance(aps, dict):
        return "PayloadEmpty"
    return "" if isinstance(aps.get("badge", 0), int) else "PayloadEmpty"
