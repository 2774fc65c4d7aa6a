"""Reading CSV files of people: checked as a whole first, then streamed row by row.

The first pass costs about a microsecond per row and finds everything that makes a file unreadable
(encoding, unbalanced quotes, monstrous fields), so that a file is imported as a whole or not begun.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from app.audience import addresses, csv_encoding
from app.audience.csv_encoding import unreadable

COLUMNS_MAX: Final = 200
HEADING_MAX: Final = 200
LINE_MAX: Final = 500_000  # characters
RECORD_LINES_MAX: Final = 500  # lines that one quoted text may span
SAMPLE_ROWS: Final = 50
_BEGINNING: Final = 65_536


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file. `problem` says why it cannot be used although the file can."""

    line: int
    cells: list[str]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A readable file: how to read it, its headings (unique), and how many rows it has."""

    path: Path
    encoding: str
    delimiter: str
    preface: int  # lines before the header
    header: list[str]
    rows: int
    size: int  # bytes
    sample: list[list[str]]


def inspect(path: Path) -> Sheet:
    """Check a whole file. Raises Invalid with one sentence that names the line."""
    encoding = csv_encoding.detect(path)
    with path.open(encoding=encoding, newline="") as file:
        delimiter, preface = csv_encoding.delimiter(file.read(_BEGINNING))
    header: list[str] = []
    sample: list[list[str]] = []
    number = 0
    with path.open(encoding=encoding, newline="") as file:
        for row in _records(file, delimiter, preface):
            if not header:
                header = _header(row)
                continue
            number += 1
            if len(sample) < SAMPLE_ROWS and not row.problem:
                sample.append(row.cells)
            _refuse_swallowed_lines(row, header)
    if not header:
        raise unreadable("The file is empty.", "empty_file")
    if not number:
        raise unreadable("The file has a line of headings and no people below.", "no_rows")
    size = path.stat().st_size
    return Sheet(path, encoding, delimiter, preface, header, number, size, sample)


def rows(sheet: Sheet) -> Iterator[Row]:
    """The rows below the header; blank lines are not rows."""
    width = len(sheet.header)
    with sheet.path.open(encoding=sheet.encoding, newline="") as file:
        records = _records(file, sheet.delimiter, sheet.preface)
        next(records)
        for row in records:
            if row.problem or len(row.cells) == width:
                yield row
            else:
                yield _fitted(row, width)


class _Lines:
    """The lines of a file with guards, for the csv module to pull from."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.number = 0
        self.record_begins = 1

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(LINE_MAX)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == LINE_MAX:
            words = f"Line {self.number:,} is longer than {LINE_MAX:,} characters."
            raise unreadable(words, "line_too_long")
        if self.number - self.record_begins >= RECORD_LINES_MAX:
            raise _open_quote(self.record_begins)
        return line


def _records(file: TextIO, delimiter: str, preface: int) -> Iterator[Row]:
    lines = _Lines(file)
    for _ in range(preface):
        next(lines, None)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        begins = lines.record_begins = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _broken(lines, begins, str(error))
            continue
        if any(cells):
            yield Row(begins, cells)


def _broken(lines: _Lines, begins: int, error: str) -> Row:
    """A quote that is wrong within one line costs that row; beyond it, nothing can be trusted."""
    if "field larger" in error:
        words = f"Line {begins:,}: a field is longer than {csv.field_size_limit():,} characters."
        raise unreadable(words, "field_too_long")
    if "end of data" in error or lines.number > begins:
        raise _open_quote(begins)
    return Row(begins, [], "The quotes in this line are not balanced.")


def _open_quote(line: int) -> Exception:
    words = f"Line {line:,}: a quotation mark is opened and not closed where its field ends."
    return unreadable(words, "unbalanced_quotes")


def _refuse_swallowed_lines(row: Row, header: list[str]) -> None:
    """A record over several lines with the wrong number of cells: a stray quote ate the rows."""
    several = any("\n" in cell or "\r" in cell for cell in row.cells)
    if several and _fitted(row, len(header)).problem:
        raise _open_quote(row.line)


def _fitted(row: Row, width: int) -> Row:
    """Spreadsheets leave empty cells at the end, or leave them out; anything else is a mistake."""
    cells = list(row.cells)
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    if len(cells) == width or row.problem:
        return Row(row.line, cells, row.problem)
    words = f"The row has {len(cells)} cells, the header has {width}."
    return Row(row.line, row.cells, words)


def _header(row: Row) -> list[str]:
    if row.problem:
        raise unreadable(f"Line {row.line:,}: the quotes in the header are not balanced.")
    cells = [cell.strip().strip("\ufeff\x00").replace("\x00", "") for cell in row.cells]
    while cells and not cells[-1]:
        cells.pop()
    if len(cells) > COLUMNS_MAX:
        words = (
            f"Line {row.line:,}: the header has {len(cells):,} columns, more than {COLUMNS_MAX}."
        )
        raise unreadable(words, "too_many_columns")
    if any(addresses.email(cell).ok for cell in cells):
        words = (
            f"Line {row.line:,} holds a person, not headings. Put the names of the columns, such "
            "as email and first_name, on the first line."
        )
        raise unreadable(words, "no_header")
    return _unique([cell[:HEADING_MAX] or f"column {n}" for n, cell in enumerate(cells, 1)])


def _unique(headings: list[str]) -> list[str]:
    """The same heading twice becomes `email` and `email (2)`."""
    seen: dict[str, int] = {}
    unique = []
    for heading in headings:
        seen[heading] = seen.get(heading, 0) + 1
        unique.append(heading if seen[heading] == 1 else f"{heading} ({seen[heading]})")
    return unique
