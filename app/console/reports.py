"""The report of a campaign: how far it is, what came of it, which links worked, what failed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, request, stream_with_context
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts.models import Member
from app.analytics import board, figures, reports
from app.analytics.books import Cause
from app.analytics.reports import Report
from app.audience import csv_cells
from app.campaigns import lifecycle
from app.campaigns.models import Campaign
from app.console import access, chart_words, composer, pages
from app.console.filters import zone
from app.db import transaction

blueprint = Blueprint("reports", __name__, url_prefix="/campaigns/<public_id>")
# Seconds between looks: often while it is being sent, seldom while late news may still come.
SENDING_EVERY: Final = 2
AFTERWARDS_EVERY: Final = 30
_LATE_NEWS_DAYS: Final = 4

_DEAD_LETTERS: Final = "In the dead letters"
# What was done about a failure, so that nobody has to ask.
DONE_ABOUT_IT: Final = {
    "mailbox_unknown": "Address suppressed",
    "recipient_dead": "Address or device is not used again",
    "not_mobile": "Number suppressed",
    "stopped": "Number suppressed",
    "mailbox_full": "Address suppressed after three times in 30 days",
    "refused": "About us, not about them: nobody suppressed",
    "carrier_filtered": "About us, not about them: nobody suppressed",
    "gave_up": _DEAD_LETTERS,
    "rejected": _DEAD_LETTERS,
    "no_answer": "Not sent again: it may have arrived",
    "template_error": _DEAD_LETTERS,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One cause of failure as a bar."""

    cause: Cause
    done: str
    width: float


@blueprint.get("")
@access.allow("campaigns.view")
def show(public_id: str) -> AnyResponse:
    """The report; what was not launched yet leads to where it is made."""
    now = clock.now()
    with transaction() as session:
        campaign = lifecycle.by_public_id(session, public_id)
        step = composer.first_step(session, campaign)
        if step is not None:
            return pages.go(step)
        context = _frame_of_results(session, campaign, public_id, now)
        return pages.page("reports/index.html", **context, **_charts(session, campaign, context))


@blueprint.get("/_live")
@access.allow("campaigns.view")
def live(public_id: str) -> Response:
    """The live card; asks again while something may change, and renews the page when it is over."""
    with transaction() as session:
        campaign = lifecycle.by_public_id(session, public_id)
        context = _frame_of_results(session, campaign, public_id, clock.now())
        answer = pages.fragment("reports/_live.html", f"/campaigns/{public_id}", **context)
    if request.args.get("status", campaign.status) != campaign.status:
        answer.headers["HX-Refresh"] = "true"
    return answer


@blueprint.get("/_charts")
@access.allow("campaigns.view")
def charts(public_id: str) -> Response:
    """Funnel, opens and clicks, links, failures."""
    with transaction() as session:
        campaign = lifecycle.by_public_id(session, public_id)
        context = _frame_of_results(session, campaign, public_id, clock.now())
        more = _charts(session, campaign, context)
        home = f"/campaigns/{public_id}"
        return pages.fragment("reports/_charts.html", home, **context, **more)


@blueprint.get("/links.csv")
@access.allow("campaigns.view")
def links_csv(public_id: str) -> Response:
    """The links with people, clicks, and clicks by machines."""
    with transaction() as session:
        campaign = lifecycle.by_public_id(session, public_id)
        rows = reports.links(session, campaign.id)
    header = ("label", "url", "channels", "people", "clicks", "machine_clicks")
    cells = [
        (row.label, row.url, " ".join(row.channels), row.people, row.clicks, row.machine)
        for row in rows
    ]
    return csv(f"links-{public_id}.csv", [header, *cells])


def csv(name: str, rows: Sequence[Sequence[object]] | Iterator[Sequence[object]]) -> Response:
    """A CSV file, written row by row while it is sent."""

    def written() -> Iterator[str]:
        yield "\ufeff"
        for row in rows:
            yield csv_cells.line(row)

    answer = Response(stream_with_context(written()), mimetype="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def frame(session: Session, campaign: Campaign, public_id: str, tab: str) -> dict[str, Any]:
    """What every tab of a report needs: head, tabs, actions."""
    found = reports.report(session, campaign.id)
    starter = session.get(Member, campaign.launched_by) if campaign.launched_by else None
    return {
        "campaign": campaign,
        "public_id": public_id,
        "report": found,
        "tab": tab,
        "starter": starter.name if starter else None,
        "zone_name": str(zone()),
    }


def _frame_of_results(
    session: Session, campaign: Campaign, public_id: str, now: datetime
) -> dict[str, Any]:
    context = frame(session, campaign, public_id, "results")
    found: Report = context["report"]
    chosen = request.args.get("channel")
    return context | {
        "now": now,
        "progress": board.ways_of(session, [campaign], {campaign.id: found}, now)[campaign.id],
        "every": _every(campaign, now),
        "channel": chosen if chosen in found.book.channels else None,
    }


def _charts(session: Session, campaign: Campaign, context: dict[str, Any]) -> dict[str, Any]:
    found: Report = context["report"]
    launched = campaign.launched_at or campaign.created_at
    line = reports.timeline(session, campaign.id, launched, str(zone()))
    return {
        "stages": found.funnel(context["channel"]),
        "timeline": line,
        "figure": figures.engagement(line.times, line.opened, line.clicked, line.unit),
        "say": chart_words.timeline(line),
        "span_words": chart_words.span,
        "links": reports.links(session, campaign.id),
        "failures": _rows(found.book.failures(), campaign.strategy),
        "not_sent": found.book.not_sent(),
    }


def _every(campaign: Campaign, now: datetime) -> int | None:
    if campaign.status in board.RUNNING:
        return SENDING_EVERY
    finished = campaign.finished_at
    if finished is None or (now - finished).days < _LATE_NEWS_DAYS:
        return AFTERWARDS_EVERY
    return None


def _rows(causes: Sequence[Cause], strategy: str) -> list[Row]:
    most = max((cause.messages for cause in causes), default=0)
    return [
        Row(cause, _done(cause.reason, strategy), round(100 * cause.messages / most, 2))
        for cause in causes
    ]


def _done(reason: str, strategy: str) -> str:
    done = DONE_ABOUT_IT.get(reason, "")
    if strategy == "first" and done == _DEAD_LETTERS:
        return f"{done}, or followed by the next channel"
    return done
