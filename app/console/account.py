"""The own account: name, zone, theme, password."""

from collections.abc import Mapping

from flask import Blueprint, Response, flash, request, url_for
from flask_login import current_user

from app import clock
from app.accounts import audit, members, workspace
from app.console import access, forms, pages
from app.db import transaction
from app.errors import Invalid

blueprint = Blueprint("account", __name__, url_prefix="/settings/account")


@blueprint.get("")
@access.allow("account.edit")
def show() -> Response:
    """The page."""
    return _page({})


@blueprint.post("")
@access.allow("account.edit")
def save_profile() -> Response:
    """Name and zone."""
    try:
        with transaction() as session:
            name, zone = forms.text("name"), forms.text("timezone")
            members.change_profile(session, current_user.id, name, zone)
    except Invalid as refused:
        return _page({"profile": refused.by_field()}, 422)
    flash("Saved.", "done")
    return pages.go(url_for("account.show"))


@blueprint.post("/password")
@access.allow("account.edit")
def change_password() -> Response:
    """A new password; every other browser is signed out."""
    refused: Invalid | None = None
    now = clock.now()
    with transaction() as session:
        try:
            current, new = _untrimmed("current"), _untrimmed("new")
            keep = current_user.get_id()
            members.change_password(session, current_user.id, current, new, now, keep)
            audit.record(session, access.actor(), "member.password", current_user.name, None, now)
        except Invalid as error:
            refused = error  # the failed try is counted, so the transaction goes on
    if refused is not None:
        return _page({"password": refused.by_field()}, 422)
    flash("Your password is changed. Every other browser is signed out.", "done")
    began = current_user.signed_in.password_temporary
    return pages.go("/" if began else url_for("account.show"))


def _page(errors: Mapping[str, Mapping[str, str]], status: int = 200) -> Response:
    with transaction() as session:
        member = members.get(session, current_user.id)
        here = workspace.get(session)
    answer = pages.page(
        "account/show.html",
        member=member,
        errors=errors,
        zones=forms.zones(),
        workspace_zone=here.timezone,
        password_temporary=member.password_temporary,
    )
    answer.status_code = status
    return answer


def _untrimmed(name: str) -> str:
    """A password may begin or end with a space."""
    return request.form.get(name, "")
