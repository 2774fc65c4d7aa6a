"""FCM HTTP v1, as Google would answer a send: 200 with the message's name, or an error object.

Registration tokens that contain a word ask for that answer: `unregistered`, `not-registered-here`
(another project: SENDER_ID_MISMATCH), `quota`, `unavailable`, `internal`, `bad-token`.
"""

import hashlib
import re
import secrets
from typing import Any, Final

import orjson

from app.sandbox import credentials
from app.sandbox.wire import Answer, Call, Recipient, Request, json_answer, parse_object
from app.sandbox.wires.fcm_shape import Violation, android, check_message
from app.sandbox.wires.fcm_token import TokenDesk

_PATH: Final = re.compile(r"/v1/projects/([^/]+)/messages:send")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_:%.-]{20,4096}")
_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_NOT_A_TOKEN: Final = "The registration token is not a valid FCM registration token"

# errorCode → HTTP status, canonical status, message
_ERRORS: Final = {
    "UNREGISTERED": (404, "NOT_FOUND", "Requested entity was not found."),
    "SENDER_ID_MISMATCH": (403, "PERMISSION_DENIED", "SenderId mismatch"),
    "QUOTA_EXCEEDED": (429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric."),
    "UNAVAILABLE": (503, "UNAVAILABLE", "The service is currently unavailable."),
    "INTERNAL": (500, "INTERNAL", "Internal error encountered."),
    "INVALID_ARGUMENT": (400, "INVALID_ARGUMENT", _NOT_A_TOKEN),
    "THIRD_PARTY_AUTH_ERROR": (401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service"),
}
_PLAIN: Final = {
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
}
_MAGIC: Final = {
    "not-registered-here": "SENDER_ID_MISMATCH",
    "unregistered": "UNREGISTERED",
    "quota": "QUOTA_EXCEEDED",
    "unavailable": "UNAVAILABLE",
    "internal": "INTERNAL",
    "bad-token": "INVALID_ARGUMENT",
}


def refusal(status: int, code: str = "", field: str | None = None) -> Answer:  # noqa: ARG001
    """An error as FCM words it; `code` is the FcmError's errorCode."""
    by_status = {429: "QUOTA_EXCEEDED", 500: "INTERNAL", 503: "UNAVAILABLE"}
    code = code or by_status.get(status, "")
    if code in _ERRORS:
        _, name, message = _ERRORS[code]
        return _error(status, name, message, {"@type": _FCM_ERROR, "errorCode": code})
    name, message = _PLAIN.get(status, ("UNKNOWN", "Error"))
    return _error(status, name, message)


class Fcm:
    """The Android wire."""

    name = "fcm"
    channel = "android"
    refusal = staticmethod(refusal)

    def __init__(self, desk: TokenDesk) -> None:
        self._desk = desk

    def read(self, request: Request) -> Call:
        """What FCM makes of this request."""
        envelope = parse_object(request.body)
        message = (envelope or {}).get("message")
        people = _people(message if isinstance(message, dict) else {})
        answer = self._door(request) or _judge(envelope, request.body)
        if answer is not None:
            return Call(self.name, self.channel, answer, False, _verdict(answer), people)
        name = f"projects/{credentials.FCM_PROJECT}/messages/0:{secrets.token_hex(16)}"
        dry = bool((envelope or {}).get("validateOnly") or (envelope or {}).get("validate_only"))
        verdict = "200 validated only" if dry else "200"
        return Call(
            self.name,
            self.channel,
            json_answer(200, {"name": name}),
            not dry,
            verdict,
            people,
            name,
        )

    def _door(self, request: Request) -> Answer | None:
        found = _PATH.fullmatch(request.path)
        if found is None or request.method != "POST":
            return refusal(404)
        if not self._desk.is_valid(request.headers.get("authorization", "")):
            return refusal(401)
        return None if found[1] == credentials.FCM_PROJECT else refusal(404)


def _judge(envelope: dict[str, Any] | None, body: bytes) -> Answer | None:
    if envelope is None:
        return _violation(Violation("", "Invalid JSON payload received."))
    found = check_message(envelope, len(body))
    if found is not None:
        return _violation(found)
    token = str(envelope["message"].get("token") or envelope["message"].get("fid") or "")
    code = next((code for word, code in _MAGIC.items() if word in token), "")
    if not code and token and not _TOKEN.fullmatch(token):
        code = "INVALID_ARGUMENT"
    return refusal(_ERRORS[code][0], code) if code else None


def _violation(found: Violation) -> Answer:
    detail = {
        "@type": _BAD_REQUEST,
        "fieldViolations": [{"field": found.field, "description": found.description}],
    }
    return _error(400, "INVALID_ARGUMENT", found.description, detail)


def _error(status: int, name: str, message: str, *details: dict[str, Any]) -> Answer:
    error: dict[str, Any] = {"code": status, "message": message, "status": name}
    if details:
        error["details"] = list(details)
    return json_answer(status, {"error": error}, content_type="application/json; charset=UTF-8")


def _verdict(answer: Answer) -> str:
    error = orjson.loads(answer.body)["error"]
    code = next((d["errorCode"] for d in error.get("details", ()) if "errorCode" in d), "")
    return f"{answer.status} {code or error['status']}"


def _people(message: dict[str, Any]) -> list[Recipient]:
    to = message.get("token") or message.get("fid")
    if not isinstance(to, str):
        return []
    data = message.get("data")
    data = data if isinstance(data, dict) else {}
    shown = android(message).get("notification")
    tag = (shown.get("tag") if isinstance(shown, dict) else "") or data.get("nid") or ""
    fingerprint = hashlib.sha256(
        orjson.dumps([message.get("notification"), data, message.get("android")])
    ).hexdigest()
    return [Recipient(to, str(tag), str(data.get("att", "")), fingerprint)]
