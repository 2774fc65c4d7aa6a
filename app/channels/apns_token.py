"""The APNs provider token: an ES256 JWT, one per team and key, kept for 45 minutes.

Apple wants it renewed at least every 60 minutes and at most every 20.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import jwt

from app.channels.base import Outcome, Result

LIFETIME: Final = timedelta(minutes=45)
RENEWAL_GAP: Final = timedelta(minutes=20)


class ApnsToken:
    """Makes the token when needed; safe for threads."""

    def __init__(self, key: str, key_id: str, team_id: str, now: Callable[[], datetime]) -> None:
        self._key = key
        self._key_id = key_id
        self._team_id = team_id
        self._now = now
        self._lock = threading.Lock()
        self._value = ""
        self._made_at: datetime | None = None
        self._hold_until: datetime | None = None

    def current(self) -> str | Result:
        """The token in use, or why there is none."""
        with self._lock:
            now = self._now()
            if self._made_at is None or (now - self._made_at > LIFETIME and not self._held(now)):
                return self._make(now)
            return self._value

    def renewed(self, stale: str) -> str | Result:
        """A token other than `stale`; a refusal when Apple's 20 minutes have not passed."""
        with self._lock:
            if self._value != stale:
                return self._value
            now = self._now()
            if self._held(now):
                return _refused("Apple does not accept the token, nor a newer one so soon.")
            made = self._make(now)
            self._hold_until = now + RENEWAL_GAP
            return made

    def hold(self) -> None:
        """Apple says it is renewed too often: keep the one we have for 20 minutes."""
        with self._lock:
            self._hold_until = self._now() + RENEWAL_GAP

    def _held(self, now: datetime) -> bool:
        return self._hold_until is not None and now < self._hold_until

    def _make(self, now: datetime) -> str | Result:
        claims = {"iss": self._team_id, "iat": int(now.timestamp())}
        try:
            value = jwt.encode(claims, self._key, "ES256", headers={"kid": self._key_id})
        except (jwt.PyJWTError, ValueError, TypeError):
            return _refused("The APNs key cannot be read; it must be Apple's .p8 file.")
        self._value, self._made_at = value, now
        return value


def _refused(detail: str) -> Result:
    return Result(Outcome.CONFIG_ERROR, None, "provider_token", detail, scope="lane")
