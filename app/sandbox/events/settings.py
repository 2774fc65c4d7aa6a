"""What happens by itself after a message was taken, and how faithfully it is told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


class BadSettingsError(ValueError):
    """Settings that cannot be understood; the message names the field."""


@dataclass(frozen=True, slots=True)
class AutoEvents:
    """Switches of the emitter; shares are probabilities from 0 to 1.

    `duplicate` is how often each event is told. `signature` is `good`, `bad`, `missing` or `old`
    (SendGrid's alone carries a time).
    """

    processed: bool = True
    delivered: bool = True
    delay_s: float = 1.0
    bounced: float = 0.0
    undelivered: float = 0.0
    opened: float = 0.0
    clicked: float = 0.0
    people_delay_s: float = 3.0
    duplicate: int = 1
    shuffle: bool = False
    signature: str = "good"
    unknown: bool = False
    batch: int = 1000


_SHARES = frozenset({"bounced", "undelivered", "opened", "clicked"})
_SIGNATURES = frozenset({"good", "bad", "missing", "old"})


def from_environment(environ: Mapping[str, str]) -> AutoEvents:
    """HERALD_SANDBOX_EVENTS, a JSON object of these settings. Raises BadSettingsError."""
    text = environ.get("HERALD_SANDBOX_EVENTS", "")
    try:
        values = json.loads(text or "{}")
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise BadSettingsError("HERALD_SANDBOX_EVENTS must be a JSON object.")
    return change(AutoEvents(), values)


def change(settings: AutoEvents, values: dict[str, Any]) -> AutoEvents:
    """The settings with some values replaced. Raises BadSettingsError."""
    kinds = {field.name: type(getattr(settings, field.name)) for field in fields(AutoEvents)}
    for name, value in values.items():
        if name not in kinds:
            raise BadSettingsError(f"{name}: there is no such setting.")
        wanted = kinds[name]
        number = wanted in {int, float} and isinstance(value, int | float)
        if not isinstance(value, wanted) and not (number and not isinstance(value, bool)):
            raise BadSettingsError(f"{name}: {wanted.__name__} is needed, not {value!r}.")
        if name in _SHARES and not 0 <= value <= 1:
            raise BadSettingsError(f"{name}: a number from 0 to 1 is needed.")
    if values.get("signature", "good") not in _SIGNATURES:
        raise BadSettingsError("signature: good, bad, missing or old is needed.")
    return replace(settings, **values)
