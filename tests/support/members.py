"""Members, browsers that are signed in as them, and API keys."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import api_keys, members
from app.accounts.models import SCOPES
from app.db import transaction

PASSWORD = "a good long password"
SignIn = Callable[[str], FlaskClient]
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"|name="csrf-token" content="([^"]+)"')


def create(role: str, email: str | None = None) -> int:
    """A member with PASSWORD; returns the key. Needs an application context."""
    with transaction() as session:
        address = email or f"{role}@herald.example"
        member = members.create_member(
            session, address, role.title(), role, PASSWORD, datetime.now(UTC)
        )
        return member.id


def csrf(page: str) -> str:
    """The form token in a page."""
    found = _TOKEN.search(page)
    assert found, "the page has no form token"
    return found[1] or found[2]


def sign_in(client: FlaskClient, email: str, password: str = PASSWORD, **more: Any) -> Any:
    """Post the sign-in form as a browser does; returns the answer."""
    page = client.get("/signin")
    token = csrf(page.text)
    form = {"email": email, "password": password, "csrf_token": token, **more}
    return client.post("/signin", data=form)


def keep_token(client: FlaskClient, path: str = "/settings/account") -> None:
    """Let every later request of this browser carry the form token, as htmx does."""
    client.environ_base["HTTP_X_CSRFTOKEN"] = csrf(client.get(path).text)


@pytest.fixture
def signed_in(app: Flask) -> SignIn:
    """`signed_in("owner")`: a browser of a new member with this role, form token and all."""

    def open_browser(role: str) -> FlaskClient:
        with app.app_context():
            create(role)
        client = app.test_client()
        answer = sign_in(client, f"{role}@herald.example")
        assert answer.status_code == 303, answer.text
        keep_token(client)
        return client

    return open_browser


class ApiClient:
    """Calls the API with a key."""

    def __init__(self, client: FlaskClient, secret: str) -> None:
        self.client = client
        self.secret = secret

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """`call("POST", "/notifications", {...}, **{"Idempotency-Key": "a"})`."""
        sent = {"Authorization": f"Bearer {self.secret}"}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        given = {} if body is None else {"json": body}
        return self.client.open(f"/api/v1{path}", method=method, headers=sent, **given)


@pytest.fixture
def make_key(app: Flask) -> Callable[..., str]:
    """`make_key("send", test=True)`: the secret of a new key."""

    def make(*scopes: str, test: bool = False, **more: Any) -> str:
        with app.app_context(), transaction() as session:
            wanted = scopes or SCOPES
            now = datetime.now(UTC)
            _, secret = api_keys.create_key(session, "orders", wanted, test, None, now, **more)
        return secret

    return make


@pytest.fixture
def api(app: Flask, make_key: Callable[..., str]) -> ApiClient:
    """The API with a live key that may do everything."""
    return ApiClient(app.test_client(), make_key())
