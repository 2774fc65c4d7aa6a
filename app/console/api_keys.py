"""API keys: make one, see which are used, rotate, revoke."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from flask import Blueprint, Response, request
from flask_login import current_user

from app import clock, ids
from app.accounts import api_keys, audit, key_cache, members, workspace
from app.accounts.models import SCOPES, ApiKey
from app.console import access, forms, pages
from app.db import transaction
from app.errors import Invalid

blueprint = Blueprint("api_keys", __name__, url_prefix="/api-keys")
SCOPE_MEANING: Mapping[str, str] = {
    "send": "Send, explain and cancel messages",
    "contacts": "Read and change people, see whole addresses",
    "read": "Look at messages, templates, segments, campaigns",
    "campaigns": "Draft, launch, pause and cancel campaigns",
}


@blueprint.get("")
@access.allow("keys.edit")
def show() -> Response:
    """Keys that work, or those that no longer do."""
    return _page()


@blueprint.post("")
@access.allow("keys.edit")
def create() -> Response:
    """A new key; its secret is in this answer and nowhere else."""
    now = clock.now()
    try:
        with transaction() as session:
            zone = workspace.get(session).timezone
            key, secret = api_keys.create_key(
                session,
                forms.text("name"),
                request.form.getlist("scopes"),
                forms.text("kind") == "test",
                current_user.id,
                now,
                forms.end_of_day("expires_at", zone),
                forms.text("networks").replace(",", " ").split(),
            )
            detail = {"scopes": key.scopes, "test": key.test, "networks": key.networks}
            audit.record(session, access.actor(), "key.create", key.name, detail, now)
    except Invalid as refused:
        answer = _page(errors=refused.by_field(), fragment="api_keys/_fields.html")
        return forms.refused(answer, "#new-key-fields")
    return _page(made=key, secret=secret)


@blueprint.post("/<public_id>/rotate")
@access.allow("keys.edit")
def rotate(public_id: str) -> Response:
    """A successor; the old key goes on for a day."""
    now = clock.now()
    with transaction() as session:
        old = api_keys.by_public_id(session, public_id)
        key, secret = api_keys.rotate_key(session, old.id, current_user.id, now)
        audit.record(session, access.actor(), "key.rotate", key.name, {"hint": old.hint}, now)
    key_cache.forget()
    return _page(made=key, secret=secret, replaced=old)


@blueprint.post("/<public_id>/revoke")
@access.allow("keys.edit")
def revoke(public_id: str) -> Response:
    """The key stops working."""
    now = clock.now()
    with transaction() as session:
        key = api_keys.by_public_id(session, public_id)
        api_keys.revoke_key(session, key.id, now)
        audit.record(session, access.actor(), "key.revoke", key.name, {"hint": key.hint}, now)
    key_cache.forget()
    return pages.toast(_page(), f"{key.name} no longer works.")


def _page(
    made: ApiKey | None = None,
    secret: str = "",
    replaced: ApiKey | None = None,
    errors: Mapping[str, str] | None = None,
    fragment: str = "api_keys/_list.html",
) -> Response:
    now = clock.now()
    active = request.args.get("state") != "revoked"
    text = request.args.get("q", "").strip()[:80]
    with transaction() as session:
        keys = api_keys.listed(session, active, text, now)
        makers = members.names(session, {key.created_by for key in keys if key.created_by})
    return pages.page(
        "api_keys/index.html",
        fragment,
        rows=_rows(keys, makers, now),
        active=active,
        text=text,
        made=made,
        secret=secret,
        replaced=replaced,
        public_url=request.host_url.rstrip("/"),
        scopes={scope: SCOPE_MEANING[scope] for scope in SCOPES},
        errors=errors or {},
        typed=request.form if errors else {},
    )


def _rows(
    keys: Sequence[ApiKey], makers: Mapping[int, str], now: datetime
) -> list[Mapping[str, object]]:
    return [
        {
            "id": ids.encode("key", key.id),
            "key": key,
            "maker": makers.get(key.created_by or 0, "Command line"),
            "days_left": (key.expires_at - now).days if key.expires_at else None,
        }
        for key in keys
    ]
