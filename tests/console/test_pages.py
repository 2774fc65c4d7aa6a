"""One URL, two renderings; toasts, redirects, assets and the policy header."""

import json

import pytest
from flask import Flask, flash, make_response
from flask.testing import FlaskClient

from app.console import pages

HTMX = {"HX-Request": "true"}


@pytest.fixture
def client(drawing_app: Flask) -> FlaskClient:
    drawing_app.add_url_rule(
        "/lists", "lists", lambda: pages.page("layout/console.html", "layout/_nav.html")
    )
    drawing_app.add_url_rule("/lists/_rows", "rows", _rows)
    drawing_app.add_url_rule("/flashed", "flashed", _flashed)
    drawing_app.add_url_rule("/_preview", "preview", lambda: pages.sandboxed("<p>Hi</p>"))
    return drawing_app.test_client()


def _rows() -> object:
    return pages.fragment("layout/_nav.html", "/lists")


def _flashed() -> object:
    flash("Saved", "done")
    return pages.page("layout/console.html")


def test_a_visit_gets_the_whole_page(client: FlaskClient) -> None:
    answer = client.get("/lists")
    assert answer.text.startswith("<!doctype html>")
    assert "HX-Request" in answer.headers["Vary"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_htmx_gets_only_the_fragment(client: FlaskClient) -> None:
    answer = client.get("/lists", headers=HTMX)
    assert "<html" not in answer.text
    assert 'id="nav"' in answer.text


def test_going_back_gets_the_whole_page(client: FlaskClient) -> None:
    answer = client.get("/lists", headers={**HTMX, "HX-History-Restore-Request": "true"})
    assert answer.text.startswith("<!doctype html>")


def test_a_fragment_opened_by_hand_leads_to_its_page(client: FlaskClient) -> None:
    answer = client.get("/lists/_rows")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/lists")
    assert client.get("/lists/_rows", headers=HTMX).status_code == 200


def test_a_toast_rides_on_the_answer_and_keeps_other_events(drawing_app: Flask) -> None:
    with drawing_app.test_request_context():
        answer = pages.trigger(make_response(""), tree_changed={})
        pages.toast(answer, "2 archived ✓", undo_url="/undo")
    assert json.loads(answer.headers["HX-Trigger"]) == {
        "tree-changed": {},
        "toast": {"text": "2 archived ✓", "kind": "undo", "undo": "/undo"},
    }
    assert answer.headers["HX-Trigger"].isascii()


def test_after_a_post_the_browser_is_sent_on(drawing_app: Flask) -> None:
    with drawing_app.test_request_context():
        assert pages.go("/lists").status_code == 303
    with drawing_app.test_request_context(headers=HTMX):
        answer = pages.go("/lists")
        assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/lists")


def test_a_flashed_message_is_shown_as_a_toast(client: FlaskClient) -> None:
    assert 'class="toast toast-done" role="status"' in client.get("/flashed").text


def test_pages_refuse_foreign_and_inline_code(client: FlaskClient) -> None:
    policy = client.get("/lists").headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy


def test_the_nonce_of_the_page_is_the_one_of_the_header(client: FlaskClient) -> None:
    answer = client.get("/lists")
    nonce = answer.headers["Content-Security-Policy"].split("'nonce-")[1].split("'")[0]
    assert f'nonce="{nonce}"' in answer.text


def test_written_html_is_served_in_a_sandbox(client: FlaskClient) -> None:
    policy = client.get("/_preview").headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")


def test_hashed_files_are_cached_for_ever(client: FlaskClient, drawing_app: Flask) -> None:
    with drawing_app.test_request_context():
        url = pages.asset("css/tokens.css")
    with client.get(url) as hashed, client.get("/static/css/tokens.css") as plain:
        assert "immutable" in hashed.headers["Cache-Control"]
        assert "immutable" not in plain.headers.get("Cache-Control", "")


@pytest.mark.parametrize(("cookie", "expected"), [("dark", True), ('dark"><', False)])
def test_the_theme_comes_from_the_cookie(client: FlaskClient, cookie: str, expected: bool) -> None:
    client.set_cookie("theme", cookie)
    assert ('data-theme="dark"' in client.get("/lists").text) is expected
