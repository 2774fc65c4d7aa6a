"""Keyset pages: `?limit=50&cursor=…`.

A cursor is the key of the last row of the page before, as an opaque string. Lists are ordered by
descending key, so a page costs the same however deep it is.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.errors import Invalid

Item = TypeVar("Item")
MAX_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some rows and the cursor of the next page (None on the last)."""

    items: Sequence[Item]
    next_cursor: str | None


def encode_cursor(key: int) -> str:
    """An opaque, URL-safe string for a row's key."""
    return base64.urlsafe_b64encode(str(key).encode()).rstrip(b"=").decode("ascii")


def decode_cursor(cursor: str | None) -> int | None:
    """The key behind a cursor; None for None. Raises Invalid for anything that is not a cursor."""
    if not cursor:
        return None
    try:
        key = int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        key = 0
    if not 0 < key < 1 << 63:
        message = "The cursor is not one that this list gave out."
        raise Invalid.one("/cursor", "invalid_cursor", message)
    return key


def cut(rows: Sequence[Item], limit: int, key: Callable[[Item], int]) -> Page[Item]:
    """Make a page of a result that was asked for with `limit + 1`."""
    kept = rows[:limit]
    more = len(rows) > limit
    return Page(kept, encode_cursor(key(kept[-1])) if more and kept else None)
