"""What a file is before it is parsed: not a workbook, in which encoding, with which delimiter."""

import codecs
import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from app.errors import Invalid

_BLOCK: Final = 1 << 20
_DELIMITERS: Final = (",", ";", "\t", "|")
_KANA: Final = re.compile("[\u3040-\u30ff]")
_SEP_LINE: Final = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)
_SIGNATURES: Final = (
    (b"PK\x03\x04", "an Excel workbook or a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "a compressed file"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a text document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)


def unreadable(message: str, code: str = "unreadable_file") -> Invalid:
    """The refusal of a whole file, as a sentence."""
    return Invalid.one("/file", code, message)


def detect(path: Path) -> str:
    """The encoding of a text file: UTF-8, UTF-16, Shift-JIS or Windows-1252. Raises Invalid."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.strip(b"\xef\xbb\xbf \t\r\n\x00"):
        raise unreadable("The file is empty.", "empty_file")
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            words = f"This is {what}, not a CSV file. Save it as CSV (UTF-8) and try again."
            raise unreadable(words, "not_csv")
    if wide := _wide(head):
        _decode_all(path, wide)
        return wide
    if _decodes(path, "utf-8-sig"):
        return "utf-8-sig"
    if _has_kana(path):
        return "cp932"
    _decode_all(path, "cp1252")
    return "cp1252"


def delimiter(beginning: str) -> tuple[str, int]:
    """The delimiter of a table, judged by its first lines, and how many lines precede the header.

    `sep=;` on the first line is Excel's own way of saying it.
    """
    said = _SEP_LINE.match(beginning)
    if said:
        return said[1], 1
    lines = beginning.splitlines(keepends=True)[:50]
    best = max(_DELIMITERS, key=lambda sign: _fitness(lines, sign))
    return best, 0


def _wide(head: bytes) -> str | None:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half = len(head) // 2
    if half >= 4 and head[1::2].count(0) > half * 0.6:
        return "utf-16-le"
    if half >= 4 and head[0::2].count(0) > half * 0.6:
        return "utf-16-be"
    return None


def _decodes(path: Path, encoding: str) -> bool:
    try:
        _decode_all(path, encoding)
    except Invalid:
        return False
    return True


def _decode_all(path: Path, encoding: str) -> None:
    """Read the whole file once, so that a bad character is found before anything is imported."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with path.open("rb") as file:
        for block in _blocks(file):
            try:
                line += decoder.decode(block).count("\n")
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                words = f"Line {line:,}: a character is neither UTF-8 nor Windows-1252."
                raise unreadable(words, "wrong_encoding") from error
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        words = f"Line {line:,}: the file ends in the middle of a character."
        raise unreadable(words, "wrong_encoding") from error


def _has_kana(path: Path) -> bool:
    """Shift-JIS must decode as such and hold Japanese syllables, which chance does not bring."""
    if not _decodes(path, "cp932"):
        return False
    with path.open("rb") as file:
        sample = file.read(_BLOCK).decode("cp932", errors="ignore")
    return len(_KANA.findall(sample)) >= 3


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _fitness(lines: list[str], sign: str) -> tuple[float, int]:
    """How many of the lines have as many cells as the first, and how many cells that is."""
    try:
        counts = [len(row) for row in csv.reader(lines, delimiter=sign) if row]
    except csv.Error:
        return (0.0, 0)
    if not counts or counts[0] < 2:
        return (0.0, 0)
    return (counts.count(counts[0]) / len(counts), counts[0])
