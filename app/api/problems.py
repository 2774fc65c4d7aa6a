"""Errors as `application/problem+json` (RFC 9457): one shape for the whole API."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from flask import Response, g

from app.errors import (
    Conflict,
    DomainError,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    TooMany,
)

MIMETYPE: Final = "application/problem+json"

# Status -> name of the problem type and its title.
TYPES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad_request", "The request cannot be read"),
    401: ("unauthorised", "No valid API key"),
    403: ("forbidden", "The key may not do this"),
    404: ("not_found", "Not found"),
    405: ("method_not_allowed", "This address does not know the method"),
    409: ("conflict", "Not possible in the present state"),
    413: ("too_large", "The request is too large"),
    415: ("unsupported_media_type", "Send application/json"),
    422: ("invalid", "Some fields are wrong"),
    429: ("too_many_requests", "Too many requests"),
    500: ("internal_error", "Something failed on our side"),
    503: ("unavailable", "Not available just now"),
}
_STATUS: Final[dict[type[DomainError], int]] = {
    NotFound: 404,
    Invalid: 422,
    Conflict: 409,
    Forbidden: 403,
    TooMany: 429,
}


class Refused(Exception):
    """A refusal of the API's own: before the domain was asked."""

    def __init__(
        self,
        status: int,
        detail: str,
        fields: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.fields = tuple(fields)
        self.headers = dict(headers or {})


def of_refusal(error: Refused) -> Response:
    """The answer to a refusal of the API's own."""
    answer = of_status(error.status, error.detail, error.fields)
    answer.headers.update(error.headers)
    return answer


def of_domain(error: DomainError) -> Response:
    """The answer to a refusal of the domain."""
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 422)
    if isinstance(error, Invalid):
        return of_status(status, error.message, error.fields)
    answer = of_status(status, error.message)
    if isinstance(error, TooMany):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def of_status(status: int, detail: str = "", fields: Sequence[FieldError] = ()) -> Response:
    """The answer with this status; `detail` is a sentence."""
    known = status if status in TYPES else (500 if status >= 500 else 400)
    name, title = TYPES[known]
    body: dict[str, Any] = {
        "type": f"/api/docs#problem-{name}",
        "title": title,
        "status": status,
        "detail": detail or f"{title}.",
        "request_id": g.get("request_id", ""),
    }
    if fields:
        body["errors"] = errors(fields)
    return Response(orjson.dumps(body), status, mimetype=MIMETYPE)


def errors(fields: Sequence[FieldError]) -> list[dict[str, str]]:
    """Wrong fields as the API shows them."""
    return [
        {"pointer": field.pointer, "code": field.code, "message": field.message} for field in fields
    ]
