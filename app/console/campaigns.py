"""The list of campaigns: tabs, filters, rows that follow a send, acts on several, CSV."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from flask import Blueprint, Response, flash, request, stream_with_context, url_for
from flask_login import current_user
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock, ids
from app.accounts import audit, members
from app.audience import csv_cells
from app.audience.models import CHANNELS
from app.campaigns import drafts, lifecycle, listing
from app.campaigns.listing import Filters
from app.campaigns.models import Campaign
from app.console import access, campaign_table, composer, filters, forms, pages
from app.db import transaction

blueprint: Final = Blueprint("campaigns", __name__)
PAGE: Final = 25
SIZES: Final = (25, 50, 100)
MOST: Final = 10_000
_CSV_PART: Final = 500
_TABS: Final = (
    ("", "All"),
    ("draft", "Drafts"),
    ("scheduled", "Scheduled"),
    ("sending", "Sending"),
    ("sent", "Sent"),
    ("archived", "Archived"),
)


@blueprint.get("/campaigns")
@access.allow("campaigns.view")
def index() -> Response:
    """One page of the campaigns that match, newest first."""
    with transaction() as session:
        return _results(session)


@blueprint.post("/campaigns/new")
@access.allow("campaigns.edit")
def new() -> AnyResponse:
    """An empty draft, opened at its first step."""
    now = clock.now()
    name = forms.text("name") or f"Campaign of {filters.day(now)}"
    with transaction() as session:
        campaign = drafts.create(session, name, current_user.id, now)
        audit.record(session, access.actor(), "campaign.create", campaign.name, None, now)
        public_id = ids.encode("cmp", campaign.id)
    return pages.go(composer.step_url(public_id, "audience"))


@blueprint.get("/campaigns/<public_id>/_row")
@access.allow("campaigns.view")
def row(public_id: str) -> Response:
    """One line of the list as it is now."""
    with transaction() as session:
        campaign = composer.find(session, public_id)
        return pages.fragment(
            "campaigns/_row.html",
            url_for("campaigns.index"),
            row=campaign_table.rows(session, [campaign], clock.now())[0],
        )


@blueprint.post("/campaigns/_bulk")
@access.allow("campaigns.edit")
def bulk() -> AnyResponse:
    """Archive, bring back or duplicate the chosen campaigns, or all that match the filters."""
    act, now = forms.text("do"), clock.now()
    with transaction() as session:
        keys = _decoded(request.form.getlist("id"))
        done = _act(session, act, keys, now)
        answer = _results(session)
    if act != "archive" or not done:
        said = {"archive": "archived", "restore": "brought back", "duplicate": "duplicated"}
        count = filters.plural(len(done), "campaign")
        answer_text = f"{count} {said.get(act, 'changed')}."
        if act == "archive":
            answer_text = "What is scheduled or on its way cannot be archived."
        return _after_bulk(answer, answer_text, "done" if done else "failed")
    chosen = [ids.encode("cmp", campaign.id) for campaign in done]
    undo = url_for("campaigns.unarchive", id=chosen)
    text = f"{filters.plural(len(done), 'campaign')} archived."
    return pages.toast(answer, text, undo_url=undo) if pages.wants_fragment() else _back(text)


@blueprint.post("/campaigns/_unarchive")
@access.allow("campaigns.edit")
def unarchive() -> AnyResponse:
    """Undo of archiving: the ids are in the address, as the toast gave them."""
    now = clock.now()
    keys = _decoded(request.args.getlist("id"))
    with transaction() as session:
        _act(session, "restore", keys, now)
    return pages.go(url_for("campaigns.index"))


@blueprint.get("/campaigns.csv")
@access.allow("campaigns.view")
def as_csv() -> Response:
    """The same campaigns as on the page, all pages of it."""
    now = clock.now()
    with transaction() as session:
        detail = dict(request.args) or None
        audit.record(session, access.actor(), "campaign.export", "campaigns.csv", detail, now)
    answer = Response(
        stream_with_context(_lines(_filters(), now)), mimetype="text/csv; charset=utf-8"
    )
    answer.headers["Content-Disposition"] = 'attachment; filename="campaigns.csv"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _lines(chosen: Filters, now: datetime) -> Iterator[str]:
    yield "\ufeff" + csv_cells.line(campaign_table.CSV_HEAD)
    for offset in range(0, MOST, _CSV_PART):
        with transaction() as session:
            found, _ = listing.page(session, chosen, offset, _CSV_PART)
            cells = campaign_table.csv_cells(session, found, now)
        yield from map(csv_cells.line, cells)
        if len(found) < _CSV_PART:
            return


def _act(session: Session, act: str, keys: list[int], now: datetime) -> list[Campaign]:
    if act == "archive":
        done = drafts.archive(session, keys, now)
    elif act == "restore":
        done = drafts.restore(session, keys)
    elif act == "duplicate":
        by = current_user.id
        found = [session.get_one(Campaign, key) for key in keys[:20]]
        done = [lifecycle.duplicate(session, campaign, by, now) for campaign in found]
    else:
        return []
    for campaign in done:
        audit.record(session, access.actor(), f"campaign.{act}", campaign.name, None, now)
    return done


def _decoded(public_ids: list[str]) -> list[int]:
    found = (ids.decode("cmp", public_id) for public_id in public_ids)
    return [key for key in found if key is not None]


def _after_bulk(answer: Response, text: str, kind: pages.ToastKind) -> AnyResponse:
    return pages.toast(answer, text, kind) if pages.wants_fragment() else _back(text)


def _back(text: str) -> AnyResponse:
    flash(text, "done")
    return pages.go(url_for("campaigns.index"))


def _results(session: Session) -> Response:
    now = clock.now()
    chosen = _filters()
    size = _number("limit", PAGE)
    size = size if size in SIZES else PAGE
    offset = _number("from_row", 0)
    found, total = listing.page(session, chosen, offset, size)
    counts = listing.counts(session)
    owners = members.names(session, set(listing.owners(session)))
    query = _query()
    return pages.page(
        "campaigns/index.html",
        "campaigns/_results.html",
        rows=campaign_table.rows(session, found, now),
        total=total,
        offset=offset,
        size=size,
        sizes=SIZES,
        counts=counts,
        query=query,
        tab=chosen.tab,
        filtered=bool(set(query) - {"status", "sort", "limit"}),
        channels=CHANNELS,
        owners=[(ids.encode("mem", key), name) for key, name in sorted(owners.items())],
        tabs=_TABS,
        link=_link,
    )


def _filters() -> Filters:
    query = _query()
    owner = ids.decode("mem", query["owner"]) if "owner" in query else None
    return Filters(
        tab=query.get("status", ""),
        text=query.get("q", ""),
        channel=query.get("channel", ""),
        owner=owner,
        since=_day("from"),
        until=_day("to", after=1),
        oldest_first=query.get("sort") == "when",
    )


def _args() -> Mapping[str, str]:
    """The page's parameters; an act on rows carries the page's address in a header."""
    if request.method == "GET":
        return request.args
    return dict(parse_qsl(urlsplit(request.headers.get("HX-Current-URL", "")).query))


def _query() -> dict[str, str]:
    """The filters that are set, as they stand in the address; what is unknown is left out."""
    given = {name: _args().get(name, "").strip().replace("\x00", "")[:200] for name in _KNOWN}
    allowed = {
        "status": {key for key, _ in _TABS},
        "channel": set(CHANNELS),
        "sort": {"when"},
        "limit": {str(size) for size in SIZES},
    }
    return {
        name: value
        for name, value in given.items()
        if value and (name not in allowed or value in allowed[name])
    }


_KNOWN: Final = ("status", "q", "channel", "owner", "from", "to", "sort", "limit")


def _day(name: str, after: int = 0) -> datetime | None:
    """The start of a day, or of one after it, in the reader's zone; None for what is no date."""
    try:
        found = date.fromisoformat(_args().get(name, "")) + timedelta(days=after)
        return datetime.combine(found, time(), filters.zone()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _number(name: str, otherwise: int) -> int:
    typed = _args().get(name, "")
    return int(typed) if typed.isdigit() and len(typed) < 8 else otherwise


def _link(**changed: Any) -> str:
    """This list with other filters; None takes one away."""
    values = {**_query(), **changed}
    return url_for("campaigns.index", **{k: v for k, v in values.items() if v not in (None, "")})
