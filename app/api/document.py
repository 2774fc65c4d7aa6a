"""The OpenAPI 3.1 document, made from the code, and a page that people can read."""

import re
from typing import Any, Final, cast

from flask import Blueprint, Response, current_app, jsonify, render_template
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field

from app.api import problems, reference
from app.api.codes import CODES
from app.sending.status import REASONS

_EXTENSION: Final = "herald_openapi"
_ARGUMENT: Final = re.compile(r"<(?:\w+:)?(\w+)>")
SCOPES_MARK: Final = "herald_scopes"
_ABOUT: Final = """
Send e-mail, SMS, iOS and Android push with one call.

* Every call carries `Authorization: Bearer hk_live_…`. A **test key** (`hk_test_…`) runs everything
  except the launch of a campaign, and hands over to the sandbox instead of the provider.
* Unknown fields are refused. Times are RFC 3339 with an offset.
* `Idempotency-Key` (up to 255 characters) on any POST: the same key and body give the same answer,
  with `Idempotent-Replayed: true`, for seven days.
* Lists are pages: `?limit=50&cursor=…` answers `{"data": […], "next_cursor": "…" | null}`.
* Every answer has `X-Request-Id`, which may be given; with a working key also `RateLimit` and
  `RateLimit-Policy`.
""".strip()


class WrongField(BaseModel):
    """One wrong field of a request."""

    pointer: str = Field(description="JSON pointer, such as `/to/email`; a parameter is `/limit`.")
    code: str = Field(
        description="One of:\n\n"
        + "\n".join(f"* `{code}`: {meaning}" for code, meaning in CODES.items())
    )
    message: str = Field(description="A sentence for people.")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = Field(description="A sentence that says what to do.")
    request_id: str
    errors: list[WrongField] = Field([], description="Every wrong field, at once.")


_MEANINGS: Final = {
    400: "The body is not JSON, or a header is wrong.",
    401: "There is no key, or it does not work.",
    403: "The key lacks the scope, or may not be used from this network.",
    404: "There is no such thing.",
    409: "The present state does not allow it, or the same Idempotency-Key is still running.",
    413: "The body is larger than 5 MB (5,242,880 bytes).",
    415: "The body is not `application/json`.",
    422: "Fields are wrong, or the Idempotency-Key was used for another body.",
    429: "The key called too often; `Retry-After` says when to go on.",
    503: "PostgreSQL is away or too slow; `Retry-After` says when to try again.",
}
_OF_BODIES: Final = (413, 415)
PROBLEM_RESPONSES: Final[dict[Any, Any]] = {
    status: {
        "description": meaning,
        "content": {
            problems.MIMETYPE: {"schema": {"$ref": "#/components/schemas/Problem"}},
        },
    }
    for status, meaning in _MEANINGS.items()
}

blueprint: Final = Blueprint("docs", __name__)


def options() -> dict[str, Any]:
    """What the application is told about the document when it is made."""
    return {
        "info": Info(title="Herald API", version="1", description=_ABOUT),
        "security_schemes": {
            "key": {"type": "http", "scheme": "bearer", "description": "hk_live_… or hk_test_…"}
        },
        "validation_error_model": Problem,
    }


@blueprint.get("/api/v1/openapi.json")
def openapi() -> Response:
    """The document. It holds no secrets and may be read by anyone."""
    return jsonify(_document())


@blueprint.get("/api/docs")
def docs() -> str:
    """The document as a page."""
    return render_template(
        "docs/api.html",
        about=reference.marked(_ABOUT),
        groups=reference.groups(_document()),
        problems={name: (status, title) for status, (name, title) in problems.TYPES.items()},
        meanings=_MEANINGS,
        codes=CODES,
        reasons=REASONS,
    )


def _document() -> dict[str, Any]:
    """The document with the scopes that each call needs and the refusals that it can meet; made
    once per application.
    """
    app = cast(OpenAPI, current_app._get_current_object())  # type: ignore[attr-defined]
    made: dict[str, Any] | None = app.extensions.get(_EXTENSION)
    if made is None:
        made = app.extensions[_EXTENSION] = app.api_doc
        for rule in app.url_map.iter_rules():
            scopes = getattr(app.view_functions[rule.endpoint], SCOPES_MARK, None)
            if scopes is None:
                continue
            calls = made["paths"][_ARGUMENT.sub(r"{\1}", rule.rule)]
            for method in calls.keys() & {name.lower() for name in rule.methods or ()}:
                calls[method]["x-scopes"] = list(scopes)
                if "requestBody" not in calls[method]:
                    for status in _OF_BODIES:
                        calls[method]["responses"].pop(str(status), None)
    return made
