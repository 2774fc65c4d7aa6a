"""Every page says who may open it, and nobody else does."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import roles
from app.console import access, nav
from app.console import routes as console
from tests.support.members import SignIn

# Who is not signed in may open these.
PUBLIC = {"signin.ask", "signin.sign_in"}
LAST = "zz-no-such-thing"


def console_endpoints(app: Flask) -> list[str]:
    return sorted(
        {rule.endpoint for rule in app.url_map.iter_rules()}
        - {rule.endpoint for rule in app.url_map.iter_rules() if access.is_open(app, rule.endpoint)}
    )


def test_every_view_of_the_console_says_who_may_open_it(built_app: Flask) -> None:
    silent = {
        endpoint
        for endpoint in console_endpoints(built_app)
        if access.roles_of(built_app.view_functions[endpoint]) is None
    }
    assert silent == set()


def test_only_listed_views_are_public(built_app: Flask) -> None:
    public = {
        endpoint
        for endpoint in console_endpoints(built_app)
        if access.roles_of(built_app.view_functions[endpoint]) == access.PUBLIC
    }
    assert public == PUBLIC


def test_no_blueprint_of_the_console_is_left_open(built_app: Flask) -> None:
    for blueprint in console.BLUEPRINTS:
        assert not access.is_open(built_app, f"{blueprint.name}.any")


def test_a_view_that_says_nothing_is_refused_to_everyone(app: Flask, signed_in: SignIn) -> None:
    browser = signed_in("owner")
    marked = app.view_functions["account.show"]
    app.view_functions["account.show"] = lambda: "open"
    try:
        assert browser.get("/settings/account").status_code == 403
    finally:
        app.view_functions["account.show"] = marked


@pytest.mark.parametrize("role", roles.ROLES)
def test_a_role_opens_what_it_may_and_nothing_else(
    app: Flask, signed_in: SignIn, role: str
) -> None:
    """Each route with each role: 403 if and only if the route does not name the role."""
    browser = signed_in(role)
    wrong = []
    for method, path, endpoint in requests(app):
        permitted = access.roles_of(app.view_functions[endpoint]) or ()
        status = browser.open(path, method=method).status_code
        if (status == 403) is not (role not in permitted):
            wrong.append((method, path, status))
    assert wrong == []


def test_a_visitor_is_asked_to_sign_in_everywhere(app: Flask, client: FlaskClient) -> None:
    for method, path, _ in requests(app):
        answer = client.open(path, method=method)
        assert answer.status_code in (303, 400), (method, path)  # 400: a form without its token
        if answer.status_code == 303:
            assert answer.location.startswith("/signin"), path


def requests(app: Flask) -> list[tuple[str, str, str]]:
    """Every route of the console that is not public, with its method; ids lead to nothing."""
    found = []
    for rule in app.url_map.iter_rules():
        skipped = PUBLIC | {"signin.sign_out"}
        if access.is_open(app, rule.endpoint) or rule.endpoint in skipped:
            continue
        path = re.sub(r"<int:[^>]+>", "999999999", rule.rule)
        path = re.sub(r"<[^>]+>", LAST, path)
        found += [(method, path, rule.endpoint) for method in rule.methods & {"GET", "POST"}]
    return sorted(found)


def test_the_menu_and_the_routes_agree(built_app: Flask) -> None:
    """What a role sees in the sidebar it may open, and what it may open it sees."""
    adapter = built_app.url_map.bind("console.test")
    with built_app.test_request_context():
        for group in nav.MENU:
            for entry in group.entries:
                if nav.exists(entry.path):
                    endpoint, _ = adapter.match(entry.path)
                    permitted = access.roles_of(built_app.view_functions[endpoint])
                    assert set(permitted or ()) == set(roles.MAY[entry.permission]), entry.path
