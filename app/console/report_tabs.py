"""The other tabs of a report: the people, the content as it was sent, and what was done."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from flask import Blueprint, Response, current_app, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, ids
from app.accounts import audit
from app.accounts.audit import Filters as AuditFilters
from app.audience import contacts
from app.audience.models import Contact, Segment
from app.campaigns import lifecycle
from app.campaigns.models import Campaign
from app.console import access, audit_words, content_stage, pages, reports
from app.content import versions
from app.content.render import RenderedEmail
from app.db import transaction
from app.errors import NotFound
from app.paging import Page
from app.sending import preview, queries
from app.sending.models import Notification
from app.sending.queries import Filters
from app.sending.status import FAILED, NOT_SENT, OPEN

blueprint = Blueprint("report_tabs", __name__, url_prefix="/campaigns/<public_id>")
PAGE: Final = 25
EXPORT_PAGE: Final = 1000
MOST_ROWS: Final = 50_000
# Groups that people ask for: key, words, statuses.
GROUPS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "delivered": ("Delivered", ("delivered",)),
    "accepted": ("Accepted", ("accepted",)),
    "failed": ("Failed", (*sorted(FAILED), "bounced")),
    "not_sent": ("Not sent", tuple(sorted(NOT_SENT))),
    "waiting": ("Waiting", tuple(sorted(OPEN))),
}
_PREVIEW_POLICY: Final = (
    "sandbox; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'"
)


@blueprint.get("/people")
@access.allow("campaigns.view")
def people(public_id: str) -> Response:
    """Who it was for, and what came of it: a keyset page, narrowed by group, channel, reason."""
    with transaction() as session:
        campaign = lifecycle.by_public_id(session, public_id)
        page = queries.search(session, _filters(campaign), request.args.get("cursor"), PAGE)
        context = reports.frame(session, campaign, public_id, "people")
        return pages.page(
            "reports/people.html",
            "reports/_people.html",
            **context,
            rows=_with_names(session, page),
            next_cursor=page.next_cursor,
            groups=_groups(context["report"].book.all),
            group=_group(),
            chosen_channel=_channel(),
            reason=_reason(),
            query=_query(),
            message_id=_message_id,
        )


@blueprint.get("/people.csv")
@access.allow("people.edit")
def people_csv(public_id: str) -> Response:
    """The same people as a spreadsheet, at most 50,000."""
    now = clock.now()
    with transaction() as session:
        campaign = lifecycle.by_public_id(session, public_id)
        filters = _filters(campaign)
        audit.record(session, access.actor(), "campaign.export", campaign.name, {}, now)
    return reports.csv(f"people-{public_id}.csv", _export(filters))


@blueprint.get("/sent-content")
@access.allow("campaigns.view")
def content(public_id: str) -> Response:
    """The content as it was sent, filled in for a person who is made up."""
    with transaction() as session:
        campaign = lifecycle.by_public_id(session, public_id)
        context = reports.frame(session, campaign, public_id, "content")
        return pages.page("reports/content.html", **context, parts=_rendered(session, campaign))


@blueprint.get("/_mail")
@access.allow("campaigns.view")
def mail(public_id: str) -> Response:
    """The e-mail as a page of its own, for a sandboxed frame."""
    with transaction() as session:
        campaign = lifecycle.by_public_id(session, public_id)
        found = _rendered(session, campaign).get("email")
    html = found.html if isinstance(found, RenderedEmail) else ""
    answer = Response(html, mimetype="text/html")
    answer.headers["Content-Security-Policy"] = _PREVIEW_POLICY
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.get("/activity")
@access.allow("campaigns.view")
def activity(public_id: str) -> Response:
    """Who did what with this campaign, and its milestones."""
    with transaction() as session:
        campaign = lifecycle.by_public_id(session, public_id)
        found = audit.search(session, AuditFilters(text=public_id, area="campaign"), 50)
        segments = _segment_names(session, campaign)
        return pages.page(
            "reports/activity.html",
            **reports.frame(session, campaign, public_id, "activity"),
            entries=[(entry, " ".join(audit_words.said(entry))) for entry in found.items],
            segments=segments,
        )


def _filters(campaign: Campaign) -> Filters:
    group = _group()
    return Filters(
        campaign_id=campaign.id,
        statuses=GROUPS[group][1] if group else (),
        channel=_channel(),
        reason=_reason(),
        since=campaign.launched_at,
    )


def _group() -> str | None:
    asked = request.args.get("show", "")
    return asked if asked in GROUPS else None


def _channel() -> str | None:
    asked = request.args.get("channel", "")
    return asked if asked in ("email", "sms", "ios", "android") else None


def _reason() -> str | None:
    asked = request.args.get("reason", "")
    return asked[:40] if asked.replace("_", "").isalpha() else None


def _query() -> dict[str, str]:
    chosen = {"show": _group(), "channel": _channel(), "reason": _reason()}
    return {name: value for name, value in chosen.items() if value}


def _groups(sheet: Any) -> list[tuple[str, str, int]]:
    numbers = {
        "delivered": sheet.delivered,
        "accepted": sheet.accepted,
        "failed": sheet.undelivered,
        "not_sent": sheet.not_sent,
        "waiting": sheet.open,
    }
    return [(key, words, numbers[key]) for key, (words, _) in GROUPS.items()]


def _with_names(
    session: Session, page: Page[Notification]
) -> Sequence[tuple[Notification, Contact | None, str]]:
    keys = {row.contact_id for row in page.items if row.contact_id is not None}
    found = {
        person.id: person for person in session.scalars(select(Contact).where(Contact.id.in_(keys)))
    }
    rows = []
    for row in page.items:
        person = found.get(row.contact_id or 0)
        name = contacts.display_name(person) if person else "No person known"
        rows.append((row, person, name))
    return rows


def _export(filters: Filters) -> Iterator[Sequence[object]]:
    yield ("message", "person", "channel", "address", "status", "reason", "accepted", "final")
    cursor: str | None = None
    for _ in range(MOST_ROWS // EXPORT_PAGE):
        with transaction() as session:
            page = queries.search(session, filters, cursor, EXPORT_PAGE)
            rows = [_cells(row, person) for row, person, _ in _with_names(session, page)]
        yield from rows
        cursor = page.next_cursor
        if cursor is None:
            return


def _cells(row: Notification, person: Contact | None) -> Sequence[object]:
    return (
        _message_id(row),
        person.external_id if person else "",
        row.channel,
        row.address or "",
        row.status,
        row.reason or "",
        row.accepted_at.isoformat(timespec="seconds"),
        row.final_at.isoformat(timespec="seconds") if row.final_at else "",
    )


def _message_id(row: Notification) -> str:
    return ids.encode("ntf", row.id)


def _rendered(session: Session, campaign: Campaign) -> dict[str, Any]:
    """channel -> what the message looks like."""
    if campaign.version_id is None:
        return {}
    try:
        version = versions.compiled(session, campaign.version_id)
    except NotFound:
        return {}
    person = content_stage.values_for(None, {})
    person["campaign"] = {"name": campaign.name}
    url = current_app.config["HERALD"].public_url
    return {
        channel: preview.render(version, channel, [person], url)[0]
        for channel in campaign.channels
        if channel in version.channels
    }


def _segment_names(session: Session, campaign: Campaign) -> dict[str, list[str]]:
    keys = [*campaign.include_segments, *campaign.exclude_segments]
    rows = session.execute(select(Segment.id, Segment.name).where(Segment.id.in_(keys)))
    names = {row[0]: row[1] for row in rows}
    return {
        "in": [names[key] for key in campaign.include_segments if key in names],
        "out": [names[key] for key in campaign.exclude_segments if key in names],
    }
