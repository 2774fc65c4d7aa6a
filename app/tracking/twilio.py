"""Twilio's status callback and inbound messages, read.

Codes: https://www.twilio.com/docs/api/errors. Twilio warns that codes may change, so an unknown one
is a failure that operators hear of, never a suppression.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import parse_qsl

from app import ids
from app.tracking.news import Alert, News, Rest, Suppress, words

SOURCE: Final = "twilio"
_ON_THE_WAY: Final = ("accepted", "scheduled", "queued", "sending", "sent")
_ARRIVED: Final = ("delivered", "read")
_FAILED: Final = ("undelivered", "failed", "canceled")


@dataclass(frozen=True, slots=True)
class Failure:
    """What an error code says about the message and about the number."""

    reason: str
    suppress: Suppress | None = None
    alert: bool = False
    rest: str = ""  # `day`: nothing more today; `while`: slower
    why: str = ""


# US carriers count their daily limits by this clock.
CARRIERS_ZONE: Final = "America/Los_Angeles"
_DOUBTFUL: Final = Suppress(
    "invalid", "marketing", after=3, note="The phone could not be reached three times in 30 days."
)
_DAILY_CAP: Final = Failure(
    "carrier_busy", alert=True, rest="day", why="The daily limit of the carrier is reached."
)
_BUSY: Final = Failure("carrier_busy", rest="while", why="The carrier takes texts more slowly.")
_FAILURES: Final[Mapping[str, Failure]] = {
    **dict.fromkeys(("30001", "30017", "30022"), _BUSY),
    **dict.fromkeys(("30023", "30027"), _DAILY_CAP),
    "30003": Failure("unreachable", _DOUBTFUL),
    **dict.fromkeys(("30008", "30009", "30410"), Failure("undeliverable")),
    "30004": Failure("blocked", Suppress("invalid", after=2)),
    "30005": Failure("not_mobile", Suppress("invalid")),
    "30006": Failure("not_mobile", Suppress("invalid")),
    "21610": Failure("stopped", Suppress("stop")),
    **{
        code: Failure("carrier_filtered", alert=True)
        for code in ("30007", "21618", "30450", "30032", "30033", "30034", "30035", "30018")
    },
    "30024": Failure("carrier_filtered", alert=True),
}
_UNKNOWN: Final = Failure("undeliverable", alert=True)
_WITHOUT_CODE: Final = Failure("undeliverable")


def form(body: bytes) -> dict[str, str]:
    """The first value of each field of a form body; bytes that are not UTF-8 are replaced."""
    found: dict[str, str] = {}
    text = body.decode("utf-8", "replace")
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=500):
        found.setdefault(name, value)
    return found


def parse_status(body: bytes, nid: str, received_at: datetime) -> News | None:
    """The news in a callback about the message `nid` of its URL; None: no status we know."""
    fields = form(body)
    status = fields.get("MessageStatus") or fields.get("SmsStatus") or ""
    code = fields.get("ErrorCode", "")
    sid = words(fields.get("MessageSid") or fields.get("SmsSid"), 64)
    base = News(
        notification_id=ids.decode("ntf", nid),
        kind="processed",
        at=received_at,
        source=SOURCE,
        dedup=f"tw:{sid}:{nid[:40]}:{status[:20]}:{code[:12]}",
        raw={"MessageSid": sid, "MessageStatus": status[:20], "ErrorCode": code[:12]},
    )
    if status in _ON_THE_WAY:
        return base._replace(status="accepted")
    if status in _ARRIVED:
        return base._replace(kind="delivered", status="delivered")
    if status in _FAILED:
        return _failed(base, code)
    return None


def _failed(base: News, code: str) -> News:
    failure = _FAILURES.get(code, _UNKNOWN if code else _WITHOUT_CODE)
    alert = None
    if failure.alert:
        kind = "daily_cap" if failure.rest == "day" else "undelivered"
        alert = Alert(f"twilio:{kind}:{code[:12]}", f"Twilio could not deliver: code {code}")
    rest = None
    if failure.rest:
        rest = Rest(code, failure.why, CARRIERS_ZONE if failure.rest == "day" else "")
    return base._replace(
        kind="failed",
        status="bounced",
        reason=failure.reason,
        suppress=failure.suppress,
        alert=alert,
        rest=rest,
        detail={"code": code},
    )


Wish = Literal["stop", "start", "help", "maybe_stop", "other"]

_STOP: Final = frozenset(
    {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"}
    | {"arret", "arrêt"}  # Canada
)
_START: Final = frozenset(["start", "yes", "unstop"])
_HELP: Final = frozenset(["help", "info", "aide"])


def wish(body: str, opt_out_type: str = "") -> Wish:
    """What an inbound text asks for. Only a whole message counts as a command.

    `OptOutType` (STOP, START, HELP) is Twilio's own reading and wins. A text that merely contains
    such a word is `maybe_stop`: a person should look, and no machine may answer it.
    """
    given = opt_out_type.strip().upper()
    if given in ("STOP", "START", "HELP"):
        return "stop" if given == "STOP" else "start" if given == "START" else "help"
    text = " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", body).casefold()))
    joined = text.replace("opt out", "optout").replace("stop all", "stopall")
    if joined in _STOP:
        return "stop"
    if joined in _START:
        return "start"
    if joined in _HELP:
        return "help"
    return "maybe_stop" if _STOP & set(joined.split()) else "other"
