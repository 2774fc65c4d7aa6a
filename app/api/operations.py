"""The skeleton of every call: key, scope, quota, strict reading, idempotency, answer.

A view is three lines and says above itself what it wants:

    @api.post("/notifications", responses=answers({202: SendAnswer}))
    @needs("send")
    def send(body: SendBody) -> Given:
        ...
        return {"id": …}, 202

`path`, `query` and `body` arguments are pydantic shapes; a view without `needs` cannot be made.
"""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any, Final, TypeAlias, TypeVar

import orjson
from flask import Flask, Response, current_app, g, request
from flask_limiter import Limiter
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel

from app import clock
from app.accounts.models import SCOPES
from app.api import idempotency, keys, quota, reading, validation
from app.api.document import PROBLEM_RESPONSES, SCOPES_MARK
from app.api.idempotency import Outcome, Wish
from app.api.quota import Quota
from app.settings import Settings

PREFIX: Final = "/api/v1"
_QUOTA: Final = "herald_quota"

Given: TypeAlias = tuple[BaseModel | Mapping[str, Any] | None, int]
View = TypeVar("View", bound=Callable[..., Given])


def needs(*scopes: str) -> Callable[[View], View]:
    """The key must have one of these scopes."""
    if not scopes or set(scopes) - set(SCOPES):
        raise ValueError(f"needs() wants scopes of {SCOPES}, not {scopes}")

    def mark(view: View) -> View:
        setattr(view, SCOPES_MARK, scopes)
        return view

    return mark


class Operations(APIBlueprint):
    """Calls about one noun, under /api/v1."""

    def __init__(self, name: str, title: str, description: str) -> None:
        super().__init__(
            f"api_{name}",
            __name__,
            url_prefix=PREFIX,
            abp_tags=[Tag(name=title, description=description)],
            abp_security=[{"key": []}],
            abp_responses=PROBLEM_RESPONSES,
            operation_id_callback=lambda name, **_: name,
        )
        self.after_request(quota.add_headers)
        self.after_request(keys.note_use)

    @staticmethod
    def create_view_func(
        func: Callable[..., Given], *shapes: Any, **_options: Any
    ) -> Callable[..., Response]:
        """Wrap a view; called by the route decorators in place of flask-openapi3's own."""
        _header, _cookie, path, query, _form, body, _raw = shapes
        scopes: tuple[str, ...] | None = getattr(func, SCOPES_MARK, None)
        if scopes is None:
            raise TypeError(f"{func.__qualname__} does not say which scope it needs")
        wanted = _Shapes(path, query, body)

        @wraps(func)
        def view(**values: Any) -> Response:
            key = keys.authenticate(scopes)
            g.quota = _quota().take(key.id)
            document = reading.body() if wanted.body else None
            work = partial(_perform, func, wanted.read(values, document))
            once = request.headers.get("Idempotency-Key")
            if request.method != "POST" or once is None:
                return _answer(work())
            idempotency.check_key(once)
            wish = Wish(key.id, once, f"{request.method} {request.path}", document)
            secret = str(current_app.secret_key)
            return _answer(idempotency.once(wish, secret, clock.now(), work))

        return view


class _Shapes:
    """The pydantic shapes of a view's arguments."""

    def __init__(
        self,
        path: type[BaseModel] | None,
        query: type[BaseModel] | None,
        body: type[BaseModel] | None,
    ) -> None:
        self.path = path
        self.query = query
        self.body = body

    def read(self, values: dict[str, Any], document: Any) -> dict[str, BaseModel]:
        """The arguments for the view. Raises Invalid."""
        found: dict[str, BaseModel] = {}
        if self.path:
            found["path"] = validation.read_path(self.path, values)
        if self.query:
            found["query"] = validation.read_query(self.query, request.args)
        if self.body:
            found["body"] = validation.read(self.body, document)
        return found


def register(app: Flask, limiter: Limiter, settings: Settings) -> None:
    """Give the app its count of calls."""
    prefix = f"{settings.queue_prefix()}:limits"
    app.extensions[_QUOTA] = Quota(limiter.storage, prefix, settings.api_rate)


def answers(by_status: Mapping[int, type[BaseModel] | None]) -> dict[Any, Any]:
    """The good answers of a call, for its documentation; refusals are added by themselves."""
    return dict(by_status)


def _quota() -> Quota:
    found: Quota = current_app.extensions[_QUOTA]
    return found


def _perform(func: Callable[..., Given], arguments: dict[str, BaseModel]) -> Outcome:
    content, status = func(**arguments)
    if content is None:
        return Outcome(status, b"")
    if isinstance(content, BaseModel):
        content = content.model_dump(mode="json", exclude_unset=True)
    return Outcome(status, orjson.dumps(content, option=orjson.OPT_UTC_Z))


def _answer(outcome: Outcome) -> Response:
    response = Response(outcome.body, outcome.status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    if outcome.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response
