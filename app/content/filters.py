"""The filters templates may use. Each is cheap: its cost is charged to the budget of the render."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Undefined
from markupsafe import Markup, escape

from app.content.problems import RenderError

Bounded = Callable[[str], str]
Spend = Callable[[int], None]

CURRENCIES: Final = {
    "GBP": "£",
    "EUR": "€",
    "USD": "$",
    "JPY": "¥",
    "INR": "₹",
    "PLN": "zł",
    "CHF": "CHF ",
    "SEK": "kr ",
}
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_TAGS: Final = re.compile(r"<[^<>]*>")


def for_templates(bounded: Bounded, spend: Spend) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Name and function of every filter, with limits applied."""
    for name, function in _PLAIN.items():
        yield name, function
    for name, function in _TEXT.items():
        yield name, _on_text(function, bounded, spend)
    for name, function in _LISTS.items():
        yield name, _on_list(function, spend)


def _on_text(function: Callable[..., str], bounded: Bounded, spend: Spend) -> Callable[..., Any]:
    def apply(value: Any, *args: Any, **kwargs: Any) -> Any:
        text = value if isinstance(value, str) else _text(value)
        spend(len(text) + 20)
        return bounded(function(text, *args, **kwargs))

    return apply


def _on_list(function: Callable[..., Any], spend: Spend) -> Callable[..., Any]:
    def apply(value: Any, *args: Any, **kwargs: Any) -> Any:
        if value is None:
            value = []
        if isinstance(value, Undefined):
            len(value)  # names the variable
        if not isinstance(value, list | tuple):
            raise RenderError("This filter needs a list.")
        spend(20 * len(value) + 20)
        return function(list(value), *args, **kwargs)

    return apply


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping | list | tuple):
        raise RenderError("This filter needs a text, not a list or a group.")
    return str(value)


def default(value: Any, fallback: Any = "", _always: bool = True) -> Any:
    """The fallback when the value is missing, null or an empty text."""
    if isinstance(value, Undefined) or value is None or value == "":
        return fallback
    return value


def safe(value: Any) -> Markup:
    """Mark a text as HTML that comes from a trusted writer."""
    return Markup(_text(value))  # noqa: S704 -- the template's author asked for it


def length(value: Any) -> int:
    """Items of a list, members of a group, characters of a text."""
    return 0 if value is None else len(value)


def _nl2br(value: str) -> Markup:
    return Markup("<br>\n").join(escape(line) for line in value.splitlines())


def _truncate(value: str, size: int = 80, end: str = "…") -> str:
    size = max(1, min(int(size), 10_000))
    if len(value) <= size:
        return value
    cut = value[: size - min(len(end), size - 1)]
    words = cut.rsplit(" ", 1)[0] if " " in cut else cut
    return words.rstrip() + end


def _replace(value: str, old: str, new: str) -> str:
    if not old:
        return value
    if value.count(old) * max(len(new) - len(old), 0) > 100_000:
        raise RenderError("'replace' makes the text too long.")
    return value.replace(str(old), str(new))


def _title(value: str) -> str:
    return re.sub(r"\w+('\w+)?", lambda match: match[0].capitalize(), value)


def to_int(value: Any, fallback: int = 0) -> int:
    """A whole number, or the fallback."""
    try:
        return int(float(str(value)[:30]))
    except (ValueError, OverflowError):
        return fallback


def to_float(value: Any, fallback: float = 0.0) -> float:
    """A number, or the fallback."""
    try:
        return float(str(value)[:30])
    except ValueError:
        return fallback


def to_round(value: Any, digits: int = 0) -> float | int:
    """A number rounded to 0 to 6 digits; whole when digits is 0."""
    number = round(_number(value), max(0, min(int(digits), 6)))
    return int(number) if not digits else number


def number(value: Any, digits: int = 0) -> str:
    """`1234.5` -> `1,234` (or with digits)."""
    return f"{_number(value):,.{max(0, min(int(digits), 6))}f}"


def money(value: Any, currency: str = "GBP") -> str:
    """`4.2` -> `£4.20`; a currency without a known sign is written after the amount."""
    code = str(currency).upper()[:8]
    amount = f"{abs(_number(value)):,.{0 if code == 'JPY' else 2}f}"
    sign = CURRENCIES.get(code)
    text = f"{amount} {sign or code}" if sign in (None, "zł") else f"{sign}{amount}"
    return f"-{text}" if _number(value) < 0 else text


