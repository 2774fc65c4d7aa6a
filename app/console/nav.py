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

from app.accounts import roles

#: Where the menu asks for its counts; answers layout/_nav.html with `nav_counts`.
REFRESH = "/_nav"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the sidebar, for who has `permission` (a name in `roles.MAY`).

    `key` is the letter that goes there after `g`.
    """

    path: str
    label: str
    icon: str
    permission: str
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
            Entry("/", "Overview", "layout-dashboard", "overview.view", "o"),
            Entry("/analytics", "Analytics", "chart-no-axes-combined", "analytics.view", "a"),
        ),
    ),
    Group(
        "Messaging",
        (
            Entry("/campaigns", "Campaigns", "send", "campaigns.view", "c"),
            Entry("/templates", "Templates", "layout-template", "templates.view", "t"),
            Entry("/approvals", "Approvals", "stamp", "campaigns.edit"),
        ),
    ),
    Group(
        "Audience",
        (
            Entry("/people", "People", "users", "people.find", "p"),
            Entry("/segments", "Segments", "list-filter", "segments.view", "s"),
            Entry("/topics", "Topics", "tag", "people.find"),
            Entry("/suppressions", "Suppressions", "shield-off", "people.find"),
        ),
    ),
    Group(
        "Delivery",
        (
            Entry("/messages", "Messages", "activity", "messages.find", "m"),
            Entry("/queues", "Queues", "layers", "queues.view", "q"),
            Entry("/dead-letters", "Dead letters", "inbox", "queues.view"),
            Entry("/alerts", "Alerts", "bell", "queues.view"),
            Entry("/providers", "Providers", "plug", "providers.edit"),
            Entry("/drill", "Failure drill", "zap", "drill.run"),
        ),
    ),
    Group(
        "Developers",
        (
            Entry("/api-keys", "API keys", "key-round", "keys.edit"),
            Entry("/webhooks", "Webhooks", "webhook", "keys.edit"),
            Entry("/audit", "Audit log", "scroll-text", "audit.view"),
            Entry("/settings", "Settings", "settings", "settings.view"),
        ),
    ),
)


def exists(path: str) -> bool:
    """Whether this app answers GET on the path."""
    adapter = current_app.url_map.bind("console.invalid")
    try:
        adapter.match(path.partition("?")[0], method="GET")
    except HTTPException as answer:
        # a redirect to the same page with a slash is an answer too
        return 300 <= (answer.code or 0) < 400
    return True


def groups(role: str | None) -> list[Group]:
    """What this role may open and this app can show. No role: nothing."""
    shown = []
    for group in MENU:
        entries = tuple(
            e for e in group.entries if roles.may(role, e.permission) and exists(e.path)
        )
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
    # the menu that refreshes itself says on which page it stands
    path = request.args.get("at", "/") if request.path == REFRESH else request.path
    return {"nav": menu, "nav_current": current_path(path, menu)}


def register(app: Flask) -> None:
    """Draw the sidebar in every template of the app."""
    app.context_processor(context)
    app.jinja_env.globals["page_exists"] = exists
