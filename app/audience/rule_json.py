"""Conditions on values in jsonb: custom attributes of people, properties of events.

Values are compared as jsonb, which never fails on an odd value and lets one expression index on
`(attributes -> 'plan')` serve equality and ranges alike. A text that looks like a number also finds
the number, since files and forms do not say which is meant.
"""

import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Text, and_, bindparam, func, literal, or_
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from app.audience.models import Contact
from app.audience.rule_leaf import Leaf

Condition = ColumnElement[bool]

_DAY: Final = r"^\d{4}-\d{2}-\d{2}"
_WHOLE: Final = literal([], ARRAY(Text))  # the empty path: the value itself, as text
_COMPARE: Final = {
    "at_least": lambda found, value: found >= value,
    "more_than": lambda found, value: found > value,
    "at_most": lambda found, value: found <= value,
    "less_than": lambda found, value: found < value,
}


def attribute(leaf: Leaf, now: datetime) -> Condition:
    """The condition of a leaf about a custom attribute."""
    # The name is written into the statement, so that the expression index can be found.
    name = bindparam(None, leaf.field.name.partition(".")[2], type_=Text, literal_execute=True)
    found = Contact.attributes.op("->", return_type=JSONB())(name)
    if leaf.op == "exists":
        return found.is_not(None)
    if leaf.op in ("in_last", "before", "after"):
        return _dated(found, leaf, now)
    return _compare(found, leaf.op, leaf.value)


def where(properties: Any, item: Mapping[str, Any]) -> Condition:
    """The condition of one property of an event; the path may lead into objects."""
    path = literal(item["path"], ARRAY(Text))
    return _compare(properties.op("#>", return_type=JSONB())(path), item["op"], item["value"])


def candidates(value: Any) -> list[Any]:
    """The jsonb values that are meant by one value of a rule: `"7"` finds "7" and 7."""
    if isinstance(value, bool):
        return [value]
    if isinstance(value, str):
        meant: list[Any] = [value]
        if value in ("true", "false"):
            meant.append(value == "true")
        number = _number(value)
        return [*meant, number] if number is not None else meant
    return [value, str(value)]


def _compare(found: Any, op: str, value: Any) -> Condition:
    if op in ("is", "any_of"):
        listed = value if isinstance(value, list) else [value]
        wanted = [_json(item) for one in listed for item in candidates(one)]
        return found.in_(wanted)  # type: ignore[no-any-return]
    if op == "includes":
        return and_(
            func.jsonb_typeof(found) == "array",
            or_(*(found.op("@>")(_json(item)) for item in candidates(value))),
        )
    if op in _COMPARE:
        number = _number(value) if isinstance(value, str) else value
        return and_(func.jsonb_typeof(found) == "number", _COMPARE[op](found, _json(number)))
    text = func.lower(found.op("#>>", return_type=Text())(_WHOLE))
    scalar = func.jsonb_typeof(found).in_(["string", "number"])
    if op == "contains":
        return and_(scalar, text.contains(str(value).lower(), autoescape=True))
    return and_(scalar, text.startswith(str(value).lower(), autoescape=True))


def _dated(found: Any, leaf: Leaf, now: datetime) -> Condition:
    """Dates are texts such as 2026-11-22 or 2026-11-22T08:00:00Z, which sort as they read."""
    text = found.op("#>>", return_type=Text())(_WHOLE)
    is_date = and_(func.jsonb_typeof(found) == "string", text.op("~")(_DAY))
    if leaf.op == "in_last":
        first = (now - timedelta(days=leaf.value)).date().isoformat()
        last = (now + timedelta(days=1)).date().isoformat()
        return and_(is_date, found >= _json(first), found < _json(last))
    border = _day(leaf.value)
    return and_(is_date, found < _json(border) if leaf.op == "before" else found >= _json(border))


def _day(value: date | datetime) -> str:
    return value.isoformat()


def _json(value: Any) -> ColumnElement[Any]:
    return bindparam(None, value, type_=JSONB)


def _number(text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
