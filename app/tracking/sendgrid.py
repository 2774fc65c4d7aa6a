"""SendGrid's event webhook, read: a JSON array of events becomes News.

Rules: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event. Duplicates happen,
order is not promised, unknown types and fields appear without notice.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from app import ids
from app.tracking.news import Alert, News, Suppress, moment, words
from app.tracking.verdicts import Look, look_at_agent

SOURCE: Final = "sendgrid"
Event = Mapping[str, Any]


def parse(body: bytes, received_at: datetime) -> tuple[list[News], int]:
    """The news in a webhook's body, and how many of its events are of a type not known to us.

    Raises ValueError when the body is not a JSON array.
    """
    events = orjson.loads(body)
    if not isinstance(events, list):
        raise ValueError("The body is not a JSON array.")
    found: list[News] = []
    strange = 0
    for event in events:
        news = _read(event, received_at) if isinstance(event, dict) else None
        if news is None:
            strange += 1
        else:
            found.append(news)
    return found, strange


def _read(event: Event, received_at: datetime) -> News | None:
    name = event.get("event")
    reader = _READERS.get(name) if isinstance(name, str) else None
    if reader is None:
        return None
    nid = event.get("nid")
    base = News(
        notification_id=ids.decode("ntf", nid) if isinstance(nid, str) else None,
        kind="processed",
        at=moment(event.get("timestamp"), received_at),
        source=SOURCE,
        dedup=_dedup(event),
        raw=event,
    )
    return reader(base, event)


def _dedup(event: Event) -> str:
    given = event.get("sg_event_id")
    if isinstance(given, str) and given:
        return f"sg:{given[:200]}"
    whole = orjson.dumps(dict(event), option=orjson.OPT_SORT_KEYS)
    return f"sg:{hashlib.sha256(whole).hexdigest()[:32]}"


def _processed(base: News, _: Event) -> News:
    return base._replace(status="accepted")


def _deferred(base: News, event: Event) -> News:
    detail = {"response": words(event.get("response")), "attempt": words(event.get("attempt"), 10)}
    return base._replace(kind="deferred", status="accepted", detail=detail)


def _delivered(base: News, event: Event) -> News:
    detail = {"response": words(event.get("response"))}
    return base._replace(kind="delivered", status="delivered", detail=detail)


def _bounce(base: News, event: Event) -> News:
    code = words(event.get("status"), 20)
    detail = {"response": words(event.get("reason")), "code": code}
    news = base._replace(kind="bounced", status="bounced", detail=detail)
    if event.get("type") == "blocked":
        return news._replace(reason="blocked")
    if code.startswith("5.7"):
        # The other side's policy about us, never the recipient's fault.
        return news._replace(reason="refused")
    if code.startswith("5.2.2"):
        return news._replace(reason="mailbox_full", suppress=Suppress("bounce", after=3))
    return news._replace(reason="mailbox_unknown", suppress=Suppress("bounce"))


# Why SendGrid did not even try, and what that says about the address; the first that fits counts.
_DROPS: Final[tuple[tuple[str, Suppress | None], ...]] = (
    ("bounced", Suppress("bounce")),
    ("invalid smtpapi", None),  # our header, not the address
    ("invalid", Suppress("invalid")),
    ("unsubscribed", Suppress("unsubscribe", "marketing")),
    ("spam report", Suppress("complaint", "marketing")),
)


def _dropped(base: News, event: Event) -> News:
    said = words(event.get("reason"))
    news = base._replace(
        kind="dropped",
        status="bounced",
        reason="provider_dropped",
        detail={"response": said, "code": words(event.get("status"), 20)},
    )
    suppress = next((rule for start, rule in _DROPS if said.lower().startswith(start)), None)
    if suppress is not None:
        return news._replace(suppress=suppress)
    cause = "_".join(said.lower().split()[:4]) or "unknown"
    title = f"SendGrid dropped messages: {said or 'no reason given'}"
    return news._replace(alert=Alert(f"sendgrid:dropped:{cause}", title))


def _spam(base: News, _: Event) -> News:
    return base._replace(kind="complained", suppress=Suppress("complaint", "marketing"))


def _unsubscribe(base: News, event: Event) -> News:
    suppress = Suppress("unsubscribe", "marketing", source=_group(event))
    return base._replace(kind="unsubscribed", suppress=suppress)


def _resubscribe(base: News, event: Event) -> News:
    return base._replace(lift=_group(event))


def _group(event: Event) -> str:
    group = event.get("asm_group_id")
    return f"sendgrid group {group}" if isinstance(group, int) else SOURCE


def _open(base: News, event: Event) -> News:
    look = look_at_agent(words(event.get("useragent")))
    if event.get("sg_machine_open") is True:
        look = Look("machine", "provider")
    return base._replace(kind="opened", look=look)


def _click(base: News, event: Event) -> News:
    look = look_at_agent(words(event.get("useragent")))
    return base._replace(kind="clicked", look=look, url=words(event.get("url"), 2000))


_READERS: Final[Mapping[str, Callable[[News, Event], News]]] = {
    "processed": _processed,
    "deferred": _deferred,
    "delivered": _delivered,
    "bounce": _bounce,
    "dropped": _dropped,
    "spamreport": _spam,
    "unsubscribe": _unsubscribe,
    "group_unsubscribe": _unsubscribe,
    "group_resubscribe": _resubscribe,
    "open": _open,
    "click": _click,
}
