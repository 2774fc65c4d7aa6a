"""The open pixel, click redirects and events from devices."""

from datetime import datetime, timedelta
from typing import Any, Final

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from app import clock
from app.errors import Invalid, NotFound
from app.hooks.context import buffer, links, tokens
from app.tracking import verdicts
from app.tracking.engagement import Hit
from app.tracking.targets import Place
from app.tracking.verdicts import Look

# One transparent pixel.
GIF: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
FLEETING: Final = (
    ("Cache-Control", "no-store, private, max-age=0"),
    ("X-Robots-Tag", "noindex, nofollow"),
    ("Referrer-Policy", "no-referrer"),
)
PIXEL_HEADERS: Final = (
    ("Content-Type", "image/gif"),
    # Web mail shows the picture on pages of another origin.
    ("Cross-Origin-Resource-Policy", "cross-origin"),
    *FLEETING,
)
DEVICE_EVENTS: Final = ("opened", "clicked", "dismissed")
LARGEST_EVENT: Final = 4096
LONG_AGO: Final = timedelta(days=90)

blueprint = Blueprint("tracking", __name__)


@blueprint.get("/o/<token>.gif")
def pixel(token: str) -> Response:
    """A picture, whatever the token is: an unknown one is simply not counted."""
    count_open(token, _look())
    return Response(GIF, headers=PIXEL_HEADERS)


@blueprint.get("/c/<token>/<int:number>")
def click(token: str, number: int) -> AnyResponse:
    """On to the target: only to what is in the link table of the version that was sent."""
    url = follow(token, number, _look())
    if url is None:
        answer: AnyResponse = Response(render_template("public/no_link.html"), 404)
    else:
        answer = redirect(url, 302)
    answer.headers.update(FLEETING)
    return answer


def count_open(token: str, look: Look) -> bool:
    """Count a loaded picture; False when the token is none of ours."""
    key = tokens().track.unsign_id(token)
    if key is None:
        return False
    buffer().add(Hit(key, "opened", clock.now(), "pixel", look))
    return True


def follow(token: str, number: int, look: Look) -> str | None:
    """Count a click; answers where it leads, None when there is no such link.

    Raises SQLAlchemyError while the database is away.
    """
    key = tokens().track.unsign_id(token)
    found = links().hand_in(Place(key, number)) if key is not None else None
    if key is None or found is None:
        return None
    buffer().add(Hit(key, "clicked", clock.now(), "link", look, found.link_id))
    return found.url


@blueprint.post("/t/<token>")
def device_event(token: str) -> Response:
    """What a device tells about a push message. A replay is harmless."""
    request.max_content_length = LARGEST_EVENT
    key = tokens().device.unsign_id(token)
    if key is None:
        raise NotFound("There is no such message.")
    now = clock.now()
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise Invalid.one("", "invalid_json", 'Send a JSON object such as {"event": "opened"}.')
    kind, given = body.get("event"), body.get("at")
    if kind not in DEVICE_EVENTS:
        words = "The event is one of opened, clicked and dismissed."
        raise Invalid.one("/event", "invalid_event", words)
    at = _moment(given, now)
    dedup = f"device:{key}:{kind}:{at.isoformat() if given else ''}"
    buffer().add(Hit(key, kind, at, "device", dedup=dedup))
    return Response(status=204)


def _look() -> Look:
    headers = request.headers
    purpose = " ".join(headers.get(name, "") for name in verdicts.PURPOSE_HEADERS)
    return verdicts.look(request.method, headers.get("User-Agent", ""), purpose)


def _moment(value: Any, now: datetime) -> datetime:
    """When it happened by the device's clock; a clock that runs ahead is taken as now."""
    if value is None:
        return now
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None or at < now - LONG_AGO:
            raise ValueError("no zone, or too old")
    except (ValueError, TypeError, OverflowError) as error:
        words = "The time is written like 2026-11-24T18:05:00+00:00 and at most 90 days ago."
        raise Invalid.one("/at", "invalid_time", words) from error
    return min(at, now)
