"""Columns as one parameter: PostgreSQL reads back what was written."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.arrays import literal

NASTY = [
    None, "", "null", "NULL", "a,b", '{"a"}', 'say "hi"', "back\\slash", "line\nbreak", "tab\there",
    "\x07", " space ", "ünï ✓ 🎉", "\\", '"', "{}",
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text", NASTY),
        ("text", ["plain", None, "words"]),
        ("bigint", [1, None, -(2**62)]),
        ("boolean", [True, None, False]),
        ("timestamptz", [datetime(2026, 11, 22, 9, 30, 1, 123456, tzinfo=UTC), None]),
        ("text", []),
    ],
)
def test_every_value_comes_back(session: Session, kind: str, values: list[Any]) -> None:
    found = session.execute(
        text(f"select v from unnest(cast(:values as {kind}[])) with ordinality u(v, n) order by n"),
        {"values": literal(values)},
    )
    assert list(found.scalars()) == values
