"""What may stand in a mail header: nobody's data may start a header line of its own."""

from collections.abc import Iterable, Mapping
from typing import Final

from app.channels.base import Outcome, Result

_BREAKS: Final = ("\r", "\n", "\0")


def breaks_out(*values: str) -> bool:
    """True when a value holds CR, LF or NUL."""
    joined = "".join(values)
    return any(character in joined for character in _BREAKS)


def refused() -> Result:
    """The Result for a message whose header values would break out of their line."""
    detail = "A name, subject or header holds a line break, which mail does not allow."
    return Result(Outcome.REJECTED, None, "bad_header", detail)


def tokens_in(text: str, tokens: Iterable[str]) -> tuple[str, ...]:
    """Those placeholder tokens that occur in the text, longest first."""
    found = [token for token in tokens if token in text]
    return tuple(sorted(found, key=len, reverse=True))


def substituted(text: str, tokens: Iterable[str], values: Mapping[str, str]) -> str:
    """The text with each of the tokens replaced by this recipient's value."""
    for token in tokens:
        text = text.replace(token, values.get(token, ""))
    return text
