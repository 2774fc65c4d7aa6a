"""Public ids: `ntf_07k3…` stands for a row's bigint key.

The key is scrambled by a fixed permutation of 64-bit numbers, so that ids tell neither order nor
volume, and written in Crockford's base 32 (13 characters). This is not a secret: what must not be
guessed is signed (`app.signing`).
"""

from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS: Final = frozenset(_ALPHABET)
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_TO_PYTHON: Final = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_MASK: Final = (1 << 64) - 1
_FACTOR: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_FACTOR, -1, 1 << 64)
_LENGTH: Final = 13


def encode(prefix: str, key: int) -> str:
    """`encode("ntf", 1)` -> `ntf_…`; `key` is a positive bigint."""
    number = (key * _FACTOR) & _MASK
    number ^= number >> 32
    # Written out: a loop over the pairs doubles the cost, and every message has an id.
    return (
        f"{prefix}_{_ALPHABET[number >> 60]}{_PAIRS[number >> 50 & 1023]}"
        f"{_PAIRS[number >> 40 & 1023]}{_PAIRS[number >> 30 & 1023]}"
        f"{_PAIRS[number >> 20 & 1023]}{_PAIRS[number >> 10 & 1023]}{_PAIRS[number & 1023]}"
    )


def decode(prefix: str, public_id: str) -> int | None:
    """The key behind a public id, or None when it is not one of ours."""
    head, _, body = public_id.partition("_")
    if head != prefix or len(body) != _LENGTH or not _LETTERS.issuperset(body):
        return None
    number = int(body.translate(_TO_PYTHON), 32)
    if number > _MASK:
        return None
    number ^= number >> 32
    key = (number * _INVERSE) & _MASK
    return key if 0 < key < 1 << 63 else None
