"""Who may open which page: every view of the console says so with `allow`, and one gate asks.

Deny by default: a view that says nothing is refused to everyone. Buttons ask the same table
through `may("campaigns.edit")` in templates.
"""

from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from flask import Blueprint, Flask, Request, current_app, g, redirect, request, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_login import AnonymousUserMixin, LoginManager, UserMixin, current_user
from werkzeug.wrappers import Response

from app import clock
from app.accounts import roles, sessions, workspace
from app.accounts.audit import Actor
from app.accounts.sessions import SignedIn
from app.db import transaction
from app.errors import Forbidden
from app.signing import Signer

View = TypeVar("View", bound=Callable[..., object])
_ROLES: Final = "herald_roles"
_OPEN: Final = "herald_open_blueprints"
_NEXT: Final = "herald_next_signer"
PUBLIC: Final[tuple[str, ...]] = ("*",)
# What a member with a one-time password may still do.
# What is open before somebody has chosen a password of their own; the menu is part of that page.
_PASSWORD_PAGES: Final = frozenset(
    {"account.show", "account.change_password", "signin.sign_out", "jump.menu"}
)


class User(UserMixin):  # type: ignore[misc]  # Flask-Login ships no types
    """The member behind a request, as Flask-Login and templates want it."""

    def __init__(self, signed_in: SignedIn) -> None:
        self.signed_in = signed_in
        self.id = signed_in.member_id
        self.name = signed_in.name
        self.email = signed_in.email
        self.role = signed_in.role
        self.timezone = signed_in.timezone

    def get_id(self) -> str:
        """What the cookie holds: the session's token, not the member's key."""
        return self.signed_in.token


def allow(*permitted: str) -> Callable[[View], View]:
    """Name the roles that may open this view: `@allow("owner", "marketer")`, or a permission of
    `roles.MAY`: `@allow("campaigns.edit")`.
    """
    named = tuple(role for item in permitted for role in roles.MAY.get(item, (item,)))
    unknown = set(named) - set(roles.ROLES)
    if unknown or not named:
        raise ValueError(f"allow() wants roles or permissions, not {sorted(unknown)}")

    def mark(view: View) -> View:
        setattr(view, _ROLES, named)
        return view

    return mark


def public(view: View) -> View:
    """A view that anyone may open."""
    setattr(view, _ROLES, PUBLIC)
    return view


def roles_of(view: object) -> tuple[str, ...] | None:
    """Which roles may open a view: PUBLIC for anyone, None when it says nothing (nobody)."""
    found: tuple[str, ...] | None = getattr(view, _ROLES, None)
    return found


def leave_open(app: Flask, blueprint: Blueprint) -> None:
    """A blueprint with a door of its own: API keys, signatures, signed links."""
    app.extensions.setdefault(_OPEN, set()).add(blueprint.name)


def is_open(app: Flask, endpoint: str | None) -> bool:
    """Whether the endpoint belongs to a blueprint that was left open, or is a static file."""
    if endpoint is None or endpoint == "static":
        return True
    return endpoint.rpartition(".")[0] in app.extensions.get(_OPEN, set())


def actor() -> Actor:
    """The signed-in member, for the audit trail."""
    return Actor(current_user.name, "member", current_user.id, request.remote_addr)


def may(permission: str) -> bool:
    """Whether the signed-in member has a permission of `roles.MAY`."""
    return roles.may(getattr(current_user, "role", None), permission)


def return_token(path: str) -> str:
    """Where to go after signing in, signed: nothing else is ever followed."""
    signer: Signer = current_app.extensions[_NEXT]
    return signer.sign(path.encode())


def return_path(token: str) -> str:
    """The path behind a token of `return_token`; the overview for anything else."""
    signer: Signer = current_app.extensions[_NEXT]
    path = (signer.unsign(token) or b"/").decode(errors="replace")
    safe = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if safe and path.isprintable() else "/"


def register(app: Flask, secret: str, old_secrets: tuple[str, ...]) -> None:
    """Put the gate in front of every view of the app."""
    app.extensions[_NEXT] = Signer(secret, "next", old_secrets)
    manager = LoginManager()
    manager.session_protection = None  # the server's table decides, not the browser's address
    manager.user_loader(_load_user)
    manager.init_app(app)
    app.session_interface = _Cookies()
    app.before_request(_gate)
    app.jinja_env.globals["may"] = may


class _Cookies(SecureCookieSessionInterface):
    """Machines carry no cookie: for them no keys are derived to read one."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        if "HTTP_COOKIE" not in request.environ or (
            self.get_cookie_name(app) not in request.cookies
        ):
            return self.session_class()
        return super().open_session(app, request)


def forget_user() -> None:
    """Treat the request as a visitor's: for error pages while the database is away."""
    g._login_user = AnonymousUserMixin()


def _load_user(token: str) -> User | None:
    with transaction() as session:
        now = clock.now()
        signed_in = sessions.find(session, token, now)
        if signed_in is None:
            return None
        if not _is_poll() and sessions.is_due(signed_in, now):
            sessions.touch(session, signed_in, now)
        zone = signed_in.timezone or workspace.get(session).timezone
        g.zone = ZoneInfo(zone)
    return User(signed_in)


def _is_poll() -> bool:
    """A page that refreshes itself is not a person who does something."""
    fragment = request.path.rpartition("/")[2].startswith("_")
    return request.method == "GET" and fragment and "HX-Request" in request.headers


def _gate() -> Response | None:
    if is_open(current_app, request.endpoint):
        return None
    permitted = roles_of(current_app.view_functions[str(request.endpoint)])
    if permitted is PUBLIC:
        return None
    if not current_user.is_authenticated:
        return _ask_to_sign_in()
    if permitted is None or current_user.role not in permitted:
        raise Forbidden("Your role does not allow this. An owner of this workspace can change it.")
    if current_user.signed_in.password_temporary and request.endpoint not in _PASSWORD_PAGES:
        return _lead(url_for("account.show"))  # which says why
    return None


def _ask_to_sign_in() -> Response:
    is_fragment = "HX-Request" in request.headers
    shown = urlsplit(request.headers.get("HX-Current-URL", "")) if is_fragment else None
    if shown is not None:
        back = shown.path + (f"?{shown.query}" if shown.query else "")
    else:
        back = request.full_path.rstrip("?") if request.method == "GET" else "/"
    target = url_for("signin.ask", next=return_token(back) if back not in ("", "/") else None)
    return _lead(target)


def _lead(target: str) -> Response:
    """The whole browser goes there, also when only a part of a page was asked for."""
    if "HX-Request" not in request.headers:
        return redirect(target, 303)
    answer = current_app.response_class(status=401)
    answer.headers["HX-Redirect"] = target
    return answer
