"""The start page: what wants attention, how it goes, what is being sent, what comes next."""

from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from app import clock, ids
from app.analytics import board, figures, overview, periods
from app.analytics.overview import Kpi, Overview
from app.campaigns.models import Campaign
from app.console import access, chart_words, pages
from app.console.filters import local, pct, short, zone
from app.db import transaction
from app.sending import books

blueprint = Blueprint("overview", __name__)
PERIODS: Final = ("24h", "7d", "30d", "90d")
_COLORS: Final = {
    "delivered": "var(--ok-dot)",
    "opened": "var(--accent)",
    "clicked": "var(--accent)",
}
_HINTS: Final = {
    "delivered": "Of emails and texts: push services take a message or refuse it, "
    "and confirm no more.",
    "opened": "Opens by machines are left out.",
    "clicked": "Clicks by machines are left out.",
}


@blueprint.get("/")
@access.allow("overview.view")
def index() -> Response:
    """The whole page; for htmx only the part that depends on the period."""
    now = clock.now()
    with transaction() as session:
        context = period_context(_overview(session, now))
        if pages.wants_fragment():
            return pages.page("overview/_period.html", **context)
        return pages.page(
            "overview/index.html",
            attention=board.attention(session),
            queues=board.queues(session, now),
            books=books.verdict(session),
            running=board.running(session, now),
            recent=board.recent(session),
            upcoming=[(one, local(one.send_at)) for one in board.upcoming(session) if one.send_at],
            public_id=_campaign_id,
            **context,
        )


@blueprint.get("/_now")
@access.allow("overview.view")
def now_sending() -> Response:
    """Campaigns on their way; asks again while there are any."""
    with transaction() as session:
        running = board.running(session, clock.now())
        return pages.fragment("overview/_now.html", "/", running=running, public_id=_campaign_id)


@blueprint.get("/_queues")
@access.allow("overview.view")
def queues() -> Response:
    """The four queues."""
    with transaction() as session:
        found = board.queues(session, clock.now())
        verdict = books.verdict(session)
        return pages.fragment("overview/_queues.html", "/", queues=found, books=verdict)


def _overview(session: Session, now: datetime) -> Overview:
    name = str(zone())
    asked = request.args.get("period")
    period = periods.period(asked if asked in PERIODS else None, now, name)
    return overview.overview(session, period, name)


def period_context(found: Overview) -> dict[str, Any]:
    """What the figures of a period need: KPIs, the chart and its table."""
    period, series = found.period, found.by_channel()
    return {
        "found": found,
        "period": period,
        "periods": [(key, periods.LABELS[key]) for key in PERIODS],
        "kpis": [kpi_parts(kpi) for kpi in found.kpis()],
        "series": series,
        "figure": figures.deliveries(period.spans, series, period.unit),
        "say": chart_words.deliveries(period.spans, series, period.unit, period.words),
        "span_words": chart_words.span,
    }


def kpi_parts(kpi: Kpi) -> dict[str, Any]:
    """A KPI as the macro wants it."""
    figure = short(kpi.value) if not kpi.is_rate else pct(kpi.value, 1)
    change = None
    if kpi.change is not None:
        size = abs(kpi.change)
        text = f"{size:.1f} pt" if kpi.is_rate else pct(size, 1)
        change = (kpi.change, text, kpi.good)
    return {
        "label": kpi.label,
        "figure": figure,
        "sub": kpi.base,
        "change": change,
        "spark": kpi.values,
        "color": _COLORS.get(kpi.key, "var(--ink-3)"),
        "hint": _HINTS.get(kpi.key),
    }


def _campaign_id(campaign: Campaign) -> str:
    return ids.encode("cmp", campaign.id)
