"""Which key calls: `Authorization: Bearer hk_…`, its scope, its network."""

from functools import partial
from typing import Final

from flask import Flask, Response, current_app, g, request
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app import log as logs
from app.accounts import api_keys, key_cache
from app.accounts.audit import Actor
from app.accounts.key_cache import KnownKey
from app.accounts.models import SCOPES
from app.api.problems import Refused
from app.db import transaction
from app.sending.requests import Caller

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="Herald"'}
log = logs.get(__name__)


def authenticate(scopes: tuple[str, ...]) -> KnownKey:
    """The key of this request, which has one of the scopes. Raises Refused with 401 or 403."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret.startswith((api_keys.LIVE, api_keys.TEST)):
        raise Refused(401, "Send Authorization: Bearer with an API key.", headers=_CHALLENGE)
    key = _find(secret.strip())
    if key is None:
        raise Refused(401, "This API key does not work.", headers=_CHALLENGE)
    g.api_key = key
    if not key.allows(request.remote_addr):
        raise Refused(403, "This key may not be used from this network.")
    if scopes and not key.scopes.intersection(scopes):
        raise Refused(403, f"This key lacks the scope {' or '.join(scopes)}.")
    return key


def current() -> KnownKey:
    """The key of this request, once authenticated."""
    key: KnownKey = g.api_key
    return key


def caller() -> Caller:
    """Who asks, for `app.sending`."""
    key = current()
    return Caller("api", g.request_id, key.id, key.test)


def actor() -> Actor:
    """The key, for the audit trail."""
    return Actor(current().name, "key", None, request.remote_addr)


def has(scope: str) -> bool:
    """Whether this request's key has the scope."""
    if scope not in SCOPES:
        raise ValueError(scope)
    return scope in current().scopes


def note_use(response: Response) -> Response:
    """Once a minute, after the answer has left, write when the key was last used."""
    key: KnownKey | None = g.get("api_key")
    if key is not None and key_cache.use_is_due(key.id):
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        response.call_on_close(partial(_write_use, app, key.id))
    return response


def _find(secret: str) -> KnownKey | None:
    now = clock.now()
    known = key_cache.recall(secret, now)
    if known is not None:
        return known[0]
    with transaction() as session:
        return key_cache.find(session, secret, now)


def _write_use(app: Flask, key_id: int) -> None:
    try:
        with app.app_context(), transaction() as session:
            api_keys.mark_used(session, key_id, clock.now())
    except SQLAlchemyError as error:
        log.warning("key_use_not_written", error=type(error).__name__)
