"""Text messages as they are billed: which alphabet, how many segments, and what makes them dear.

GSM 03.38 has 128 characters of 7 bits and ten more that take two; a single character outside it
makes the whole message UCS-2 with 16 bits each. One segment holds 160 or 70, several hold 153 or
67 each, because six bytes join them. An extension pair or a surrogate pair is never cut in two.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

Encoding = Literal["GSM-7", "UCS-2"]

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final = frozenset("\f^{}\\[~]|€")
_GSM: Final = re.compile(f"[{re.escape(''.join(sorted(BASIC | EXTENSION)))}]*")
_EXTENDED: Final = re.compile(f"[{re.escape(''.join(sorted(EXTENSION)))}]")
_SINGLE: Final = {"GSM-7": 160, "UCS-2": 70}
_JOINED: Final = {"GSM-7": 153, "UCS-2": 67}

# Typographic characters with a plain twin that reads the same.
TWINS: Final = {
    "‘": "'", "’": "'", "‚": ",", "‛": "'", "′": "'", "ʼ": "'", "`": "'", "´": "'",
    "“": '"', "”": '"', "„": '"', "‟": '"', "″": '"', "«": '"', "»": '"',
    "–": "-", "—": "-", "‐": "-", "‑": "-", "‒": "-", "―": "-", "−": "-", "•": "-",
    "…": "...", "\t": " ", "·": "-", "‹": "<", "›": ">", "×": "x", "\u2028": "\n",
}  # fmt: skip
# Spaces that look like a space, and marks that look like nothing: never worth a segment.
_SPACES: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE: Final = re.compile("[\u00ad\u200b\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class Size:
    """What a text costs: `units` of 7 or 16 bits in `segments`; `room` is left in the last one."""

    encoding: Encoding
    characters: int
    units: int
    segments: int
    room: int


def measure(text: str) -> Size:
    """Encoding and segments of a text, as Twilio bills it."""
    encoding: Encoding = "GSM-7" if is_gsm(text) else "UCS-2"
    if not _wide(text, encoding):
        return _of_single_units(encoding, len(text))
    widths = [_width(character, encoding) for character in text]
    units = sum(widths)
    if units <= _SINGLE[encoding]:
        return Size(encoding, len(text), units, 1 if text else 0, _SINGLE[encoding] - units)
    segments, used = 1, 0
    for width in widths:
        if used + width > _JOINED[encoding]:
            segments, used = segments + 1, 0
        used += width
    return Size(encoding, len(text), units, segments, _JOINED[encoding] - used)


def is_gsm(text: str) -> bool:
    """Whether every character is in the GSM alphabet or its extension."""
    return _GSM.fullmatch(text) is not None


def normalise(text: str) -> str:
    """Without the spaces and marks that nobody sees but that would double the price."""
    return _INVISIBLE.sub("", _SPACES.sub(" ", text.replace("\r\n", "\n")))


def costly(text: str) -> list[str]:
    """The characters that force UCS-2, each once, in order of appearance."""
    return [c for c in dict.fromkeys(text) if c not in BASIC and c not in EXTENSION]


def replacement(character: str) -> str | None:
    """What could stand in its place in the GSM alphabet; empty to leave it out; None: nothing."""
    if character in TWINS:
        return TWINS[character]
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", character)
        if not unicodedata.combining(letter)
    )
    if plain and is_gsm(plain):
        return plain
    return "" if unicodedata.category(character) in ("So", "Sk", "Cf", "Mn") else None


def _of_single_units(encoding: Encoding, units: int) -> Size:
    """Of a text whose characters are one unit each: nearly every one, and nothing to walk along."""
    single, joined = _SINGLE[encoding], _JOINED[encoding]
    if units <= single:
        return Size(encoding, units, units, 1 if units else 0, single - units)
    segments = -(-units // joined)
    return Size(encoding, units, units, segments, segments * joined - units)


def _wide(text: str, encoding: Encoding) -> bool:
    """Whether some character takes two units."""
    if encoding == "GSM-7":
        return _EXTENDED.search(text) is not None
    return max(text) > "\uffff"


def _width(character: str, encoding: Encoding) -> int:
    if encoding == "GSM-7":
        return 2 if character in EXTENSION else 1
    return 2 if ord(character) > 0xFFFF else 1
