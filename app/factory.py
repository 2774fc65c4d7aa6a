"""Where everything is put together. Importing this module does nothing; nothing imports from it."""

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_openapi3.openapi import OpenAPI
from flask_wtf import CSRFProtect
from flask_wtf.csrf import CSRFError
from sqlalchemy import exc
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

from app import core, frame
from app import log as logs
from app.accounts import sessions
from app.api import document, machine, operations, problems, routes
from app.console import access, errors, hold, pages, signin
from app.console import routes as console_routes
from app.errors import DomainError
from app.express import Express
from app.frame import Herald
from app.gather import NotWritten
from app.hooks import routes as hooks_routes
from app.settings import Settings

ROOT: Final = Path(__file__).resolve().parent.parent
MEGABYTE: Final = 1024 * 1024
LARGEST_REQUEST: Final = 64 * MEGABYTE  # a file to import; the API has its own limit
RETRY_AFTER_SECONDS: Final = 5
# Machines talk to these; everything else is read by people.
_MACHINE_DOORS: Final = ("/api/v1/", "/hooks/", "/t/", "/healthz", "/readyz", "/metrics")

log = logs.get(__name__)


def create_app(settings: Settings) -> Flask:
    """The web application: console, API, and the unauthenticated doors."""
    app = Herald(
        "herald",
        root_path=str(ROOT),
        static_folder=str(ROOT / "static"),
        template_folder=str(ROOT / "templates"),
        doc_ui=False,
        **document.options(),
    )
    core.equip(app, settings)
    _configure(app, settings)
    _register_machinery(app, settings)
    _register_doors(app, settings)
    _register_errors(app)
    app.wsgi_app = Express(app, app.wsgi_app)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )
    return app


def _configure(app: Flask, settings: Settings) -> None:
    secure = settings.secure_cookies
    app.config.update(
        HERALD_VERSION=_version(),
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.old_secret_keys),
        MAX_CONTENT_LENGTH=LARGEST_REQUEST,
        MAX_FORM_MEMORY_SIZE=MEGABYTE,
        MAX_FORM_PARTS=1000,
        TRUSTED_HOSTS=_trusted_hosts(settings),
        SESSION_COOKIE_NAME="__Host-herald" if secure else "herald",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_PATH="/",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=sessions.ABSOLUTE + timedelta(minutes=5),
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]


def _register_machinery(app: OpenAPI, settings: Settings) -> None:
    app.before_request(frame.begin_request)
    app.after_request(frame.security_headers)
    app.after_request(frame.read_the_rest)
    access.register(app, settings.secret_key, settings.old_secret_keys)


def _register_doors(app: Herald, settings: Settings) -> None:
    csrf, limiter = CSRFProtect(app), _limiter(app, settings)
    for blueprint in console_routes.BLUEPRINTS:
        app.register_blueprint(blueprint)
    for calls in routes.BLUEPRINTS:
        app.register_api(calls)
        csrf.exempt(calls)
        access.leave_open(app, calls)
        app.open_to_machines(calls)
    for blueprint in (*hooks_routes.BLUEPRINTS, machine.blueprint):
        _register_locked(app, csrf, blueprint)
    for blueprint in hooks_routes.MACHINES:
        app.open_to_machines(blueprint)
    app.register_blueprint(document.blueprint)
    access.leave_open(app, document.blueprint)
    operations.register(app, limiter, settings)
    signin.limit(app, limiter)
    pages.register(app)
    hold.register(app)


def _limiter(app: Flask, settings: Settings) -> Limiter:
    """Counts in Redis; while it is away each process counts for itself and nobody is refused."""
    timeouts: dict[str, Any] = {"socket_timeout": 0.25, "socket_connect_timeout": 0.25}
    return Limiter(
        get_remote_address,
        app=app,
        storage_uri=settings.redis_url or "memory://",
        storage_options=timeouts if settings.redis_url else {},
        key_prefix=f"{settings.queue_prefix()}:limits",
        strategy="fixed-window",
        in_memory_fallback_enabled=True,
    )


def _register_locked(app: Flask, csrf: CSRFProtect, blueprint: Blueprint) -> None:
    """A blueprint with a lock of its own: signatures, signed links, a token."""
    app.register_blueprint(blueprint)
    csrf.exempt(blueprint)
    access.leave_open(app, blueprint)


def _register_errors(app: Flask) -> None:
    """Every refusal is translated here: for machines to problem+json, for people to a page."""
    for kind in (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, NotWritten):
        app.register_error_handler(kind, _database_away)
    app.register_error_handler(exc.DataError, _unstorable)
    app.register_error_handler(DomainError, _refused)
    app.register_error_handler(problems.Refused, problems.of_refusal)
    app.register_error_handler(CSRFError, lambda _error: _of_status(400))
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(500, _failed)


def _refused(error: DomainError) -> Response:
    return problems.of_domain(error) if _is_machine() else errors.of_domain(error)


def _http_error(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return Response(error.get_response().response, error.code)
    if isinstance(error, SecurityError) and not _is_machine():
        # No page can be made for a host that is not ours: there are no addresses to link to.
        return Response("Herald does not answer to this name.\n", error.code, mimetype="text/plain")
    answer = _of_status(error.code)
    if allowed := getattr(error, "valid_methods", None):
        answer.headers["Allow"] = ", ".join(sorted(allowed))
    return answer


def _database_away(error: Exception) -> Response:
    log.warning("database_away", error=type(error).__name__)
    answer = _of_status(503)
    answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def _unstorable(error: Exception) -> Response:
    log.warning("data_refused", error=type(error).__name__)
    return _of_status(422)


def _failed(error: Exception) -> Response:
    original = getattr(error, "original_exception", None) or error
    log.error("request_failed", endpoint=request.endpoint, exc_info=original)
    return _of_status(500)


def _of_status(status: int) -> Response:
    return problems.of_status(status) if _is_machine() else errors.of_status(status)


def _is_machine() -> bool:
    return request.path.startswith(_MACHINE_DOORS)


def _trusted_hosts(settings: Settings) -> list[str] | None:
    """Names we may be asked for. Links in mail never come from the Host header anyway."""
    if settings.trusted_hosts:
        return list(settings.trusted_hosts)
    if not settings.secure_cookies:
        return None
    return [urlsplit(settings.public_url).hostname or "localhost", "localhost", "127.0.0.1"]


def _version() -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])
