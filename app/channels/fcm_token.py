"""Google's access token: a service account's signed claim, exchanged for an hour's bearer token.

Refreshed five minutes early, by one thread at a time; the others go on with the old one.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import jwt

from app.channels import exchange
from app.channels.base import PUSH_CALL_SECONDS, Outcome, Result
from app.channels.curl import EngineOptions, HttpClient
from app.channels.transfer import Request, Response

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
EARLY: Final = timedelta(minutes=5)
CLAIM_SECONDS: Final = 3600
_LAST_MOMENT: Final = timedelta(seconds=30)
# After a failed refresh the waiting threads share its answer instead of asking again one by one.
_FAILURE_KEPT: Final = timedelta(seconds=2)


class FcmToken:
    """The access token of one service account (the parsed key file); safe for threads."""

    def __init__(self, account: dict[str, Any], now: Callable[[], datetime]) -> None:
        self._account = account
        self._now = now
        self._lock = threading.Lock()
        self._value = ""
        self._ends_at: datetime | None = None
        self._failure: tuple[datetime, Result] | None = None
        self._client = HttpClient(
            EngineOptions(
                headers=("content-type: application/x-www-form-urlencoded", "expect:"),
                concurrency=1,
                deadline_s=PUSH_CALL_SECONDS,
            )
        )

    def current(self) -> str | Result:
        """The token in use, or why there is none."""
        if self._left() > EARLY:
            return self._value
        usable = self._left() > _LAST_MOMENT
        if not self._lock.acquire(blocking=not usable):
            return self._value  # somebody is at it, and the old one is still good
        try:
            if self._left() > EARLY:
                return self._value
            fetched = self._fetch()
            return self._value if isinstance(fetched, Result) and usable else fetched
        finally:
            self._lock.release()

    def renewed(self, stale: str) -> str | Result:
        """A token other than the one Google has just refused."""
        with self._lock:
            if self._value and self._value != stale:
                return self._value
            return self._fetch()

    def _left(self) -> timedelta:
        return timedelta(0) if self._ends_at is None else self._ends_at - self._now()

    def _fetch(self) -> str | Result:
        now = self._now()
        if self._failure is not None and now - self._failure[0] < _FAILURE_KEPT:
            return self._failure[1]
        try:
            request = Request(self._account["token_uri"], self._claim(now))
        except (jwt.PyJWTError, KeyError, ValueError, TypeError):
            return _refused("The FCM service account cannot be read; it must be Google's JSON.")
        answers: list[str | Result] = []
        exchange.converse(
            self._client,
            [request],
            lambda _, response: self._judge(response, now),
            lambda _, result: answers.append(result),
        )
        answer = answers[0]
        if isinstance(answer, Result) and answer.outcome is not Outcome.ACCEPTED:
            answer = _certainly_unsent(answer)
            self._failure = (now, answer)
            return answer
        self._failure = None
        return self._value

    def _claim(self, now: datetime) -> bytes:
        account, issued = self._account, int(now.timestamp())
        if not str(account["token_uri"]).startswith(("https://", "http://")):
            raise ValueError("token_uri")
        claims = {
            "iss": account["client_email"],
            "scope": SCOPE,
            "aud": account["token_uri"],
            "iat": issued,
            "exp": issued + CLAIM_SECONDS,
        }
        key_id = {"kid": account["private_key_id"]} if account.get("private_key_id") else None
        assertion = jwt.encode(claims, account["private_key"], "RS256", headers=key_id)
        grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        return urlencode({"grant_type": grant, "assertion": assertion}).encode("ascii")

    def _judge(self, response: Response, now: datetime) -> Result:
        answer = exchange.json_object(response.body)
        value, seconds = answer.get("access_token"), answer.get("expires_in", CLAIM_SECONDS)
        if response.status == 200 and isinstance(value, str) and value:
            if not isinstance(seconds, int | float) or not 0 < seconds <= CLAIM_SECONDS:
                seconds = CLAIM_SECONDS
            self._value, self._ends_at = value, now + timedelta(seconds=seconds)
            return Result(Outcome.ACCEPTED)
        if 400 <= response.status < 500:
            return _refused("Google does not accept the FCM service account.")
        return exchange.by_status("Google's sign-in", response, now)


def _refused(detail: str) -> Result:
    return Result(Outcome.CONFIG_ERROR, None, "access_token", detail, scope="lane")


def _certainly_unsent(answer: Result) -> Result:
    """Whatever became of the request for a token: no message has left yet."""
    if answer.outcome is Outcome.CONFIG_ERROR:
        return answer
    detail = "Google gave no access token; no message was sent."
    return Result(Outcome.RETRY, None, "access_token", detail, answer.not_before)
