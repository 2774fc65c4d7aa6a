"""The shape FCM wants a message to have; names and limits of its v1 discovery document."""

import re
from typing import Any, Final, NamedTuple

from app.sandbox.wire import words

PAYLOAD_BYTES: Final = 4096
_ENVELOPE_BYTES: Final = 64 * 1024
_LONGEST_TTL_S: Final = 4 * 7 * 86_400
_TTL: Final = re.compile(r"(\d+)(?:\.\d{1,9})?s")
_TARGETS: Final = ("token", "fid", "topic", "condition")
_MESSAGE: Final = words(
    "name data notification android androidV2 webpush apns fcmOptions token fid topic condition"
)
_NOTIFICATION: Final = words("title body image")
_ANDROID: Final = words(
    "collapseKey priority ttl restrictedPackageName data notification fcmOptions directBootOk "
    "bandwidthConstrainedOk restrictedSatelliteOk"
)
_SHOWN: Final = words(
    "title body icon color sound tag clickAction bodyLocKey bodyLocArgs titleLocKey titleLocArgs "
    "channelId ticker sticky eventTime localOnly notificationPriority defaultSound "
    "defaultVibrateTimings defaultLightSettings vibrateTimings visibility notificationCount "
    "lightSettings image bypassProxyNotification proxy"
)


class Violation(NamedTuple):
    """A field and what is wrong with it."""

    field: str
    description: str


def check_message(envelope: dict[str, Any], size: int) -> Violation | None:
    """The first thing wrong with the message of an envelope of this many bytes."""
    message = envelope.get("message")
    if not isinstance(message, dict):
        return Violation("message", "Invalid value at 'message': an object is required.")
    part = android(message)
    if size > _ENVELOPE_BYTES or _payload(message, part) > PAYLOAD_BYTES:
        return Violation("message", "Android message is too big")
    if sum(1 for name in _TARGETS if message.get(name)) != 1:
        return Violation("message", "Recipient of the message is not set: exactly one is needed.")
    return (
        _unknown(message, _MESSAGE, "message")
        or _check_data(message.get("data"), "message.data")
        or _check_notification(message.get("notification"))
        or _check_android(part)
    )


def android(message: dict[str, Any]) -> dict[str, Any]:
    """The Android part, empty when there is none; names in camelCase."""
    part = message.get("android")
    return {_camel(name): value for name, value in part.items()} if isinstance(part, dict) else {}


def _payload(message: dict[str, Any], part: dict[str, Any]) -> int:
    """Bytes that go to the phone: keys and values of data and notification."""
    size = 0
    for values in (message.get("data"), message.get("notification"), part.get("notification")):
        if isinstance(values, dict):
            size += len("".join([*values, *map(str, values.values())]).encode())
    return size


def _check_data(data: Any, field: str) -> Violation | None:
    if data is None:
        return None
    if not isinstance(data, dict):
        return Violation(field, f"Invalid value at '{field}' (Map)")
    for name, value in data.items():
        if not isinstance(value, str):
            return Violation(f"{field}[0].value", f"Invalid value at '{field}[0].value' (STRING)")
        if name in {"from", "message_type"} or name.startswith(("google.", "gcm.notification.")):
            return Violation(f"{field}.{name}", f"Invalid data payload key: {name}")
    return None


def _check_notification(value: Any) -> Violation | None:
    if value is None:
        return None
    field = "message.notification"
    if not isinstance(value, dict):
        return Violation(field, f"Invalid value at '{field}'")
    return _unknown(value, _NOTIFICATION, field) or _strings(value, field)


def _check_android(part: dict[str, Any]) -> Violation | None:
    field = "message.android"
    if str(part.get("priority", "normal")).upper() not in {"NORMAL", "HIGH"}:
        return Violation(f"{field}.priority", f"Invalid value at '{field}.priority'")
    ttl = part.get("ttl")
    if ttl is not None:
        found = _TTL.fullmatch(str(ttl))
        if found is None or int(found[1]) > _LONGEST_TTL_S:
            return Violation(f"{field}.ttl", "Invalid value: TTL must be in [0, 2419200]")
    shown = part.get("notification")
    if shown is not None and not isinstance(shown, dict):
        return Violation(f"{field}.notification", f"Invalid value at '{field}.notification'")
    return (
        _unknown(part, _ANDROID, field)
        or _unknown(shown or {}, _SHOWN, f"{field}.notification")
        or _check_data(part.get("data"), f"{field}.data")
    )


def _unknown(value: dict[str, Any], known: frozenset[str], field: str) -> Violation | None:
    if known.issuperset(value):
        return None
    for name in value:
        if _camel(name) not in known:
            return Violation(
                field,
                f"Invalid JSON payload received. Unknown name \"{name}\" at '{field}': "
                "Cannot find field.",
            )
    return None


def _strings(value: dict[str, Any], field: str) -> Violation | None:
    for name, text in value.items():
        if not isinstance(text, str):
            return Violation(f"{field}.{name}", f"Invalid value at '{field}.{name}' (STRING)")
    return None


def _camel(name: str) -> str:
    """snake_case is accepted as well as camelCase."""
    if "_" not in name:
        return name
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
