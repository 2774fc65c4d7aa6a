"""The sidebar shows what a role may open and the app can show."""

import pytest
from flask import Flask

from app.console import nav


@pytest.fixture
def everything(drawing_app: Flask) -> Flask:
    for group in nav.MENU:
        for entry in group.entries:
            if entry.path not in ("/", "/campaigns"):
                drawing_app.add_url_rule(entry.path, entry.path, lambda: "")
    return drawing_app


def labels(role: str | None) -> set[str]:
    return {entry.label for group in nav.groups(role) for entry in group.entries}


def test_an_owner_sees_every_page(everything: Flask) -> None:
    with everything.test_request_context():
        assert labels("owner") == {e.label for group in nav.MENU for e in group.entries}


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        ("marketer", {"Queues", "API keys", "Providers", "Settings"}),
        ("support", {"Segments", "Providers", "API keys", "Settings"}),
        ("viewer", {"People", "Messages", "API keys", "Audit log", "Settings"}),
    ],
)
def test_a_role_does_not_see_what_it_cannot_open(
    everything: Flask, role: str, hidden: set[str]
) -> None:
    with everything.test_request_context():
        assert labels(role) & hidden == set()
        assert "Campaigns" in labels(role)


def test_a_page_the_app_does_not_have_is_left_out(drawing_app: Flask) -> None:
    with drawing_app.test_request_context():
        assert labels("owner") == {"Overview", "Campaigns"}


def test_a_visitor_sees_no_menu(drawing_app: Flask) -> None:
    with drawing_app.test_request_context("/?visitor"):
        assert nav.context()["nav"] == []


@pytest.mark.parametrize(
    ("path", "current"),
    [("/", "/"), ("/campaigns/cmp_1", "/campaigns"), ("/campaignsx", ""), ("/elsewhere", "")],
)
def test_the_entry_of_the_page_is_marked(drawing_app: Flask, path: str, current: str) -> None:
    with drawing_app.test_request_context(path):
        assert nav.context()["nav_current"] == current


def test_the_menu_that_refreshes_itself_keeps_its_place(drawing_app: Flask) -> None:
    with drawing_app.test_request_context("/_nav?at=/campaigns"):
        assert nav.context()["nav_current"] == "/campaigns"
