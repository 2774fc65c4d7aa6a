"""Refusals as people read them: a page with a way back; for htmx a toast."""

from typing import Final

from flask import Response, g, make_response, render_template, request

from app.console import access, pages
from app.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, TooMany

# Class of refusal -> status and title.
_DOMAIN: Final[dict[type[DomainError], tuple[int, str]]] = {
    NotFound: (404, "Not found"),
    Invalid: (422, "Not saved"),
    Conflict: (409, "Not possible now"),
    Forbidden: (403, "Not allowed"),
    TooMany: (429, "Too many"),
}
_HTTP: Final[dict[int, tuple[str, str]]] = {
    400: ("That did not work", "The page may be old. Load it again and repeat what you did."),
    403: ("Not allowed", "Your role does not allow this."),
    404: ("Not found", "There is nothing at this address. It may have been removed."),
    405: ("Not found", "This address does something else."),
    413: ("Too large", "This is more than can be taken at once."),
    429: ("Too many", "That was too often. Wait a minute and try again."),
    500: ("Something failed", "It was written to the log. Try again, or give the reference."),
    503: ("The database is away", "Nothing was lost. Try again in a few seconds."),
}
# Statuses that htmx swaps in, because forms are shown again with them; it toasts the others itself.
_SWAPPED: Final = (409, 422)


def of_domain(error: DomainError) -> Response:
    """A refusal of the domain that a view did not handle itself."""
    status, title = next(
        (found for kind, found in _DOMAIN.items() if isinstance(error, kind)), (422, "Not possible")
    )
    answer = _answer(status, title, error.message)
    if isinstance(error, TooMany):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def of_status(status: int) -> Response:
    """A refusal of the web layer: unknown address, wrong method, lost form token, a fault."""
    title, text = _HTTP.get(status, _HTTP[400 if status < 500 else 500])
    if status == 503:
        access.forget_user()
    return _answer(status, title, text)


def _answer(status: int, title: str, text: str) -> Response:
    if "HX-Request" in request.headers:
        answer = make_response("", status)
        if status in _SWAPPED:
            answer.headers["HX-Reswap"] = "none"
            return pages.toast(answer, text, "failed")
        return answer
    reference = g.get("request_id") if status >= 500 else None
    page = render_template(
        "layout/error.html", code=status, title=title, text=text, reference=reference
    )
    answer = make_response(page, status)
    answer.headers["Cache-Control"] = "no-store"
    return answer
