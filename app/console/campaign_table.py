"""Rows of the campaign list: figures from the counters, in the words of the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from app import ids
from app.accounts import members
from app.analytics import board, reports
from app.analytics.progress import Progress
from app.analytics.reports import Report
from app.campaigns import listing
from app.campaigns.models import Campaign
from app.console import filters
from app.console.campaign_words import shown_status, when

RUNNING = ("launching", "sending")


@dataclass(frozen=True, slots=True)
class Row:
    """One line. Rates are shares from 0 to 1, None where nothing can be said."""

    id: str
    campaign: Campaign
    status: str
    badge: str | None
    segments: str
    audience: int | None
    delivered: float | None
    opened: float | None
    clicked: float | None
    progress: Progress | None
    moment: str
    beside: str
    owner: str

    @property
    def running(self) -> bool:
        """Whether the row asks for news of itself."""
        return self.campaign.status in RUNNING


def rows(session: Session, campaigns: Sequence[Campaign], now: datetime) -> list[Row]:
    """Everything a page of campaigns shows, with a handful of queries for all of them."""
    launched = [campaign.id for campaign in campaigns if campaign.launched_at]
    found = reports.reports(session, launched) if launched else {}
    names = listing.segment_names(session, campaigns)
    people = members.names(session, {c.created_by for c in campaigns if c.created_by is not None})
    ways = board.ways_of(session, campaigns, found, now)
    return [
        _row(one, found.get(one.id), ways.get(one.id), names=names, people=people)
        for one in campaigns
    ]


def _row(
    campaign: Campaign,
    report: Report | None,
    way: Progress | None,
    *,
    names: Mapping[int, str],
    people: Mapping[int, str],
) -> Row:
    rates = {stage.key: stage.rate for stage in report.funnel()} if report else {}
    moment, beside = when(campaign, way)
    running = campaign.status in RUNNING
    return Row(
        id=ids.encode("cmp", campaign.id),
        campaign=campaign,
        status=shown_status(campaign),
        badge=f"Sending {way.percent}%" if way and campaign.status == "sending" else None,
        segments=_segments(campaign, names),
        audience=_audience(campaign, report),
        delivered=rates.get("delivered"),
        opened=rates.get("opened"),
        clicked=rates.get("clicked"),
        progress=way if running else None,
        moment=moment,
        beside=beside,
        owner=people.get(campaign.created_by or 0, ""),
    )


def _segments(campaign: Campaign, names: Mapping[int, str]) -> str:
    listed = [names[key] for key in campaign.include_segments if key in names]
    return ", ".join(listed) if listed else "No audience yet"


def _audience(campaign: Campaign, report: Report | None) -> int | None:
    """People matched at launch, of a draft when last counted; messages while they are made."""
    if campaign.people:
        return campaign.people
    return report.book.all.audience or None if report else None


CSV_HEAD = (
    "id", "name", "status", "channels", "segments", "people", "sent", "delivered", "bounced",
    "failed", "not sent", "opened", "clicked", "launched at", "finished at", "scheduled for",
    "owner",
)  # fmt: skip


def csv_cells(session: Session, campaigns: Sequence[Campaign], now: datetime) -> list[list[str]]:
    """The same campaigns as plain cells, in the order of CSV_HEAD."""
    launched = [campaign.id for campaign in campaigns if campaign.launched_at]
    found = reports.reports(session, launched) if launched else {}
    return [_cells(row, found.get(row.campaign.id)) for row in rows(session, campaigns, now)]


def _cells(row: Row, report: Report | None) -> list[str]:
    campaign = row.campaign
    figures: list[int | None] = [None] * 7
    if report:
        sheet, did = report.book.all, report.all
        figures = [
            sheet.sent,
            sheet.delivered,
            sheet.bounced,
            sheet.failed,
            sheet.not_sent,
            did.opened,
            did.clicked,
        ]
    times = (campaign.launched_at, campaign.finished_at, campaign.send_at)
    return [
        row.id,
        campaign.name,
        campaign.status,
        " ".join(campaign.channels),
        row.segments,
        str(row.audience or ""),
        *("" if figure is None else str(figure) for figure in figures),
        *("" if time is None else filters.local(time).isoformat() for time in times),
        row.owner,
    ]
