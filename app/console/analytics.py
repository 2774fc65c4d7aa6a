"""Analytics: how much was sent, how people reacted, what did not arrive; per period and channel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from app import clock
from app.analytics import counters, figures, overview, periods
from app.analytics.books import CHANNELS, Book, book
from app.analytics.overview import Figures, Overview, share
from app.analytics.periods import Period
from app.console import access, chart_words, pages
from app.console.filters import zone
from app.console.overview import kpi_parts
from app.console.reports import csv
from app.console.words import reason as reason_words
from app.db import transaction

blueprint = Blueprint("analytics", __name__, url_prefix="/analytics")
PERIODS: Final = ("7d", "30d", "90d", "12m")
_TOP_REASONS: Final = 8


@dataclass(frozen=True, slots=True)
class View:
    """What a page was asked for."""

    period: Period
    channel: str | None

    def query(self, **changed: str | None) -> dict[str, str]:
        """The address's parameters with some changed (None: without)."""
        chosen = {"period": self.period.key, "channel": self.channel, **changed}
        return {name: value for name, value in chosen.items() if value}


@blueprint.get("")
@access.allow("analytics.view")
def index() -> Response:
    """Deliveries by channel, when people click, rates, and what failed."""
    with transaction() as session:
        view = _view(clock.now())
        found = _overview(session, view)
        return _page("index", view, found, **_heat(session, view), **_failures(session, view))


@blueprint.get("/engagement")
@access.allow("analytics.view")
def engagement() -> Response:
    """Opens and clicks, by people and beside them by machines."""
    with transaction() as session:
        view = _view(clock.now())
        found = _overview(session, view)
        spans = [found.spans[span] for span in view.period.spans]
        opens, clicks = [one.opens for one in spans], [one.clicks for one in spans]
        figure = figures.engagement(view.period.spans, opens, clicks, view.period.unit)
        return _page("engagement", view, found, reaction_figure=figure, **_heat(session, view))


@blueprint.get("/deliverability")
@access.allow("analytics.view")
def deliverability() -> Response:
    """What arrived, channel by channel, and why the rest did not."""
    with transaction() as session:
        view = _view(clock.now())
        found = _overview(session, view)
        lines = [
            (figures.CHANNEL_NAMES[name], f"var(--{name})", _lost(found, view, name))
            for name in CHANNELS
            if found.total.sent[name]
        ]
        figure = figures.rates(view.period.spans, lines, view.period.unit)
        return _page("deliverability", view, found, lost_figure=figure, **_failures(session, view))


@blueprint.get("/export.csv")
@access.allow("analytics.view")
def export() -> Response:
    """One line per span and channel."""
    with transaction() as session:
        view = _view(clock.now())
        found = _overview(session, view)
    return csv(f"analytics-{view.period.key}.csv", _lines(found))


def _view(now: datetime) -> View:
    asked, channel = request.args.get("period"), request.args.get("channel")
    period = periods.period(asked if asked in PERIODS else None, now, str(zone()))
    return View(period, channel if channel in CHANNELS else None)


def _overview(session: Session, view: View) -> Overview:
    return overview.overview(session, view.period, str(zone()), view.channel)


def _page(tab: str, view: View, found: Overview, **context: Any) -> Response:
    period, series = view.period, found.by_channel()
    return pages.page(
        f"analytics/{tab}.html",
        tab=tab,
        view=view,
        period=period,
        periods=[(key, periods.LABELS[key]) for key in PERIODS],
        channels=CHANNELS,
        found=found,
        kpis=[kpi_parts(kpi) for kpi in found.kpis()],
        series=series,
        figure=figures.deliveries(period.spans, series, period.unit),
        say=chart_words.deliveries(period.spans, series, period.unit, period.words),
        rates_figure=_rates(found, period),
        span_words=chart_words.span,
        zone_name=str(zone()),
        **context,
    )


def _rates(found: Overview, period: Period) -> figures.Figure:
    spans = [found.recent[span] for span in period.spans]
    opened = [share(one.opened["email"], one.reached("email")) for one in spans]
    clicked = [share(one.clicked, one.all_reached) for one in spans]
    lines = [("Opened", "var(--accent)", opened), ("Clicked", "var(--ink)", clicked)]
    return figures.rates(period.spans, lines, period.unit)


def _heat(session: Session, view: View) -> dict[str, Any]:
    period = view.period
    hours = counters.engaged_hours(session, period.since, period.until, str(zone()), "clicked")
    return {
        "hours": hours,
        "heat_figure": figures.heat(hours, "clicks"),
        "heat_say": chart_words.heat(hours, figures.WEEKDAYS),
        "weekdays": figures.WEEKDAYS,
    }


def _failures(session: Session, view: View) -> dict[str, Any]:
    totals = counters.causes(session, view.period.since, view.period.until)
    chosen = {
        key: number
        for key, number in totals.items()
        if number > 0 and view.channel in (None, key[0])
    }
    found: Book = book(chosen)
    rows = [
        (f"{reason_words(cause.reason) or 'Other'}, {figures.CHANNEL_NAMES[cause.channel]}", cause)
        for cause in found.failures()
    ]
    top = [(words, cause.messages) for words, cause in rows[:_TOP_REASONS]]
    return {
        "failures": rows,
        "failures_figure": figures.bars(top, "var(--bad-dot)", "Messages"),
    }


def _lost(found: Overview, view: View, channel: str) -> Sequence[float | None]:
    spans = [found.spans[span] for span in view.period.spans]
    return [_lost_share(one, channel) for one in spans]


def _lost_share(one: Figures, channel: str) -> float | None:
    lost = one.bounced[channel] + one.failed[channel]
    return share(max(lost, 0), one.sent[channel] + one.failed[channel])


def _lines(found: Overview) -> Iterator[Sequence[object]]:
    yield ("from", "channel", "sent", "delivered", "bounced", "failed", "opened")
    for span in found.period.spans:
        one = found.spans[span]
        for channel in CHANNELS:
            yield (
                span.isoformat(),
                channel,
                one.sent[channel],
                one.delivered[channel],
                one.bounced[channel],
                one.failed[channel],
                one.opened[channel],
            )
