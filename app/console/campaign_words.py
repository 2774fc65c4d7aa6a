"""When a campaign happened or will, in the words of lists and reviews."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app import clock
from app.analytics.progress import Progress
from app.campaigns.models import Campaign
from app.console import filters


def when(campaign: Campaign, way: Progress | None) -> tuple[str, str]:
    """Two lines: the moment, and how it stands to now."""
    started = campaign.launched_at
    match campaign.status:
        case "draft":
            return "–", f"edited {filters.ago(campaign.updated_at)}"
        case "scheduled":
            said = "missed" if campaign.late_since else until(campaign.send_at)
            return filters.near(campaign.send_at), said
        case "launching" | "sending" if started:
            left = _left(way)
            return f"Started {filters.at(started)}", left or "first results in a few seconds"
        case "paused" if started:
            return filters.near(started), f"paused at {way.percent}%" if way else "paused"
        case "cancelled":
            said = f"cancelled {filters.ago(campaign.finished_at or campaign.updated_at)}"
            return filters.near(started or campaign.send_at), said
        case _:
            took = way.took if way else None
            return filters.near(started), f"sent in {_rough(took)}" if took else ""


def shown_status(campaign: Campaign) -> str:
    """The word of `words.CAMPAIGN` for where the campaign is."""
    if campaign.status == "launching":
        return "preparing"
    return "missed" if campaign.late_since is not None else campaign.status


def until(moment: datetime | None) -> str:
    """`in 3 days`; within a day the hours."""
    if moment is None:
        return ""
    days = (filters.local(moment).date() - filters.local(clock.now()).date()).days
    return f"in {days} days" if days > 1 else filters.ago(moment)


def wall(campaign: Campaign) -> str:
    """`Fri 27 Nov 2026, 07:00`: the time that was asked for, where it was asked for."""
    if not campaign.wall_time:
        return ""
    zone = ZoneInfo(campaign.zone or "UTC")
    there = datetime.fromisoformat(campaign.wall_time).replace(tzinfo=zone)
    return f"{there:%a} {there.day} {there:%b %Y, %H:%M}"


def _left(way: Progress | None) -> str:
    if way is None or way.done_at is None:
        return ""
    seconds = (way.done_at - clock.now()).total_seconds()
    if seconds < 60:
        return "less than a minute left"
    return f"about {filters.duration(round(seconds / 60) * 60)} left"


def _rough(took: timedelta) -> str:
    """Seconds under a minute, then minutes."""
    seconds = max(took.total_seconds(), 1)
    return filters.duration(round(seconds) if seconds < 60 else round(seconds / 60) * 60)
