"""Cells of CSV files that people open in a spreadsheet.

A cell that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, "CSV
injection"); reading such a file back takes it away again.
"""

import csv
import io
from collections.abc import Iterable
from typing import Final

_DANGEROUS: Final = frozenset("=+-@\t\r\n\x00＝＋－＠")


def neutral(cell: str) -> str:
    """The cell as text that no spreadsheet runs."""
    return "'" + cell if cell.lstrip("'")[:1] in _DANGEROUS and cell.lstrip("'") else cell


def restored(cell: str) -> str:
    """The cell as it was before `neutral`."""
    if cell[:1] == "'" and cell.lstrip("'")[:1] in _DANGEROUS and cell.lstrip("'"):
        return cell[1:]
    return cell


def line(cells: Iterable[object]) -> str:
    """One line of a CSV file, neutralised and quoted where needed; None is an empty cell."""
    buffer = io.StringIO()
    texts = ("" if cell is None else neutral(str(cell)) for cell in cells)
    csv.writer(buffer, lineterminator="\r\n").writerow(texts)
    return buffer.getvalue()
