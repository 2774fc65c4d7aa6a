"""Signing in and out, as a browser does it."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import members
from app.db import transaction
from tests.support.clock import Clock
from tests.support.members import PASSWORD, SignIn, create, csrf, keep_token, sign_in


@pytest.fixture
def owner(app: Flask) -> int:
    with app.app_context():
        return create("owner")


@pytest.mark.usefixtures("owner")
def test_the_right_password_opens_the_console(client: FlaskClient) -> None:
    answer = sign_in(client, "Owner@Herald.example")
    assert (answer.status_code, answer.location) == (303, "/")
    assert client.get("/settings/account").status_code == 200


@pytest.mark.usefixtures("owner")
def test_a_wrong_password_and_an_unknown_address_answer_the_same(client: FlaskClient) -> None:
    wrong = sign_in(client, "owner@herald.example", "not the password")
    unknown = sign_in(client, "nobody@herald.example", "not the password")
    assert wrong.status_code == unknown.status_code == 422
    assert "That e-mail and password do not match." in wrong.text
    assert _form(wrong.text).replace("owner@", "nobody@") == _form(unknown.text)


def _form(page: str) -> str:
    """The form without its token, which is new in every page."""
    form = page[page.index("<form") : page.index("</form>")]
    return form.replace(csrf(page), "")


@pytest.mark.parametrize("email", ["owner@herald.example", "nobody@herald.example"])
@pytest.mark.usefixtures("owner")
def test_five_failures_lock_for_a_while(client: FlaskClient, clock: Clock, email: str) -> None:
    for _ in range(5):
        assert "do not match" in sign_in(client, email, "wrong").text
    assert "Too many tries. Try again at 09:00:31" in sign_in(client, email).text
    clock.advance(timedelta(seconds=31))
    again = sign_in(client, email)
    assert again.status_code == 303 if email.startswith("owner") else "do not match" in again.text


def test_signing_out_makes_the_cookie_worthless(signed_in: SignIn, app: Flask) -> None:
    browser, thief = signed_in("owner"), app.test_client()
    stolen = browser.get_cookie("herald")
    assert stolen
    thief.set_cookie("herald", stolen.value)
    assert thief.get("/settings/account").status_code == 200
    assert browser.post("/signout").status_code == 303
    assert thief.get("/settings/account").status_code == 303


def test_a_form_without_its_token_is_refused(signed_in: SignIn) -> None:
    browser = signed_in("owner")
    del browser.environ_base["HTTP_X_CSRFTOKEN"]
    assert browser.post("/signout").status_code == 400
    assert browser.get("/settings/account").status_code == 200


def test_disabling_a_member_ends_the_sessions_at_once(signed_in: SignIn, app: Flask) -> None:
    browser = signed_in("viewer")
    with app.app_context(), transaction() as session:
        member = members.by_email(session, "viewer@herald.example")
        assert member
        members.disable(session, member.id, member.created_at)
    assert browser.get("/settings/account").status_code == 303


@pytest.mark.parametrize(
    ("role", "idle", "answer"),
    [("owner", 29, 200), ("owner", 31, 303), ("marketer", 119, 200), ("marketer", 121, 303)],
)
def test_an_idle_session_ends(
    clock: Clock, signed_in: SignIn, role: str, idle: int, answer: int
) -> None:
    browser = signed_in(role)
    clock.advance(timedelta(minutes=idle))
    assert browser.get("/settings/account").status_code == answer


def test_a_session_ends_after_twelve_hours_however_busy(clock: Clock, signed_in: SignIn) -> None:
    browser = signed_in("viewer")
    for _ in range(11):
        clock.advance(timedelta(hours=1))
        assert browser.get("/settings/account").status_code == 200
    clock.advance(timedelta(minutes=61))
    assert browser.get("/settings/account").status_code == 303


@pytest.mark.usefixtures("owner")
def test_signing_in_returns_to_the_page_that_was_asked_for(client: FlaskClient) -> None:
    asked = client.get("/settings/account?tab=1")
    token = asked.location.partition("next=")[2]
    answer = sign_in(client, "owner@herald.example", next=token)
    assert answer.location == "/settings/account?tab=1"


@pytest.mark.usefixtures("owner")
@pytest.mark.parametrize("forged", ["/settings", "https://evil.example", "//evil.example", "aaaa"])
def test_an_unsigned_return_path_is_not_followed(client: FlaskClient, forged: str) -> None:
    assert sign_in(client, "owner@herald.example", next=forged).location == "/"


def test_a_lost_session_sends_htmx_to_the_sign_in_page(client: FlaskClient) -> None:
    shown = {"HX-Request": "true", "HX-Current-URL": "http://herald.test/audit?q=a"}
    answer = client.get("/settings/account", headers=shown)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"].startswith("/signin?next=")
    assert not answer.data


def test_a_one_time_password_must_be_replaced_first(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        member_id = create("owner")
        with transaction() as session:
            once = members.reset_password(session, member_id)
    sign_in(client, "owner@herald.example", once)
    assert client.get("/settings/members").location == "/settings/account"
    keep_token(client)
    new = {"current": once, "new": PASSWORD + "2"}
    assert client.post("/settings/account/password", data=new).status_code == 303
    assert client.get("/settings/members").status_code == 200


def test_the_first_password_leads_the_whole_browser_and_then_to_the_overview(
    app: Flask, client: FlaskClient
) -> None:
    with app.app_context(), transaction() as session:
        first = members.reset_password(session, create("owner"))
    assert sign_in(client, "owner@herald.example", first).status_code == 303
    assert client.get("/people").location == "/settings/account"
    part = client.get("/people", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["HX-Redirect"]) == (401, "/settings/account")
    menu = client.get("/_nav", headers={"HX-Request": "true"})
    assert menu.status_code == 200
    assert "<html" not in menu.text
    keep_token(client)
    chosen = {"current": first, "new": PASSWORD}
    assert client.post("/settings/account/password", data=chosen).location == "/"
    assert client.get("/people").status_code == 200


def test_one_address_cannot_go_on_guessing(client: FlaskClient) -> None:
    """Thirty a minute; the minute may change on the way."""
    for number in range(61):
        answer = sign_in(client, f"nobody{number}@herald.example", "wrong")
        if answer.status_code == 429:
            break
    assert number >= 30
    assert answer.status_code == 429
    assert client.get("/signin").status_code == 200, "looking at the form is not guessing"
