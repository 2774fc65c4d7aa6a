"""The audit log: who did what. Append-only, so there is nothing here but looking."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Blueprint, Response, request, stream_with_context, url_for
from flask_login import current_user

from app import clock, ids
from app.accounts import audit, members
from app.accounts.audit import Filters
from app.accounts.models import AuditEntry
from app.console import access, pages
from app.console.audit_words import said, shown_detail, spreadsheet
from app.db import transaction

blueprint = Blueprint("audit", __name__, url_prefix="/audit")
PAGE: Final = 50
MOST_ROWS: Final = 50_000
SPANS: Final = {
    "1": ("last 24 hours", timedelta(days=1)),
    "7": ("last 7 days", timedelta(days=7)),
    "30": ("last 30 days", timedelta(days=30)),
}


@blueprint.get("")
@access.allow("audit.view")
def show() -> Response:
    """A page of the trail; only the own deeds for who may not see all."""
    cursor = request.args.get("cursor")
    filters = _filters(clock.now())
    with transaction() as session:
        page = audit.search(session, filters, PAGE, cursor)
        people = members.listed(session) if access.may("audit.all") else []
    return pages.page(
        "audit/index.html",
        "audit/_results.html",
        rows=[_row(entry) for entry in page.items],
        areas=audit.AREAS,
        spans={key: words for key, (words, _) in SPANS.items()},
        people=[(ids.encode("mem", member.id), member.name) for member in people],
        query=_query(),
        newest=_url(cursor=None) if cursor else None,
        older=_url(cursor=page.next_cursor) if page.next_cursor else None,
        csv_url=url_for("audit.export", **dict[str, Any](_query())),
        without={name: _url(**{name: None, "cursor": None}) for name in ("area", "who", "when")},
        sees_all=access.may("audit.all"),
    )


@blueprint.get("/export.csv")
@access.allow("audit.view")
def export() -> Response:
    """The same lines as a spreadsheet, at most 50,000."""
    answer = Response(
        stream_with_context(_lines(_filters(clock.now()))), mimetype="text/csv; charset=utf-8"
    )
    answer.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _lines(filters: Filters) -> Iterator[str]:
    yield "\ufeff" + _csv(["at", "who", "kind", "action", "subject", "detail", "from"])
    cursor: str | None = None
    for _ in range(MOST_ROWS // 1000):
        with transaction() as session:
            page = audit.search(session, filters, 1000, cursor)
        for entry in page.items:
            detail = "; ".join(shown_detail(entry).texts())
            line = [entry.at.isoformat(), entry.actor, entry.actor_kind, entry.action]
            yield _csv([*line, entry.subject, detail, entry.ip or ""])
        cursor = page.next_cursor
        if cursor is None:
            return


def _csv(values: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([spreadsheet(value) for value in values])
    return buffer.getvalue()


def _filters(now: datetime) -> Filters:
    query = _query()
    if access.may("audit.all"):
        member_id = ids.decode("mem", query["who"]) if query.get("who") else None
    else:
        member_id = current_user.id
    span = SPANS.get(query.get("when", ""))
    return Filters(
        text=query.get("q", ""),
        area=query.get("area", ""),
        member_id=member_id,
        since=now - span[1] if span else None,
    )


def _query() -> dict[str, str]:
    """The filters that are set, as they stand in the URL."""
    known = {
        "q": request.args.get("q", "").strip()[:80].replace("\x00", ""),
        "area": request.args.get("area", ""),
        "who": request.args.get("who", ""),
        "when": request.args.get("when", ""),
    }
    known["area"] = known["area"] if known["area"] in audit.AREAS else ""
    known["when"] = known["when"] if known["when"] in SPANS else ""
    return {name: value for name, value in known.items() if value}


def _url(**changed: str | None) -> str:
    values: dict[str, Any] = {**_query(), **changed}
    return url_for("audit.show", **{name: value for name, value in values.items() if value})


def _row(entry: AuditEntry) -> dict[str, object]:
    verb, subject = said(entry)
    return {"entry": entry, "verb": verb, "subject": subject, "detail": shown_detail(entry)}
