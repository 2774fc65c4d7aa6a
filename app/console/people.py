"""People: one box that finds them by anything, and the form of a new one."""

import time
from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, flash, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit
from app.audience import addresses, contact_search, contacts, places
from app.audience.contact_search import Found
from app.console import access, forms, pages, people_rows
from app.db import transaction
from app.errors import Conflict, Invalid

blueprint: Final = Blueprint("people", __name__, url_prefix="/people")
PAGE: Final = 25
SHORTEST: Final = 2  # letters; below that nearly everybody fits
_TEXTS: Final = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "external_id",
    "country",
    "locale",
    "timezone",
)


@blueprint.get("")
@access.allow("people.find")
def index() -> AnyResponse:
    """Who fits what was typed; an exact id or address leads straight to its page."""
    typed = request.args.get("q", "").strip()[: contact_search.QUERY_MAX]
    query = typed if len(typed) >= SHORTEST else ""
    cursor = request.args.get("cursor")
    if ids.decode("ntf", query) is not None and access.may("messages.find"):
        return pages.go(url_for("messages.show", public_id=query))
    began = time.perf_counter()
    with transaction() as session:
        found = contact_search.search(session, query, cursor, PAGE)
        if query and (straight := _only(found)):
            return pages.go(url_for("person.show", public_id=straight))
        rows = people_rows.rows(session, [*found.exact, *found.page.items], query)
        nobody = bool(query) and not rows
        is_address = nobody and access.may("messages.find") and addresses.is_one(query)
        to = query if is_address else None
        meant = contact_search.suggestion(session, query) if nobody and not to else None
    return pages.page(
        "people/index.html",
        "people/_results.html",
        rows=rows,
        typed=typed,
        query=query,
        meant=meant,
        to=to,
        took=time.perf_counter() - began,
        more=found.page.next_cursor,
        cursor=cursor,
    )


@blueprint.get("/new")
@access.allow("people.edit")
def new() -> Response:
    """The form of a new person."""
    return _form({})


@blueprint.post("/new")
@access.allow("people.edit")
def create() -> AnyResponse:
    """Add one person by hand; everything that is wrong is said at once."""
    now = clock.now()
    change: dict[str, Any] = {name: forms.text(name) for name in _TEXTS if forms.text(name)}
    change["tags"] = [tag.strip() for tag in forms.text("tags").split(",") if tag.strip()]
    try:
        with transaction() as session:
            person = contacts.create(session, change, now)
            public_id = ids.encode("con", person.id)
            audit.record(session, access.actor(), "contact.create", public_id, None, now)
            name = contacts.display_name(person)
    except Invalid as refused:
        return _form(refused.by_field(), 422)
    except Conflict as taken:
        return _form({"external_id": taken.message}, 409)
    flash(f"{name} was added.", "done")
    return pages.go(url_for("person.show", public_id=public_id))


def _only(found: Found) -> str | None:
    """The one person that was meant. While somebody types, an address may be the beginning of a
    longer one: as long as others are alike, nobody is led away.
    """
    alone = not found.page.items or not pages.wants_fragment()
    if len(found.exact) != 1 or not alone:
        return None
    return ids.encode("con", found.exact[0].id)


def _form(errors: Mapping[str, str], status: int = 200) -> Response:
    answer = pages.page(
        "people/new.html",
        typed=request.form,
        errors=errors,
        countries=sorted(places.countries().items(), key=lambda item: item[1]),
        zones=forms.zones(),
    )
    answer.status_code = status
    return answer
