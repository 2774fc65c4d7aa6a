"""Months of the log, made ahead."""

from datetime import UTC, datetime

from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db import transaction
from app.sending import partitions

MONTH = datetime(2031, 5, 1, tzinfo=UTC)
NAME = "notification_2031_05"


def rows_assumed(session: Session) -> float:
    """What the planner was told about the month; -1: nothing."""
    found = session.scalar(text(f"select reltuples from pg_class where relname = '{NAME}'"))
    assert found is not None
    return float(found)


def test_an_analysed_empty_month_is_not_planned_for_as_if_it_stayed_empty(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        assert partitions.ensure(session, MONTH, MONTH) == [NAME]
        assert rows_assumed(session) == -1
        session.execute(text("analyze notification"))
        assert rows_assumed(session) == 0
        partitions.forget_emptiness(session)
        assert rows_assumed(session) == -1
        session.rollback()
