"""The queues: what waits, what flows, what fails; pause and resume."""

import time
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.accounts import audit
from app.alerts import listing
from app.analytics import figures
from app.console import access, alerts, dead_letters, filters, pages, words
from app.db import transaction
from app.errors import NotFound
from app.jobs import CHANNELS, LANES
from app.sending import books, control, queue_queries
from app.sending import dead_letters as letters

blueprint = Blueprint("queues", __name__, url_prefix="/queues")
POLL: Final = 5
# A query that takes this long is asked for half as often.
DEAR_SECONDS: Final = 0.5
MEANING: Final = {"transactional": "What somebody waits for", "bulk": "Campaigns"}


@blueprint.get("")
@access.allow("queues.view")
def index() -> Response:
    """Queues with the worst alert on top, dead letters and what is due."""
    now = clock.now()
    with transaction() as session:
        context = _table(session, now)
        open_alerts = alerts.rows(session, list(listing.still_open(session, 5)))
        groups = letters.groups(session)
        due = queue_queries.retries_due(session, now)
        verdict = books.verdict(session)
    return pages.page(
        "queues/index.html",
        alerts=open_alerts,
        books=verdict,
        groups=[dead_letters.row(group) for group in groups[:5]],
        dead=sum(group.messages for group in groups),
        due=due,
        due_total=sum(sum(counts) for counts in due.values()),
        due_chart=_chart(due, now),
        due_say=_say(due),
        due_times=_slots(now),
        **context,
    )


@blueprint.get("/_table")
@access.allow("queues.view")
def table() -> Response:
    """The table alone, every few seconds."""
    with transaction() as session:
        context = _table(session, clock.now())
    return pages.fragment("queues/_table.html", url_for("queues.index"), **context)


@blueprint.post("/<name>/pause")
@access.allow("queues.act")
def pause(name: str) -> AnyResponse:
    """Hand nothing more over in this queue; nothing is lost."""
    channel, lane = _split(name)
    now = clock.now()
    with transaction() as session:
        actor = access.actor()
        control.pause_lane(session, channel, lane, actor.name, now)
        audit.record(session, actor, "queue.pause", name, None, now)
    return _answer(f"{words.channel(channel).label} {lane} is paused.")


@blueprint.post("/<name>/resume")
@access.allow("queues.act")
def resume(name: str) -> AnyResponse:
    """Let the queue send again, also when a provider's refusal had closed it."""
    channel, lane = _split(name)
    now = clock.now()
    with transaction() as session:
        control.resume_lane(session, channel, lane)
        audit.record(session, access.actor(), "queue.resume", name, None, now)
    return _answer(f"{words.channel(channel).label} {lane} sends again.")


def _answer(text: str) -> AnyResponse:
    if "HX-Request" not in request.headers:
        return pages.go(url_for("queues.index"))
    with transaction() as session:
        context = _table(session, clock.now())
    return pages.toast(pages.page("queues/_table.html", **context), text)


def _table(session: Session, now: datetime) -> dict[str, Any]:
    started = time.monotonic()
    lanes = queue_queries.lanes(session, now)
    dear = time.monotonic() - started > DEAR_SECONDS
    return {
        "lanes": lanes,
        "now": now,
        "meaning": MEANING,
        "every": POLL * 2 if dear else POLL,
        "slow": sum(lane.slow for lane in lanes),
        "paused": sum(lane.paused_at is not None for lane in lanes),
        "held_most": queue_queries.HELD_LOOKED_AT,
    }


def _split(name: str) -> tuple[str, str]:
    channel, _, lane = name.partition(".")
    if channel not in CHANNELS or lane not in LANES:
        raise NotFound("There is no such queue.")
    return channel, lane


def _slots(now: datetime) -> list[datetime]:
    return [now + n * queue_queries.RETRY_SLOT for n in range(queue_queries.RETRY_SLOTS)]


def _chart(due: Any, now: datetime) -> dict[str, Any]:
    """Stacked bars; all of it lies ahead, so no bar is faded as the running one."""
    series = {channel: due.get(channel, [0] * queue_queries.RETRY_SLOTS) for channel in CHANNELS}
    times = [filters.local(slot).replace(tzinfo=None) for slot in _slots(now)]
    figure = figures.deliveries(times, series, "minute")
    for trace in figure["data"]:
        trace["marker"]["opacity"] = 1.0
    return figure


def _say(due: Any) -> str:
    total = sum(sum(counts) for counts in due.values())
    if not total:
        return "Nothing is due in the next half hour."
    minutes = int(queue_queries.RETRY_SLOT / timedelta(seconds=1))
    parts = [
        f"{words.channel(channel).label} {filters.num(sum(counts))}"
        for channel, counts in due.items()
    ]
    return f"Held messages due in the next half hour, per {minutes} s: {', '.join(parts)}."
