"""Signing in and out. Plain forms: nothing here needs a script."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    flash,
    g,
    redirect,
    request,
    session,
    url_for,
)
from flask_limiter import Limiter
from flask_login import current_user, login_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app import log as logs
from app.accounts import audit, members, sessions, workspace
from app.accounts.audit import Actor
from app.accounts.models import Member
from app.accounts.sessions import SignedIn
from app.console import access, pages
from app.console.filters import at
from app.db import transaction

log = logs.get(__name__)
blueprint = Blueprint("signin", __name__)
NO_MATCH = "That e-mail and password do not match."


@blueprint.get("/signin")
@access.public
def ask() -> AnyResponse:
    """The form; who is signed in already goes on."""
    if current_user.is_authenticated:
        return redirect(access.return_path(request.args.get("next", "")), 303)
    return _form()


@blueprint.post("/signin")
@access.public
def sign_in() -> AnyResponse:
    """Check e-mail and password. One answer for everything that does not match."""
    email, password = request.form.get("email", ""), request.form.get("password", "")
    now = clock.now()
    with transaction() as db_session:
        verdict = members.authenticate(db_session, email, password, now)
        signed_in = _begin(db_session, verdict.member, now) if verdict.member else None
    if verdict.locked_until:
        return _form(email, locked_until=verdict.locked_until)
    if signed_in is None:
        log.warning("sign_in_refused", request_id=g.get("request_id"))
        return _form(email, NO_MATCH)
    session.clear()  # nothing of the visitor before goes on: a new CSRF secret, a new token
    session.permanent = True
    login_user(access.User(signed_in))
    return redirect(access.return_path(request.form.get("next", "")), 303)


@blueprint.post("/signout")
@access.allow("account.edit")
def sign_out() -> AnyResponse:
    """End this browser's session on the server and in the cookie."""
    with transaction() as db_session:
        sessions.end(db_session, current_user.get_id())
    session.clear()
    flash("You are signed out.", "done")
    return pages.go(url_for("signin.ask"))


def limit(app: Flask, limiter: Limiter) -> None:
    """Guesses from one address: a person needs a few, a machine many."""
    name = f"{blueprint.name}.{sign_in.__name__}"
    guarded: Any = limiter.limit("30 per minute")(app.view_functions[name])
    app.view_functions[name] = guarded
    # Nothing else has a limit of this kind: do not look for one in every request.
    limiter.request_filter(lambda: request.endpoint != name)


def _begin(db_session: Session, member: Member, now: datetime) -> SignedIn | None:
    token = sessions.begin(db_session, member, now)
    actor = Actor(member.name, "member", member.id, request.remote_addr)
    audit.record(db_session, actor, "session.begin", member.name, None, now)
    return sessions.find(db_session, token, now)


def _form(email: str = "", error: str = "", locked_until: datetime | None = None) -> Response:
    with transaction() as db_session:
        here = workspace.get(db_session)
    g.zone = ZoneInfo(here.timezone)
    if locked_until:
        until = at(locked_until + timedelta(seconds=1), True)
        error = f"Too many tries. Try again at {until} ({here.timezone})."
    answer = pages.page(
        "signin/ask.html",
        email=email,
        error=error,
        workspace_name=here.name,
        next=request.values.get("next", ""),
        version=current_app.config["HERALD_VERSION"],
    )
    answer.status_code = 422 if error else 200
    return answer
