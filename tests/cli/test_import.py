"""People from the shell."""

import json
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.audience.models import Contact
from tests.cli.conftest import Herald

ROWS = """id,email,phone,Town
1,ada@example.com,+491701234567,Ulm
2,not an address,,Köln
3,bo@example.com,,Bonn
"""


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def test_the_last_line_is_the_counts_as_json(
    herald: Herald, session: Session, people: Path
) -> None:
    answer = herald("import", str(people), "--json")
    assert answer.exit_code == 0, answer.output
    counts = json.loads(answer.stdout.splitlines()[-1])
    assert counts == {"rows": 3, "imported": 2, "refused": 1}
    assert session.scalar(select(func.count()).select_from(Contact)) == 2


def test_refused_rows_are_written_with_their_reasons(herald: Herald, people: Path) -> None:
    refused = people.with_name("refused.csv")
    assert herald("import", str(people), "--refused", str(refused)).exit_code == 0
    head, row = refused.read_text(encoding="utf-8").splitlines()
    assert head.startswith("line,column,reason,id,email")
    assert row.startswith("3,email,")


def test_a_column_can_be_named(herald: Herald, session: Session, people: Path) -> None:
    herald("import", str(people), "--map", "Town=attributes.city", "--map", "phone=")
    ada = session.scalars(select(Contact).where(Contact.external_id == "1")).one()
    assert (ada.attributes, ada.phone) == ({"city": "Ulm"}, None)


def test_a_file_that_is_no_table_is_refused_with_a_sentence(herald: Herald, tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("")
    answer = herald("import", str(path))
    assert answer.exit_code == 1
    assert "The file is empty." in answer.output
