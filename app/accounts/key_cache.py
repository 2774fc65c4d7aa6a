"""Which key is behind a secret, remembered in this process for a few seconds.

The API asks for every call; a database look-up each time would cost more than the rest.
"""

import ipaddress
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import api_keys
from app.accounts.models import ApiKey

REMEMBERED_SECONDS: Final = 5.0
_MOST: Final = 4096
_USED_STEP_SECONDS: Final = 60.0

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What the API must know of a key."""

    id: int
    name: str
    scopes: frozenset[str]
    test: bool
    networks: tuple[Network, ...]
    expires_at: datetime | None

    def allows(self, address: str | None) -> bool:
        """Whether the key may be used from this address."""
        if not self.networks:
            return True
        try:
            caller = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped:
            caller = caller.ipv4_mapped
        return any(caller in network for network in self.networks)


_known: dict[str, tuple[float, KnownKey | None]] = {}
_used: dict[int, float] = {}
_lock = threading.Lock()


def recall(secret: str, now: datetime) -> tuple[KnownKey | None] | None:
    """What is remembered of a secret, in a 1-tuple; None when the database must be asked."""
    entry = _known.get(api_keys.digest(secret))
    if entry is None or entry[0] < time.monotonic():
        return None
    return (_unexpired(entry[1], now),)


def find(session: Session, secret: str, now: datetime) -> KnownKey | None:
    """The working key behind a secret. Secrets that are none are remembered too."""
    digest = api_keys.digest(secret)
    key = _load(session, digest)
    with _lock:
        if len(_known) >= _MOST:
            _known.clear()
        _known[digest] = (time.monotonic() + REMEMBERED_SECONDS, key)
    return _unexpired(key, now)


def forget() -> None:
    """Ask the database for every key anew: after one was changed."""
    with _lock:
        _known.clear()


def use_is_due(key_id: int) -> bool:
    """Whether the key's last use should be written: once a minute per process."""
    moment = time.monotonic()
    with _lock:
        if moment < _used.get(key_id, 0.0):
            return False
        _used[key_id] = moment + _USED_STEP_SECONDS
    return True


def _unexpired(key: KnownKey | None, now: datetime) -> KnownKey | None:
    return key if key and (key.expires_at is None or key.expires_at > now) else None


def _load(session: Session, digest: str) -> KnownKey | None:
    key = session.scalars(
        select(ApiKey).where(ApiKey.secret_hash == digest, ApiKey.revoked_at.is_(None))
    ).one_or_none()
    if key is None:
        return None
    return KnownKey(
        id=key.id,
        name=key.name,
        scopes=frozenset(key.scopes),
        test=key.test,
        networks=tuple(ipaddress.ip_network(item) for item in key.networks),
        expires_at=key.expires_at,
    )
