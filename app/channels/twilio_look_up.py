"""What Twilio knows: texts by their Sid, and texts to a number (provider contract §3, §3a).

The evidence for a lost answer. The list is asked for without a date: what has not left Twilio yet
has no date of sending, and must be found too.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote_plus

from app.channels import exchange
from app.channels.base import KnownText, Outcome, Result
from app.channels.curl import HttpClient
from app.channels.transfer import Request, Response

PAGE: Final = 20  # two kilobytes each: a page stays below the engine's limit
MOST_PAGES: Final = 10


class TwilioLookUp:
    """Asks over the adapter's own connections."""

    def __init__(self, client: HttpClient, base_url: str, account_sid: str) -> None:
        self._client = client
        self._base_url = base_url
        self._account_url = f"{base_url}/2010-04-01/Accounts/{account_sid}"

    def texts(self, provider_ids: Sequence[str]) -> Mapping[str, KnownText]:
        """See LooksUp.texts."""
        wanted = list(dict.fromkeys(provider_ids))
        urls = [f"{self._account_url}/Messages/{quote_plus(sid)}.json" for sid in wanted]
        found = {}
        for at, response in self._ask(urls).items():
            if response.status == 404:
                found[wanted[at]] = KnownText(wanted[at])
            elif response.status == 200:
                known = _known(exchange.json_object(response.body))
                if known is not None:
                    found[wanted[at]] = known
        return found

    def texts_to(self, numbers: Mapping[str, datetime]) -> Mapping[str, Sequence[KnownText]]:
        """See LooksUp.texts_to."""
        found: dict[str, list[KnownText]] = {}
        following = {
            number: f"{self._account_url}/Messages.json?To={quote_plus(number)}&PageSize={PAGE}"
            for number in numbers
        }
        for _ in range(MOST_PAGES):
            asked = list(following)
            pages = self._ask([following[number] for number in asked])
            following = {}
            for at, number in enumerate(asked):
                page = exchange.json_object(pages[at].body) if at in pages else {}
                listed = page.get("messages")
                if pages.get(at, _NONE).status != 200 or not isinstance(listed, list):
                    found.pop(number, None)  # half a list is no evidence, here and below
                    continue
                known = [text for one in listed if (text := _known(one)) is not None]
                since = numbers[number]
                recent = [text for text in known if text.created_at and text.created_at >= since]
                found.setdefault(number, []).extend(recent)
                uri = page.get("next_page_uri")
                if known and len(recent) == len(known) and isinstance(uri, str):
                    following[number] = f"{self._base_url}{uri}"
            if not following:
                break
        for number in following:
            found.pop(number, None)
        return found

    def _ask(self, urls: Sequence[str]) -> Mapping[int, Response]:
        """The whole answers, by the place of their question."""
        answers: dict[int, Response] = {}

        def judge(at: int, response: Response) -> Result:
            if response.complete:
                answers[at] = response
            if response.status == 429:
                return Result(Outcome.THROTTLED, scope="lane")
            good = response.complete and response.status < 500
            return Result(Outcome.ACCEPTED if good else Outcome.RETRY)

        requests = [Request(url, None) for url in urls]
        exchange.converse(self._client, requests, judge, lambda _at, _result: None)
        return answers


_NONE: Final = Response(0)


def _known(value: Any) -> KnownText | None:
    if not isinstance(value, dict) or not isinstance(value.get("sid"), str):
        return None
    error = value.get("error_code")
    return KnownText(
        provider_id=value["sid"],
        status=str(value.get("status") or ""),
        error=str(error) if error else "",
        to=str(value.get("to") or ""),
        body=str(value.get("body") or ""),
        created_at=_moment(value.get("date_created")),
    )


def _moment(value: object) -> datetime | None:
    """RFC 2822, as Twilio writes its dates."""
    try:
        moment = parsedate_to_datetime(str(value))
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None
