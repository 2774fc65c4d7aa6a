"""The page of the failure drill. Real drills run in tests/faults."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.accounts.models import AuditEntry
from app.db import transaction
from app.drill.result import Round
from app.drill.runs import Wish
from app.settings import Settings
from tests.support.members import SignIn

HTMX = {"HX-Request": "true"}
KEPT = Round("kill-worker", 900, 900, 0, 3, 0, 40, 61.5, campaign=270)
LOST = Round("kill-worker", 900, 893, 7, 0, 0, 0, 2.0)
FORM = {"fault": "kill-worker", "messages": "100", "rounds": "1"}


@pytest.fixture
def folder(settings: Settings) -> Iterator[Path]:
    """Where the drills of this Herald are noted; empty."""
    found = settings.var_dir / "drills"
    found.mkdir()
    yield found
    for path in sorted(found.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    found.rmdir()


@pytest.fixture
def developer(signed_in: SignIn, folder: Path) -> FlaskClient:
    return signed_in("developer")


def ran(folder: Path, *rounds: Round, said: str = "", wanted: int = 1, day: int = 1) -> None:
    """Leave behind what a drill leaves."""
    place = folder / f"202611{day:02}T100000000000"
    place.mkdir()
    wish = Wish("kill-worker", 900, wanted, "Dana", datetime(2026, 11, day, 10, tzinfo=UTC))
    (place / "wish.json").write_text(json.dumps(wish.as_data()))
    (place / "rounds.jsonl").write_text("".join(json.dumps(asdict(r)) + "\n" for r in rounds))
    (place / "said.txt").write_text(said)


@contextmanager
def alive(folder: Path) -> Iterator[None]:
    """A process holds the lock, as a drill does while it lives."""
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_before_the_first_drill_the_page_says_what_one_shows(developer: FlaskClient) -> None:
    page = developer.get("/drill").text
    assert "No drill yet" in page
    assert "Kill the workers" in page
    assert "hx-trigger" not in developer.get("/drill/_state", headers=HTMX).text


def test_the_last_result_stays_on_the_page(developer: FlaskClient, folder: Path) -> None:
    ran(folder, KEPT)
    page = developer.get("/drill").text
    assert "Every promise was kept" in page
    assert "900" in page
    assert "1 min 2 s" in page


def test_a_broken_promise_is_said_plainly(developer: FlaskClient, folder: Path) -> None:
    ran(folder, KEPT, LOST, wanted=2)
    page = developer.get("/drill").text
    assert "A promise broke" in page
    assert "Every promise was kept" not in page


def test_a_drill_that_died_is_not_taken_for_one_that_runs(
    developer: FlaskClient, folder: Path
) -> None:
    ran(folder, KEPT, said="Round 2 of 3: sending begins.\n", wanted=3)
    page = developer.get("/drill").text
    assert "It ended before it was done" in page
    assert "Round 2 of 3" in page


def test_a_running_drill_is_polled_beside_the_last_result(
    developer: FlaskClient, folder: Path
) -> None:
    ran(folder, KEPT, day=1)
    said = "Starting.\nRound 1 of 1: sending begins.\nRound 1 of 1: kill-worker begins.\n"
    ran(folder, said=said, day=2)
    with alive(folder):
        part = developer.get("/drill/_state", headers=HTMX).text
        assert "every 2s" in part
        assert "Round 1 of 1: kill-worker begins." in part
        assert 'aria-valuenow="50"' in part
        assert "Every promise was kept" in part
        page = developer.get("/drill").text
        assert "A drill is running." in page
        assert "<b>50%</b> of 900 messages" in page
        assert 'value="900"' in page, "the form keeps what was asked for"
    assert "every 2s" not in developer.get("/drill/_state", headers=HTMX).text


def test_only_one_drill_runs_at_a_time(developer: FlaskClient, folder: Path) -> None:
    ran(folder)
    with alive(folder):
        answer = developer.post("/drill", data=FORM)
    assert answer.status_code == 409
    assert "running already" in answer.text


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("fault", "earthquake", "Choose a fault of the list"),
        ("messages", "10001", "from 10 to 10,000"),
        ("messages", "١٢", "from 10 to 10,000"),
        ("messages", "9" * 5000, "from 10 to 10,000"),
        ("rounds", "0", "from 1 to 5"),
        ("rounds", "", "from 1 to 5"),
    ],
)
def test_what_cannot_be_run_is_refused_by_its_field(
    developer: FlaskClient, field: str, value: str, sentence: str
) -> None:
    answer = developer.post("/drill", data=FORM | {field: value})
    assert answer.status_code == 422
    assert sentence in answer.text


def test_nothing_is_drilled_beside_a_real_provider(
    app: Flask, developer: FlaskClient, settings: Settings
) -> None:
    real = replace(settings.providers, twilio_account_sid="AC1")
    app.config["HERALD"] = replace(settings, providers=real)
    try:
        assert "A real provider is configured" in developer.get("/drill").text
        answer = developer.post("/drill", data=FORM)
    finally:
        app.config["HERALD"] = settings
    assert answer.status_code == 409
    assert "sandbox" in answer.text


def test_there_is_nothing_to_stop_when_none_runs(developer: FlaskClient, folder: Path) -> None:
    ran(folder, KEPT)
    assert developer.post("/drill/stop").status_code == 409


def test_who_stopped_a_drill_is_in_the_audit_trail(
    app: Flask, developer: FlaskClient, folder: Path
) -> None:
    ran(folder)
    with alive(folder):
        assert developer.post("/drill/stop").status_code == 303
    with app.app_context(), transaction() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "drill.cancel")).one()
    assert entry.subject == "kill-worker"
