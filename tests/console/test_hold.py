"""While nothing may go out every page says so, and an owner decides how it goes on."""

import re
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.accounts.models import AuditEntry
from app.campaigns.models import Campaign
from app.db import transaction
from app.sending import installation
from app.settings import Settings
from tests.console import log
from tests.support.members import SignIn

pytestmark = pytest.mark.usefixtures("shop")
WHY = "It is a copy."


@pytest.fixture
def held(app: Flask, settings: Settings) -> Flask:
    """An installation that is held, with an overdue campaign."""
    with app.app_context(), transaction() as session:
        installation.examine(session, settings.var_dir, datetime.now(UTC))
        installation.set_hold(session, "Herald", WHY, datetime.now(UTC))
        overdue = datetime(2026, 11, 1, tzinfo=UTC)
        session.add(Campaign(name="Spring <sale>", status="scheduled", send_at=overdue))
    return app


def is_held(app: Flask) -> bool:
    with app.app_context(), transaction() as session:
        return installation.hold(session) is not None


def actions(app: Flask) -> list[str]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(AuditEntry.action)))


@pytest.mark.parametrize("path", ["/", "/campaigns", "/settings/workspace", "/messages"])
def test_every_page_says_that_nothing_is_sent_and_why(
    held: Flask, signed_in: SignIn, path: str
) -> None:
    page = signed_in("owner").get(path).text
    assert "Nothing is sent." in page
    assert WHY in page
    assert 'href="/hold"' in page


def test_no_page_speaks_of_a_hold_when_there_is_none(app: Flask, signed_in: SignIn) -> None:
    assert "Nothing is sent." not in signed_in("owner").get("/").text


@pytest.mark.parametrize("role", ["viewer", "marketer", "developer"])
def test_everybody_sees_what_would_go_out_and_only_an_owner_decides(
    held: Flask, signed_in: SignIn, role: str
) -> None:
    log.message(held, "held", send_after=datetime(2026, 11, 2, tzinfo=UTC))
    member = signed_in(role)
    page = member.get("/hold").text
    assert "Spring &lt;sale&gt;" in page
    assert "email." in page
    assert "Only an owner can release it." in page
    assert "/hold/release" not in page
    assert member.post("/hold/release").status_code == 403
    assert is_held(held)


def test_an_owner_releases_it_once(held: Flask, signed_in: SignIn) -> None:
    owner = signed_in("owner")
    assert owner.post("/hold/release").status_code == 303
    assert not is_held(held)
    assert owner.post("/hold/release").status_code == 409
    assert "installation.release" in actions(held)


def test_an_owner_discards_what_waits(held: Flask, signed_in: SignIn) -> None:
    owner = signed_in("owner")
    assert owner.post("/hold/discard").status_code == 303
    with held.app_context(), transaction() as session:
        assert session.scalar(text("select discarding_at is not null from installation"))
    page = owner.get("/hold").text
    assert "is being cancelled" in page
    assert "/hold/discard" not in page
    assert "installation.discard" in actions(held)


def test_an_owner_stops_all_sending_with_a_word_why(app: Flask, signed_in: SignIn) -> None:
    owner = signed_in("owner")
    assert "Stop all sending" in owner.get("/queues").text
    assert 'action="/hold"' in owner.get("/hold").text
    answer = owner.post("/hold", data={"reason": "Wrong <prices>"}, follow_redirects=True)
    assert re.search(r"Wrong &lt;prices&gt;\. Held by Owner\.", answer.text)
    assert "If the original still runs" not in answer.text
    assert is_held(app)
    assert "Stop all sending" not in owner.get("/queues").text
    assert owner.post("/hold", data={"reason": "Again"}).status_code == 409
    assert actions(app).count("installation.hold") == 1


@pytest.mark.parametrize("role", ["viewer", "marketer", "support", "developer"])
def test_nobody_but_an_owner_stops_all_sending(app: Flask, signed_in: SignIn, role: str) -> None:
    member = signed_in(role)
    assert 'action="/hold"' not in member.get("/hold").text
    assert member.post("/hold").status_code == 403
    assert not is_held(app)
