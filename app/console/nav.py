"""The sidebar: which pages a role may open.

The table is the whole truth about the menu; who may *act* is decided by each view. An entry whose
page is not registered in the app is left out, so the menu never leads nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, request
from flask_login import current_user
from werkzeug.exceptions import HTTPException

OWNER, MARKETER, SUPPORT, DEVELOPER, VIEWER = ROLES = (
    "owner",
    "marketer",
    "support",
    "developer",
    "viewer",
)
STAFF = (OWNER, MARKETER, SUPPORT, DEVELOPER)
WATCHERS = (OWNER, SUPPORT, DEVELOPER, VIEWER)
TECHNICAL = (OWNER, DEVELOPER)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the sidebar. `key` is the letter after `g` that goes there."""

    path: str
    label: str
    icon: str
    roles: tuple[str, ...] = ROLES
    key: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Entries under one heading; the first group has none."""

    title: str
    entries: tuple[Entry, ...]


MENU: tuple[Group, ...] = (
    Group(
        "",
        (
            Entry("/", "Overview", "layout-dashboard", key="o"),
            Entry("/analytics", "Analytics", "chart-no-axes-combined", key="a"),
        ),
    ),
    Group(
        "Messaging",
        (
            Entry("/campaigns", "Campaigns", "send", key="c"),
            Entry("/templates", "Templates", "layout-template", key="t"),
            Entry("/approvals", "Approvals", "stamp", (OWNER, MARKETER)),
        ),
    ),
    Group(
        "Audience",
        (
            Entry("/people", "People", "users", STAFF, key="p"),
            Entry(
                "/segments", "Segments", "list-filter", (OWNER, MARKETER, DEVELOPER, VIEWER), "s"
            ),
            Entry("/topics", "Topics", "tag", STAFF),
            Entry("/suppressions", "Suppressions", "shield-off", STAFF),
        ),
    ),
    Group(
        "Delivery",
        (
            Entry("/messages", "Messages", "activity", STAFF, key="m"),
            Entry("/queues", "Queues", "layers", WATCHERS, key="q"),
            Entry("/dead-letters", "Dead letters", "inbox", WATCHERS),
            Entry("/alerts", "Alerts", "bell", WATCHERS),
            Entry("/providers", "Providers", "plug", TECHNICAL),
        ),
    ),
    Group(
        "Developers",
        (
            Entry("/api-keys", "API keys", "key-round", TECHNICAL),
            Entry("/webhooks", "Webhooks", "webhook", TECHNICAL),
            Entry("/audit", "Audit log", "scroll-text", STAFF),
            Entry("/settings", "Settings", "settings", TECHNICAL),
        ),
    ),
)


def exists(path: str) -> bool:
    """Whether this app answers GET on the path."""
    adapter = current_app.url_map.bind("console.invalid")
    try:
        adapter.match(path, method="GET")
    except HTTPException as answer:
        # a redirect to the same page with a slash is an answer too
        return 300 <= (answer.code or 0) < 400
    return True


def groups(role: str | None) -> list[Group]:
    """What this role may open and this app can show. No role: nothing."""
    shown = []
    for group in MENU:
        entries = tuple(e for e in group.entries if role in e.roles and exists(e.path))
        if entries:
            shown.append(Group(group.title, entries))
    return shown


def current_path(path: str, menu: Sequence[Group]) -> str:
    """The path of the entry that holds this page: the longest one the page's path begins with."""
    paths = [entry.path for group in menu for entry in group.entries]
    held = [p for p in paths if path == p or (p != "/" and path.startswith(p + "/"))]
    return max(held, key=len, default="/" if path == "/" else "")


def role() -> str | None:
    """The signed-in member's role, None for a visitor."""
    if not getattr(current_user, "is_authenticated", False):
        return None
    found = getattr(current_user, "role", None)
    return str(getattr(found, "value", found)) if found else None


def context() -> dict[str, Any]:
    """Template variables: `nav` (groups of entries) and `nav_current` (the open entry's path)."""
    menu = groups(role())
    return {"nav": menu, "nav_current": current_path(request.path, menu)}


def register(app: Flask) -> None:
    """Draw the sidebar in every template of the app."""
    app.context_processor(context)
    app.jinja_env.globals["page_exists"] = exists
