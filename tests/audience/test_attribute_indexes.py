"""Attributes that segments ask about get an index, which rules then use."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from flask import Flask
from sqlalchemy import Select, event, text
from sqlalchemy.orm import Session

from app.audience import attribute_indexes, contacts, rules, segments
from app.db import transaction

RULE = {"all": [{"field": "attributes.plan_indexed", "op": "is", "value": "plus"}]}


@pytest.fixture
def people(app: Flask, now: datetime) -> Iterator[None]:
    with app.app_context():
        with transaction() as session:
            items = [
                {"external_id": str(n), "attributes": {"plan_indexed": "plus" if n < 3 else "free"}}
                for n in range(900)
            ]
            contacts.upsert_many(session, items, now)
            segments.create(session, {"name": "Plus", "rule": RULE}, None, now)
        yield
        with transaction() as session:
            session.execute(text("DROP INDEX IF EXISTS ix_contact_attribute_plan_indexed"))


@pytest.mark.usefixtures("people")
def test_an_attribute_is_indexed_once_it_is_used_in_a_segment(now: datetime) -> None:
    assert attribute_indexes.ensure_used() == ["plan_indexed"]
    assert attribute_indexes.ensure_used() == []
    with transaction() as session:
        assert rules.count(session, RULE, now) == 3
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = explain(session, rules.matching(session, RULE, now))
        assert "ix_contact_attribute_plan_indexed" in plan


@pytest.mark.usefixtures("people")
def test_several_processes_at_once_make_each_index_once(app: Flask) -> None:
    def ensure(_: int) -> list[str]:
        with app.app_context():
            return attribute_indexes.ensure_used()

    with ThreadPoolExecutor(4) as pool:
        made = [name for names in pool.map(ensure, range(8)) for name in names]
    assert made == ["plan_indexed"]


def explain(session: Session, statement: Select[int]) -> str:
    """The plan of a statement exactly as it is sent."""

    def ask(_c: object, _cursor: object, sql: str, values: object, *_rest: object) -> object:
        return f"EXPLAIN {sql}", values

    event.listen(session.connection(), "before_cursor_execute", ask, retval=True)
    return "\n".join(str(line) for line in session.scalars(statement))
