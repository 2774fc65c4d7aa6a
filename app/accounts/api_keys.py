"""API keys: `hk_live_…` sends for real, `hk_test_…` hands over to the sandbox.

The secret is shown once; its SHA-256 is kept. The hash needs no salt or stretching, because the
secret is 32 random characters (190 bits) and not a password.
"""

import hashlib
import ipaddress
import secrets
import string
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import not_, or_, select, update
from sqlalchemy.orm import Session

from app import ids
from app.accounts.models import SCOPES, ApiKey
from app.errors import Conflict, FieldError, Invalid, NotFound

LIVE, TEST = "hk_live_", "hk_test_"
OVERLAP: Final = timedelta(hours=24)
NAME_LENGTH: Final = 80
_ALPHABET: Final = string.ascii_letters + string.digits
_SECRET_LENGTH: Final = 32
_SHOWN: Final = 4


def create_key(
    session: Session,
    name: str,
    scopes: Sequence[str],
    test: bool,
    created_by: int | None,
    now: datetime,
    expires_at: datetime | None = None,
    networks: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """A new key and its secret, which cannot be had again. Raises Invalid for wrong fields."""
    _check(name, scopes, networks, expires_at, now)
    prefix = TEST if test else LIVE
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    key = ApiKey(
        name=name.strip(),
        secret_hash=digest(prefix + body),
        hint=f"{prefix}…{body[-_SHOWN:]}",
        scopes=[scope for scope in SCOPES if scope in scopes],
        networks=[str(ipaddress.ip_network(item, strict=False)) for item in networks],
        test=test,
        created_by=created_by,
        created_at=now,
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    return key, prefix + body


def rotate_key(
    session: Session,
    key_id: int,
    created_by: int | None,
    now: datetime,
    overlap: timedelta = OVERLAP,
) -> tuple[ApiKey, str]:
    """A successor with the same name and rights; the old key works until the overlap is over.

    Raises Conflict for a key that is revoked or has expired.
    """
    old = get(session, key_id)
    if not is_active(old, now):
        raise Conflict("This key no longer works. Create a new one instead.")
    expires_at = None
    if old.expires_at is not None:
        expires_at = now + max(old.expires_at - old.created_at, timedelta(days=1))
    new, secret = create_key(
        session, old.name, old.scopes, old.test, created_by, now, expires_at, old.networks
    )
    end = now + overlap
    old.expires_at = min(old.expires_at, end) if old.expires_at else end
    return new, secret


def revoke_key(session: Session, key_id: int, now: datetime) -> ApiKey:
    """The key stops working; other processes know within `key_cache.REMEMBERED_SECONDS`."""
    key = get(session, key_id)
    key.revoked_at = key.revoked_at or now
    return key


def get(session: Session, key_id: int | None) -> ApiKey:
    """Raises NotFound."""
    key = session.get(ApiKey, key_id) if key_id is not None else None
    if key is None:
        raise NotFound("There is no such key.")
    return key


def by_public_id(session: Session, public_id: str) -> ApiKey:
    """The key behind `key_…`. Raises NotFound."""
    return get(session, ids.decode("key", public_id))


def listed(session: Session, active: bool, text: str, now: datetime) -> Sequence[ApiKey]:
    """Keys that work, or those that no longer do; newest first. A workspace has some dozens."""
    working = ApiKey.revoked_at.is_(None) & (
        ApiKey.expires_at.is_(None) | (ApiKey.expires_at > now)
    )
    statement = select(ApiKey).where(working if active else not_(working))
    if text:
        statement = statement.where(
            or_(
                ApiKey.name.icontains(text, autoescape=True),
                ApiKey.hint.endswith(text, autoescape=True),
            )
        )
    return session.scalars(statement.order_by(ApiKey.id.desc()).limit(200)).all()


def is_active(key: ApiKey, now: datetime) -> bool:
    """Neither revoked nor expired."""
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def mark_used(session: Session, key_id: int, now: datetime) -> None:
    """Remember the last use, to the minute."""
    session.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used_at=now))


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(
    name: str,
    scopes: Sequence[str],
    networks: Sequence[str],
    expires_at: datetime | None,
    now: datetime,
) -> None:
    wrong = []
    if not name.strip() or len(name) > NAME_LENGTH or not name.isprintable():
        message = f"Enter a name of 1 to {NAME_LENGTH} characters."
        wrong.append(FieldError("/name", "invalid_name", message))
    if not scopes or any(scope not in SCOPES for scope in scopes):
        message = f"Choose at least one of {', '.join(SCOPES)}."
        wrong.append(FieldError("/scopes", "invalid_choice", message))
    for network in networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            message = f"{network} is not a network such as 10.40.0.0/16."
            wrong.append(FieldError("/networks", "invalid_network", message))
    if expires_at is not None and expires_at <= now:
        wrong.append(FieldError("/expires_at", "in_the_past", "Choose a time in the future."))
    if wrong:
        raise Invalid(wrong)
