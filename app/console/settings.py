"""Settings of the workspace: name, zone, frequency cap, quiet hours, tracking, alerts."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import cast

from flask import Blueprint, Response, flash, redirect, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts import audit, workspace
from app.accounts.workspace import Cap, WhenFull, Workspace
from app.console import access, forms, pages
from app.db import transaction
from app.errors import Invalid

blueprint = Blueprint("settings", __name__, url_prefix="/settings")


@blueprint.get("")
@access.allow("settings.view")
def index() -> AnyResponse:
    """The first of the settings."""
    return redirect(url_for("settings.show"), 303)


@blueprint.get("/workspace")
@access.allow("settings.view")
def show() -> Response:
    """The form; read-only for who may not change it."""
    with transaction() as session:
        return _page(workspace.load(session))


@blueprint.post("/workspace")
@access.allow("settings.edit")
def save() -> Response:
    """Write what differs, with a line in the audit trail."""
    now = clock.now()
    try:
        new = _typed()
        with transaction() as session:
            before = workspace.save(session, new, current_user.id, now)
            detail = audit.changes(asdict(before), asdict(new))
            if detail:
                audit.record(session, access.actor(), "workspace.change", new.name, detail, now)
    except Invalid as refused:
        return _page(_as_typed(), refused.by_field(), 422)
    flash("Saved.", "done")
    return pages.go(url_for("settings.show"))


def _typed() -> Workspace:
    """The submitted settings. Raises Invalid for numbers that are none."""
    return _read(strict=True)


def _as_typed() -> Workspace:
    """What was submitted, as far as it can be shown again."""
    return _read(strict=False)


def _read(strict: bool) -> Workspace:
    emails = forms.text("alert_emails").replace(",", "\n").split()
    return Workspace(
        name=forms.text("name"),
        timezone=forms.text("timezone"),
        cap=_cap(strict) if forms.is_on("cap") else None,
        quiet_hours=(
            (forms.text("quiet_start"), forms.text("quiet_end")) if forms.is_on("quiet") else None
        ),
        late_minutes=_late(strict) if forms.is_on("late") else None,
        tracking=forms.is_on("tracking"),
        alert_emails=tuple(emails),
    )


def _cap(strict: bool) -> Cap:
    when_full = cast(WhenFull, forms.text("cap_when_full") or "drop")  # the domain checks it
    try:
        return Cap(forms.number("cap_messages"), forms.number("cap_days"), when_full)
    except Invalid:
        if strict:
            raise
        return Cap(0, 0, when_full)


def _late(strict: bool) -> int:
    try:
        return forms.number("late_minutes")
    except Invalid:
        if strict:
            raise
        return 0


def _page(shown: Workspace, errors: Mapping[str, str] | None = None, status: int = 200) -> Response:
    answer = pages.page(
        "settings/workspace.html",
        workspace=shown,
        errors=errors or {},
        zones=forms.zones(),
        may_edit=access.may("settings.edit"),
    )
    answer.status_code = status
    return answer
