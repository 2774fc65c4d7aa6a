"""The one search box, and the counts in the menu."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import ids
from app.alerts import incidents
from app.campaigns.models import Campaign
from app.db import transaction
from tests.console import log
from tests.support.members import SignIn

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.usefixtures("shop")


def jump(client: FlaskClient, typed: str) -> str:
    return client.get("/_jump", query_string={"q": typed}, headers=HTMX).text


def test_an_id_is_offered_alone_whatever_it_stands_for(app: Flask, signed_in: SignIn) -> None:
    owner = signed_in("owner")
    message, ann = log.message(app), log.ann_id(app)
    for public_id, page in ((message, "/messages/"), (ann, "/people/")):
        found = jump(owner, public_id)
        assert f'href="{page}{public_id}"' in found
        assert found.count('role="option"') == 1
    assert "Nothing found" in jump(owner, ids.encode("ntf", 4711))


def test_people_are_found_by_name_address_and_number(app: Flask, signed_in: SignIn) -> None:
    support, ann = signed_in("support"), log.ann_id(app)
    for typed in ("an", "ann@example.com", "+44 7700 900412", "u-ann"):
        assert f"/people/{ann}" in jump(support, typed)
    assert "Messages to ann@example.com" in jump(support, "ann@example.com")


def test_names_are_found_and_what_was_typed_is_marked(app: Flask, signed_in: SignIn) -> None:
    with app.app_context(), transaction() as session:
        campaign = Campaign(name="Winter <b>box</b>")
        session.add(campaign)
        session.flush()
        public_id = ids.encode("cmp", campaign.id)
    found = jump(signed_in("owner"), "winter")
    assert f"/campaigns/{public_id}" in found
    assert '<mark class="hit">Winter</mark> &lt;b&gt;box' in found
    assert "</mark> shipped" in jump(signed_in("viewer"), "order")


def test_a_viewer_finds_no_person_and_no_message(app: Flask, signed_in: SignIn) -> None:
    viewer = signed_in("viewer")
    assert "/people/" not in jump(viewer, "ann")
    assert "/people/" not in jump(viewer, log.ann_id(app))
    assert "/messages/" not in jump(viewer, log.message(app))


def test_without_words_there_is_the_menu(signed_in: SignIn) -> None:
    owner = signed_in("owner")
    assert "Go to" in jump(owner, " ")
    assert owner.get("/_jump?q=a").status_code == 303


def test_the_menu_counts_dead_letters_and_alerts(app: Flask, signed_in: SignIn) -> None:
    log.message(app, "failed", reason="gave_up")
    log.message(app, "failed", reason="recipient_dead")
    with app.app_context(), transaction() as session:
        incidents.open_or_count(session, "twilio:failing", "Twilio", "", {}, NOW)
    menu = signed_in("developer").get("/_nav?at=/messages", headers=HTMX).text
    if "/dead-letters" in menu:
        assert 'count">1' in menu.split('href="/dead-letters"')[1]
        assert 'count-hot">1' in menu.split('href="/alerts"')[1]
    assert 'href="/messages" aria-current="page"' in menu
    assert "count" not in signed_in("marketer").get("/_nav", headers=HTMX).text
