"""Any file is read exactly, or refused with a sentence that names the line."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audience import csv_cells, csv_reading
from app.errors import Invalid

TABLE = "email,first_name\nada@example.com,Ada\nbob@example.com,Bób\n"


def write(folder: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = folder / "people.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def cells(path: Path) -> list[list[str]]:
    return [row.cells for row in csv_reading.rows(csv_reading.inspect(path))]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
def test_encodings_are_recognised(tmp_path: Path, encoding: str) -> None:
    assert cells(write(tmp_path, TABLE, encoding))[1] == ["bob@example.com", "Bób"]


def test_shift_jis_is_recognised(tmp_path: Path) -> None:
    table = "メール,名前\nada@example.com,あだ・ラブレース\n"
    assert cells(write(tmp_path, table, "cp932")) == [["ada@example.com", "あだ・ラブレース"]]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends_are_recognised(tmp_path: Path, sign: str, end: str) -> None:
    table = TABLE.replace(",", sign).replace("\n", end)
    assert cells(write(tmp_path, table))[0] == ["ada@example.com", "Ada"]


def test_excels_own_delimiter_line_is_understood(tmp_path: Path) -> None:
    sheet = csv_reading.inspect(write(tmp_path, "sep=;\r\nemail;name\r\na@example.com;A, B\r\n"))
    assert (sheet.delimiter, sheet.header) == (";", ["email", "name"])
    assert [row.line for row in csv_reading.rows(sheet)] == [3]


def test_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    assert cells(write(tmp_path, "email\nada@example.com\n\n\nbob@example.com")) == [
        ["ada@example.com"],
        ["bob@example.com"],
    ]


def test_quoted_texts_may_hold_anything(tmp_path: Path) -> None:
    path = write(tmp_path, 'email,note\na@example.com,"x, ""y""\nz"\nb@example.com,5" disk\n')
    sheet = csv_reading.inspect(path)
    found = [(row.line, row.cells[1]) for row in csv_reading.rows(sheet)]
    assert found == [(2, 'x, "y"\nz'), (4, '5" disk')]


def test_doubled_and_missing_headings_get_names(tmp_path: Path) -> None:
    sheet = csv_reading.inspect(write(tmp_path, "email,email,,name\na@example.com,,,A\n"))
    assert sheet.header == ["email", "email (2)", "column 3", "name"]


def test_a_row_of_the_wrong_length_is_a_problem_of_that_row(tmp_path: Path) -> None:
    path = write(tmp_path, "email,a,b\nx@example.com,1\ny@example.com,1,2,,\nz@example.com,1,2,3\n")
    rows = list(csv_reading.rows(csv_reading.inspect(path)))
    assert [bool(row.problem) for row in rows] == [True, False, True]
    assert rows[0].problem == "The row has 2 cells, the header has 3."


def test_a_bad_quote_in_one_line_costs_that_line(tmp_path: Path) -> None:
    path = write(tmp_path, 'email,name\na@example.com,"A"x\nb@example.com,B\n')
    rows = list(csv_reading.rows(csv_reading.inspect(path)))
    assert [(row.line, bool(row.problem)) for row in rows] == [(2, True), (3, False)]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"email,name\n", "no people below"),
        (b"PK\x03\x04rest", "an Excel workbook or a zip"),
        (b"\xd0\xcf\x11\xe0rest", "old Excel"),
        (b"%PDF-1.7", "a PDF"),
        (b"\x1f\x8b\x08rest", "compressed"),
        (b'email,name\na@example.com,"A\nb@example.com,B\n', "Line 2: a quotation mark"),
        (b'email,name\na@example.com,"A\nb@example.com,"B"\n', "Line 2: a quotation mark"),
        (b"email,name\na@example.com,\x81\x8d\n", "Line 2: a character"),
        (b"ada@example.com,Ada\nbob@example.com,Bob\n", "Line 1 holds a person"),
        (b",".join(b"c%d" % n for n in range(10_000)) + b"\n" + b"," * 9_999, "10,000 columns"),
        (b"email\n" + b"a" * 600_000 + b"\n", "Line 2 is longer"),
        (b'email\n"' + b"a" * 200_000 + b'"\n', "Line 2: a field is longer"),
        (b'email\n"' + b"a\n" * 5_000 + b'"\n', "Line 2: a quotation mark"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes, part: str) -> None:
    with pytest.raises(Invalid) as refused:
        csv_reading.inspect(write(tmp_path, content))
    assert part in refused.value.message


@given(st.binary(max_size=400))
def test_no_bytes_make_reading_fail(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = write(tmp_path_factory.mktemp("any"), raw)
    with contextlib.suppress(Invalid):
        list(csv_reading.rows(csv_reading.inspect(path)))


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\x00", "＝", "＋", "－", "＠"])
def test_no_cell_is_run_as_a_formula(sign: str) -> None:
    assert csv_cells.neutral(f"{sign}SUM(A1)") == f"'{sign}SUM(A1)"


@given(st.text(alphabet="'=+-@a\t＝", max_size=8))
def test_neutralising_can_be_undone(cell: str) -> None:
    assert csv_cells.restored(csv_cells.neutral(cell)) == cell
