"""Reading one leaf of a segment rule: operator, value and parameters, checked and normalised."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from app import ids
from app.audience import places
from app.audience.fields import ATTRIBUTE_NAME, unstorable
from app.audience.rule_fields import (
    CHANNEL_WORDS,
    DAYS_MAX,
    ENGAGEMENTS,
    OPERATORS,
    OPPOSITES,
    PARAMETERS,
    PLATFORMS,
    TEXT_MAX,
    TIMES_MAX,
    VALUES_MAX,
    WHERE_OPERATORS,
    Field,
)
from app.errors import FieldError


@dataclass(frozen=True, slots=True)
class Leaf:
    """One question about a person. `op` is the plain operator; `negated` turns it round.

    `said` is the operator as written. `value` is a text, number, list of texts, date or days;
    `extra` holds the parameters of the field's kind.
    """

    field: Field
    op: str
    said: str
    negated: bool
    value: Any
    extra: Mapping[str, Any]
    pointer: str


def read(of: Field, raw: Mapping[Any, Any], pointer: str) -> tuple[Leaf | None, list[FieldError]]:
    """The leaf, or None and what is wrong with it."""
    reader = _Reader(of, raw, pointer)
    leaf = reader.leaf()
    return (None if reader.errors else leaf), reader.errors


@dataclass(slots=True)
class _Reader:
    of: Field
    raw: Mapping[Any, Any]
    pointer: str
    errors: list[FieldError] = field(default_factory=list)

    def leaf(self) -> Leaf | None:
        said = self.raw.get("op")
        if said not in self.of.operators:
            label = self.of.label
            self.refuse("op", "unknown_operator", f"{label} cannot be asked like this.")
            return None
        self._no_strangers()
        op = OPPOSITES.get(said, said)
        value = self._value(OPERATORS[said].value)
        extra = _EXTRAS.get(self.of.kind, _no_extra)(self)
        negated = said in OPPOSITES
        if said == "did_at_most":
            op, negated, extra = "did", True, {**extra, "times": extra["times"] + 1}
        return Leaf(self.of, op, said, negated, value, extra, self.pointer)

    def refuse(self, key: str, code: str, message: str) -> None:
        self.errors.append(FieldError(f"{self.pointer}/{key}", code, message))

    def choice(self, key: str, among: Mapping[str, str], default: str | None = None) -> str:
        found = self.raw.get(key) or default
        if not isinstance(found, str) or found not in among:
            self.refuse(key, "required", f"Choose one of {', '.join(among)}.")
            return next(iter(among))
        return found

    def whole(self, key: str, least: int, most: int, default: int | None) -> int | None:
        found = self.raw.get(key)
        if found is None or found == "":
            return default
        number = _whole(found)
        if number is None or not least <= number <= most:
            self.refuse(key, "invalid_number", f"A whole number from {least} to {most:,}.")
            return default
        return number

    def name(self, key: str, words: str) -> str:
        found = self.raw.get(key)
        if not isinstance(found, str) or not found.strip() or len(found) > TEXT_MAX:
            self.refuse(key, "required", words)
            return ""
        if problem := unstorable(found):
            self.refuse(key, "invalid_character", problem)
        return found.strip()

    def public_id(self, key: str, prefix: str, words: str) -> int | None:
        found = self.raw.get(key)
        if found is None or found == "":
            return None
        number = ids.decode(prefix, str(found))
        if number is None:
            self.refuse(key, "invalid_id", words)
        return number

    def _no_strangers(self) -> None:
        known = {"field", "op", "value", *PARAMETERS.get(self.of.kind, ())}
        for key in self.raw:
            if key not in known:
                words = f"A rule about {self.of.label.lower()} knows no {str(key)[:40]!r}."
                self.refuse(str(key)[:40], "unknown_field", words)

    def _value(self, shape: str) -> Any:
        if self.of.kind == "segment":
            return self._segment()
        return _SHAPES[shape](self) if shape in _SHAPES else None

    def _segment(self) -> int | None:
        found = self.public_id("value", "seg", "There is no such segment.")
        if found is None and not self.errors:
            self.refuse("value", "required", "Choose a segment.")
        return found

    def one(self, value: object, key: str = "value") -> Any:
        """One value: a text, or for attributes also a number, true or false."""
        if self.of.kind == "attribute" and isinstance(value, (bool, int, float)):
            if isinstance(value, float) and not math.isfinite(value):
                self.refuse(key, "invalid_number", "This number is not finite.")
            return value
        if not isinstance(value, str) or not value.strip():
            self.refuse(key, "required", "Choose a value.")
            return ""
        if len(value) > TEXT_MAX:
            self.refuse(key, "too_long", f"This is longer than {TEXT_MAX} characters.")
        if problem := unstorable(value):
            self.refuse(key, "invalid_character", problem)
        return self._normal(value.strip(), key)

    def _normal(self, value: str, key: str) -> str:
        normalise = _NORMAL.get(self.of.name)
        if normalise is None or self.errors:
            return value
        found = normalise(value)
        if found is None:
            self.refuse(key, "invalid_value", f"{value!r} is no {self.of.label.lower()}.")
            return value
        return found


def _text(reader: _Reader) -> Any:
    return reader.one(reader.raw.get("value"))


def _texts(reader: _Reader) -> Any:
    found = reader.raw.get("value")
    if not isinstance(found, list) or not found:
        reader.refuse("value", "required", "Choose at least one value.")
        return None
    if len(found) > VALUES_MAX:
        reader.refuse("value", "too_many", f"At most {VALUES_MAX} values.")
        return None
    return [reader.one(value, f"value/{n}") for n, value in enumerate(found)]


def _number(reader: _Reader) -> Any:
    found = reader.raw.get("value")
    try:
        number = float(found) if isinstance(found, (str, int, float)) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(found, bool) or not math.isfinite(number):
        reader.refuse("value", "invalid_number", "Write a number.")
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _date(reader: _Reader) -> Any:
    """A day (`2026-11-22`, its beginning in UTC) or a moment with offset."""
    found = reader.raw.get("value")
    try:
        if isinstance(found, str) and len(found) == 10:
            return date.fromisoformat(found)
        moment = datetime.fromisoformat(found) if isinstance(found, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        reader.refuse("value", "invalid_date", "Write a day such as 2026-11-22.")
        return None
    return moment


def _days(reader: _Reader) -> Any:
    found = reader.whole("value", 1, DAYS_MAX, None)
    if found is None and not reader.errors:
        reader.refuse("value", "required", "Say how many days.")
    return found


_SHAPES: Final[Mapping[str, Callable[[_Reader], Any]]] = {
    "text": _text,
    "texts": _texts,
    "number": _number,
    "date": _date,
    "days": _days,
}

_NORMAL: Final[Mapping[str, Callable[[str], str | None]]] = {
    "country": places.country,
    "locale": places.locale,
    "timezone": places.timezone,
    "language": lambda value: (places.locale(value) or "").partition("-")[0] or None,
}


def _no_extra(_reader: _Reader) -> Mapping[str, Any]:
    return {}


def _device(reader: _Reader) -> Mapping[str, Any]:
    app = reader.raw.get("app")
    return {
        "platform": reader.choice("platform", PLATFORMS, "any"),
        "app": reader.name("app", "Name an app, or leave it out.") if app else None,
    }


def _topic(reader: _Reader) -> Mapping[str, Any]:
    return {
        "topic": reader.name("topic", "Choose a topic."),
        "channel": reader.choice("channel", CHANNEL_WORDS),
    }


def _suppressed(reader: _Reader) -> Mapping[str, Any]:
    channels = {name: CHANNEL_WORDS[name] for name in ("email", "sms")}
    return {"channel": reader.choice("channel", channels)}


def _engagement(reader: _Reader) -> Mapping[str, Any]:
    channel = reader.raw.get("channel")
    return {
        "event": reader.choice("event", ENGAGEMENTS),
        "times": reader.whole("times", 1, TIMES_MAX, 1),
        "days": reader.whole("days", 1, DAYS_MAX, None),
        "campaign": reader.public_id("campaign", "cmp", "There is no such campaign."),
        "channel": reader.choice("channel", CHANNEL_WORDS) if channel else None,
    }


def _event(reader: _Reader) -> Mapping[str, Any]:
    return {
        "name": reader.name("name", "Choose an event."),
        "times": reader.whole("times", 1, TIMES_MAX, 1),
        "days": reader.whole("days", 1, DAYS_MAX, None),
        "where": _where(reader),
    }


def _where(reader: _Reader) -> list[dict[str, Any]]:
    found = reader.raw.get("where") or []
    if not isinstance(found, list) or len(found) > 5:
        reader.refuse("where", "too_many", "At most five conditions on one event.")
        return []
    return [condition for n, raw in enumerate(found) if (condition := _condition(reader, raw, n))]


def _condition(reader: _Reader, raw: object, number: int) -> dict[str, Any] | None:
    here = f"where/{number}"
    if not isinstance(raw, Mapping) or set(raw) - {"property", "op", "value"}:
        reader.refuse(here, "invalid_type", "A condition has property, op and value.")
        return None
    name = raw.get("property")
    if not isinstance(name, str) or not all(ATTRIBUTE_NAME.fullmatch(p) for p in name.split(".")):
        reader.refuse(f"{here}/property", "required", "Choose a property.")
        return None
    if raw.get("op") not in WHERE_OPERATORS:
        words = f"Choose one of {', '.join(WHERE_OPERATORS)}."
        reader.refuse(f"{here}/op", "unknown_operator", words)
        return None
    values = raw.get("value")
    listed = values if isinstance(values, list) else [values]
    if not listed or len(listed) > VALUES_MAX or not all(map(_is_scalar, listed)):
        reader.refuse(f"{here}/value", "required", "Choose a value.")
        return None
    if raw["op"] in ("at_least", "at_most") and not isinstance(_numeric(values), (int, float)):
        reader.refuse(f"{here}/value", "invalid_number", "Write a number.")
        return None
    return {"path": name.split("."), "op": raw["op"], "value": values}


_EXTRAS: Final[Mapping[str, Callable[[_Reader], Mapping[str, Any]]]] = {
    "device": _device,
    "topic": _topic,
    "suppressed": _suppressed,
    "engagement": _engagement,
    "event": _event,
}


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 9 else None


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= TEXT_MAX and unstorable(value) is None
    return isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value))


def _numeric(value: object) -> int | float | None:
    """A number, also when a form sent it as text."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    try:
        number = float(value) if isinstance(value, str) else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
