"""The texts Twilio has taken, for those who ask about them: by their Sid, or by whom they went to.

It keeps what a real account would list: everything that was taken, also when the answer to the
create never arrived, and the newest status of each.
"""

import itertools
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

from app.sandbox.wire import Call

KEPT: Final = 100_000
PAGE: Final = 50
LARGEST_PAGE: Final = 1000
_LEFT: Final = frozenset({"sent", "delivered", "undelivered", "read"})

Message = dict[str, Any]


class Texts:
    """Messages in Twilio's own form; safe for threads."""

    def __init__(self) -> None:
        self._by_sid: OrderedDict[str, Message] = OrderedDict()
        self._by_number: defaultdict[str, list[str]] = defaultdict(list)
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """A text that was taken."""
        message = dict(call.facts["message"])
        with self._lock:
            self._by_sid[call.message_id] = message
            self._by_number[message["to"]].append(call.message_id)
            if len(self._by_sid) > KEPT:
                _, oldest = self._by_sid.popitem(last=False)
                self._by_number[oldest["to"]].pop(0)

    def move(self, sid: str, status: str, error: str) -> None:
        """What became of it, whether or not anybody is told."""
        now = format_datetime(datetime.now(UTC))
        with self._lock:
            message = self._by_sid.get(sid)
            if message is None:
                return
            message["status"], message["date_updated"] = status, now
            message["error_code"] = int(error) if error else None
            if status in _LEFT:
                message["date_sent"] = message["date_sent"] or now

    def one(self, sid: str) -> Message | None:
        """The text of this Sid."""
        with self._lock:
            found = self._by_sid.get(sid)
            return dict(found) if found else None

    def page(self, path: str, wishes: Mapping[str, str]) -> Message:
        """One page of the list, newest first, as Twilio words it."""
        size = min(max(1, int(wishes.get("PageSize") or PAGE)), LARGEST_PAGE)
        number = int(wishes.get("Page") or 0)
        found = self._chosen(wishes)
        start = number * size
        shown = found[start : start + size]
        following = None
        if start + size < len(found):
            token = {"Page": str(number + 1), "PageToken": f"PA{shown[-1]['sid']}"}
            following = f"{path}?{urlencode({**wishes, 'PageSize': str(size), **token})}"
        return {
            "messages": shown,
            "page": number,
            "page_size": size,
            "start": start,
            "end": start + max(0, len(shown) - 1),
            "first_page_uri": f"{path}?{urlencode({**wishes, 'Page': '0'})}",
            "next_page_uri": following,
            "previous_page_uri": None,
            "uri": path,
        }

    def reset(self) -> None:
        """Forget them all."""
        with self._lock:
            self._by_sid.clear()
            self._by_number.clear()

    def _chosen(self, wishes: Mapping[str, str]) -> list[Message]:
        to, sender = wishes.get("To"), wishes.get("From")
        with self._lock:
            sids = self._by_number.get(to, []) if to else list(self._by_sid)
            newest = itertools.islice(reversed(sids), 10 * LARGEST_PAGE)
            found = [dict(self._by_sid[sid]) for sid in newest]
        since, until = wishes.get("DateSent>"), wishes.get("DateSent<")
        return [
            message
            for message in found
            if (not sender or message["from"] == sender)
            and (not since or _moment(message) >= since)
            and (not until or _moment(message)[: len(until)] <= until)
        ]


def _moment(message: Message) -> str:
    """`2026-11-22T20:44:51Z`; one that has not left yet counts by when it was made."""
    moment = parsedate_to_datetime(message["date_sent"] or message["date_created"])
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