def to_date(value: Any, pattern: str = "%-d %B %Y") -> str:
    """A date from RFC 3339 text: `2026-11-24` -> `24 November 2026`. English names."""
    moment = _moment(value)
    names = {
        "%-d": str(moment.day),
        "%d": f"{moment.day:02}",
        "%B": MONTHS[moment.month - 1],
        "%b": MONTHS[moment.month - 1][:3],
        "%m": f"{moment.month:02}",
        "%Y": str(moment.year),
        "%A": _weekday(moment),
        "%a": _weekday(moment)[:3],
        "%H": f"{moment.hour:02}",
        "%M": f"{moment.minute:02}",
    }
    return re.sub(r"%-?[A-Za-z]", lambda match: names.get(match[0], match[0]), str(pattern)[:100])


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 -- only printed
    try:
        return datetime.fromisoformat(_text(value)[:40])
    except ValueError as error:
        raise RenderError("'date' needs a date such as 2026-11-24.") from error


def _weekday(moment: datetime) -> str:
    names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    return names[moment.weekday()]


def _number(value: Any) -> float:
    if isinstance(value, Undefined):
        str(value)  # names the variable
    if isinstance(value, int | float) and abs(value) <= 1e15:
        return value
    try:
        return float(_text(value)[:30])
    except ValueError as error:
        raise RenderError("A number is needed here.") from error


def _join(values: list[Any], separator: str = "", attribute: str | None = None) -> str:
    if attribute is not None:
        values = _map(values, attribute)
    parts = [_text(value) for value in values]
    if sum(map(len, parts)) + len(parts) * len(separator) > 100_000:
        raise RenderError("'join' makes the text too long.")
    return str(separator).join(parts)


def _map(values: list[Any], attribute: str) -> list[Any]:
    return [_member(value, attribute) for value in values]


def _member(value: Any, attribute: str) -> Any:
    return value.get(attribute) if isinstance(value, Mapping) else None


def _sort(values: list[Any], reverse: bool = False, attribute: str | None = None) -> list[Any]:
    def order(value: Any) -> tuple[int, Any]:
        found = _member(value, attribute) if attribute else value
        return (0, found) if isinstance(found, int | float) else (1, _text(found).casefold())

    return sorted(values, key=order, reverse=bool(reverse))


def _where(values: list[Any], attribute: str, wanted: Any = True) -> list[Any]:
    if wanted is True:
        return [value for value in values if _member(value, attribute)]
    return [value for value in values if _member(value, attribute) == wanted]


def _sum(values: list[Any], attribute: str | None = None) -> float:
    return sum(_number(value) for value in (_map(values, attribute) if attribute else values))


def items(value: Any) -> list[tuple[str, Any]]:
    """Names and values of a group, for `{% for name, value in group|items %}`."""
    if not isinstance(value, Mapping):
        raise RenderError("'items' needs a group.")
    return list(value.items())


_PLAIN: Final[dict[str, Callable[..., Any]]] = {
    "default": default,
    "d": default,
    "safe": safe,
    "length": length,
    "count": length,
    "int": to_int,
    "float": to_float,
    "round": to_round,
    "number": number,
    "money": money,
    "date": to_date,
    "items": items,
    "abs": lambda value: abs(_number(value)),
}
_TEXT: Final[dict[str, Callable[..., str]]] = {
    "upper": str.upper,
    "lower": str.lower,
    "capitalize": str.capitalize,
    "title": _title,
    "trim": str.strip,
    "truncate": _truncate,
    "replace": _replace,
    "urlencode": lambda value: quote(value, safe=""),
    "striptags": lambda value: " ".join(_TAGS.sub("", value).split()),
    "nl2br": _nl2br,
    "escape": escape,
    "e": escape,
}
_LISTS: Final[dict[str, Callable[..., Any]]] = {
    "first": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "join": _join,
    "map": _map,
    "where": _where,
    "sort": _sort,
    "reverse": lambda values: values[::-1],
    "unique": lambda values: list(dict.fromkeys(_text(value) for value in values)),
    "sum": _sum,
    "min": lambda values: min(map(_number, values), default=None),
    "max": lambda values: max(map(_number, values), default=None),
}
NAMES: Final = frozenset({*_PLAIN, *_TEXT, *_LISTS})
