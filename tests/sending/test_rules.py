"""The workspace's limits, as the policy sees them."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import text

from app.accounts import workspace
from app.accounts.workspace import Cap, WhenFull, Workspace
from app.db import transaction
from app.sending import rules

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("when_full", ["drop", "defer", "priority"])
def test_what_a_full_cap_does_reaches_the_policy(app: Flask, when_full: WhenFull) -> None:
    with app.app_context(), transaction() as session:
        workspace.save(session, Workspace(cap=Cap(2, 7, when_full)), None, NOW)
    with app.app_context(), transaction() as session:
        cap = rules.current(session).cap
    assert cap is not None
    assert (cap.messages, cap.days, cap.when_full) == (2, 7, when_full)


def test_a_cap_saved_before_there_was_a_choice_drops(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(
            text(
                "insert into workspace_setting (key, value) "
                """values ('cap', '{"value": {"messages": 3, "days": 7}}')"""
            )
        )
        assert workspace.load(session).cap == Cap(3, 7, "drop")
