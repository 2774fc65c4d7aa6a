"""API keys, members, settings, the account and the audit log, as a browser uses them."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.accounts import members, workspace
from app.accounts.models import ApiKey, AuditEntry, Member
from app.accounts.workspace import Cap
from app.db import transaction
from tests.support.members import PASSWORD, ApiClient, SignIn, sign_in

SECRET = re.compile(r"hk_(?:live|test)_[A-Za-z0-9]{32}")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def owner(signed_in: SignIn) -> FlaskClient:
    return signed_in("owner")


def actions(app: Flask) -> list[str]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_a_key_is_shown_once_and_works(owner: FlaskClient, app: Flask) -> None:
    made = owner.post("/api-keys", data={"name": "orders", "scopes": ["read"], "kind": "live"})
    secret = SECRET.search(made.text)
    assert secret
    assert secret[0] not in owner.get("/api-keys").text
    caller = ApiClient(app.test_client(), secret[0])
    assert caller.call("GET", "/notifications").status_code == 200
    assert "key.create" in actions(app)


def test_a_wrong_key_form_is_shown_again_in_its_place(owner: FlaskClient) -> None:
    form = {"name": "", "networks": "10.0.0.0/99", "expires_at": "1999-01-01"}
    answer = owner.post("/api-keys", data=form, headers=HTMX)
    assert answer.status_code == 422
    assert answer.headers["HX-Retarget"] == "#new-key-fields"
    assert "10.0.0.0/99 is not a network" in answer.text
    assert "Choose at least one of" in answer.text


def test_a_rotated_key_goes_on_for_a_day_and_a_revoked_one_does_not(
    owner: FlaskClient, app: Flask
) -> None:
    page = owner.post("/api-keys", data={"name": "orders", "scopes": ["read"]}).text
    first = ApiClient(app.test_client(), SECRET.findall(page)[0])
    key_id = re.findall(r"/api-keys/(key_\w+)/rotate", page)[0]
    second = SECRET.findall(owner.post(f"/api-keys/{key_id}/rotate").text)[0]
    assert first.call("GET", "/notifications").status_code == 200
    assert ApiClient(first.client, second).call("GET", "/notifications").status_code == 200
    owner.post(f"/api-keys/{key_id}/revoke")
    assert first.call("GET", "/notifications").status_code == 401
    assert owner.post(f"/api-keys/{key_id}/rotate").status_code == 409
    assert "orders" in owner.get("/api-keys?state=revoked").text


def test_the_search_finds_a_key_by_its_last_letters(owner: FlaskClient, app: Flask) -> None:
    for name in ("orders", "crm"):
        owner.post("/api-keys", data={"name": name, "scopes": ["read"]})
    with app.app_context(), transaction() as session:
        hint = session.scalars(select(ApiKey.hint).where(ApiKey.name == "crm")).one()
    found = owner.get(f"/api-keys?q={hint[-4:]}", headers=HTMX).text
    assert "crm" in found
    assert "orders" not in found


def test_an_invited_member_signs_in_with_the_one_time_password(
    owner: FlaskClient, app: Flask
) -> None:
    form = {"name": "Elif Kaya", "email": "elif@herald.example", "role": "support"}
    page = owner.post("/settings/members", data=form).text
    password = re.findall(r'value="((?:[a-z0-9]{4}-){3}[a-z0-9]{4})"', page)[0]
    guest = app.test_client()
    assert sign_in(guest, "elif@herald.example", password).status_code == 303
    assert guest.get("/settings/account").status_code == 200
    assert password not in owner.get("/settings/members").text


def test_an_address_can_be_a_member_once(owner: FlaskClient) -> None:
    form = {"name": "Second", "email": "OWNER@herald.example", "role": "viewer"}
    answer = owner.post("/settings/members", data=form, headers=HTMX)
    assert (answer.status_code, "exists" in answer.text) == (422, True)


def test_another_role_holds_from_the_next_click(
    owner: FlaskClient, signed_in: SignIn, app: Flask
) -> None:
    viewer = signed_in("viewer")
    assert viewer.get("/api-keys").status_code == 403
    member_id = public_id(app, owner, "viewer@herald.example")
    owner.post(f"/settings/members/{member_id}/role", data={"role": "developer"})
    assert viewer.get("/api-keys").status_code == 200


def test_the_last_owner_stays(owner: FlaskClient, app: Flask) -> None:
    member_id = public_id(app, owner, "owner@herald.example")
    path = f"/settings/members/{member_id}"
    assert owner.post(f"{path}/disable").status_code == 409
    assert owner.post(f"{path}/role", data={"role": "viewer"}, headers=HTMX).status_code == 409
    assert owner.get("/settings/members").status_code == 200


def test_a_new_password_signs_out_the_other_browsers(owner: FlaskClient, app: Flask) -> None:
    other = app.test_client()
    sign_in(other, "owner@herald.example")
    form = {"current": PASSWORD, "new": "another good password"}
    assert owner.post("/settings/account/password", data=form).status_code == 303
    assert owner.get("/settings/account").status_code == 200
    assert other.get("/settings/account").status_code == 303


@pytest.mark.parametrize(
    ("current", "new", "said"),
    [
        ("wrong", "another good password", "not your current password"),
        (PASSWORD, "short", "at least 10 characters"),
        (PASSWORD, "password1234", "easy to guess"),
        (PASSWORD, "aaaaaaaaaaaaaaaa", "easy to guess"),
        (PASSWORD, "owner@herald.example", "must not be the name"),
        (PASSWORD, PASSWORD, "differs from the old one"),
    ],
)
def test_a_weak_password_is_refused(owner: FlaskClient, current: str, new: str, said: str) -> None:
    answer = owner.post("/settings/account/password", data={"current": current, "new": new})
    assert (answer.status_code, said in answer.text) == (422, True)


def test_settings_are_saved_and_written_down(owner: FlaskClient, app: Flask) -> None:
    form = {
        "name": "Juniper Market",
        "timezone": "Europe/London",
        "cap": "1",
        "cap_messages": "2",
        "cap_days": "7",
        "cap_when_full": "defer",
        "quiet": "1",
        "quiet_start": "21:30",
        "quiet_end": "07:00",
        "late": "1",
        "late_minutes": "15",
        "alert_emails": "ops@example.com\nonce@example.com",
    }
    assert owner.post("/settings/workspace", data=form).status_code == 303
    with app.app_context(), transaction() as session:
        saved = workspace.get(session)
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "workspace.change")
        ).one()
    assert saved.cap == Cap(2, 7, "defer")
    assert saved.quiet_hours == ("21:30", "07:00")
    assert saved.late_minutes == 15
    assert saved.tracking is False
    assert saved.alert_emails == ("ops@example.com", "once@example.com")
    assert entry.detail["cap"] == {
        "from": None,
        "to": {"messages": 2, "days": 7, "when_full": "defer"},
    }
    owner.post(
        "/settings/workspace", data={**form, "cap": "", "quiet": "", "late": "", "tracking": "1"}
    )
    with app.app_context(), transaction() as session:
        assert workspace.get(session).cap is None
        assert workspace.get(session).late_minutes is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "Enter a name"),
        ({"timezone": "Mars/Base"}, "time zone of the list"),
        ({"timezone": "localtime"}, "time zone of the list"),
        ({"cap": "1", "cap_messages": "0", "cap_days": "7"}, "1 to 1,000"),
        ({"cap": "1", "cap_messages": "x", "cap_days": "7"}, "whole number"),
        ({"late": "1", "late_minutes": "0"}, "1 to 10,080 minutes"),
        (
            {"cap": "1", "cap_messages": "2", "cap_days": "7", "cap_when_full": "louder"},
            "one of the three ways",
        ),
        ({"quiet": "1", "quiet_start": "25:00", "quiet_end": "07:00"}, "such as 22:00"),
        ({"quiet": "1", "quiet_start": "22:00", "quiet_end": "22:00"}, "another time"),
        ({"alert_emails": "nobody"}, "nobody is not an e-mail address"),
    ],
)
def test_a_wrong_setting_is_said_in_words(
    owner: FlaskClient, wrong: dict[str, str], said: str
) -> None:
    form = {"name": "Herald", "timezone": "UTC", **wrong}
    answer = owner.post("/settings/workspace", data=form)
    assert (answer.status_code, said in answer.text) == (422, True)


def test_the_audit_log_is_filtered_paged_and_exported(owner: FlaskClient, app: Flask) -> None:
    for number in range(60):
        name = f"=cmd|{number:02}"
        owner.post("/api-keys", data={"name": name, "scopes": ["read"]})
    first = owner.get("/audit?area=key").text
    assert first.count("Created API key") == 50
    older = re.findall(r'href="(/audit\?[^"]*cursor=[^"]+)"', first)[0].replace("&amp;", "&")
    assert owner.get(older).text.count("Created API key") == 10
    assert owner.get("/audit?q=cmd|07", headers=HTMX).text.count("Created API key") == 1
    assert "Signed in" not in first
    lines = owner.get("/audit/export.csv?area=key").text.splitlines()
    assert len(lines) == 61
    assert "'=cmd|59" in lines[1]


def test_who_may_not_see_all_sees_the_own_deeds(owner: FlaskClient, signed_in: SignIn) -> None:
    owner.post("/api-keys", data={"name": "orders", "scopes": ["read"]})
    page = signed_in("support").get("/audit").text
    assert "Signed in" in page
    assert "orders" not in page


def public_id(app: Flask, owner: FlaskClient, email: str) -> str:
    page = owner.get("/settings/members").text
    ids = dict.fromkeys(re.findall(r"/settings/members/(mem_\w+)/role", page))
    with app.app_context(), transaction() as session:
        wanted = session.scalars(select(Member).where(Member.email == email)).one()
        found = {members.by_public_id(session, item).id: item for item in ids}
        return found[wanted.id]
