"""Marks of erased addresses: enough to recognise one that comes back, not enough to read it.

A mark is a keyed hash (HMAC-SHA256 with a key derived from HERALD_SECRET_KEY), kept in the
suppression list instead of the address. When someone brings an erased address back, the plain
suppression is written again, so that every other check is one comparison.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

import orjson
from flask import current_app
from sqlalchemy import tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.audience.addresses import suppression_key
from app.audience.models import Suppression
from app.settings import Settings

Address = tuple[str, str]  # kind (email, phone, token), address

_PREFIX: Final = "erased:"

#: A statement by itself, or part of a larger one: who enters messages asks in the same round trip.
RECALL: Final = """
    insert into suppression (kind, address, reason, source, created_at)
    select distinct given.kind, given.address, 'erased', 'erased before', %(now)s::timestamptz
      from jsonb_to_recordset(%(marked)s::jsonb) as given(kind text, mark text, address text)
     where exists (
       select from suppression s where s.kind = given.kind and s.address = given.mark
     )
     order by 1, 2
    on conflict do nothing
"""


def mark(kind: str, address: str) -> str:
    """The mark of an address, made with the current key."""
    return _marks(kind, address)[0]


def is_mark(address: str) -> bool:
    """Is this entry of the suppression list a mark instead of an address?"""
    return address.startswith(_PREFIX)


def recall(session: Session, addresses: Sequence[Address], now: datetime) -> None:
    """Suppress again whichever of these addresses was erased before.

    To be called with every address that enters Herald: from the API, an import, the console.
    """
    if addresses:
        given = {"marked": marked(addresses), "now": now}
        session.flush()
        session.connection().exec_driver_sql(RECALL, given)


def marked(addresses: Iterable[Address]) -> str:
    """What `RECALL` must be given: JSON with each address beside its marks."""
    return orjson.dumps(
        [
            {"kind": kind, "mark": found, "address": suppression_key(kind, address)}
            for kind, address in dict.fromkeys(addresses)
            for found in _marks(kind, address)
        ]
    ).decode()


def remember(session: Session, addresses: Sequence[Address], now: datetime) -> None:
    """Put the marks of these addresses on the suppression list."""
    values = [
        {
            "kind": kind,
            "address": mark(kind, address),
            "reason": "erased",
            "source": "erasure",
            "created_at": now,
        }
        for kind, address in addresses
    ]
    if values:
        session.execute(insert(Suppression).values(values).on_conflict_do_nothing())


def forget_plain(session: Session, addresses: Sequence[Address]) -> None:
    """Remove the readable entries of addresses that are being erased: their marks replace them."""
    keys = [(kind, suppression_key(kind, address)) for kind, address in addresses]
    if keys:
        session.query(Suppression).where(
            tuple_(Suppression.kind, Suppression.address).in_(keys)
        ).delete(synchronize_session=False)


def _marks(kind: str, address: str) -> list[str]:
    settings: Settings = current_app.config["HERALD"]
    text = f"{kind}:{suppression_key(kind, address)}".encode()
    secrets = (settings.secret_key, *settings.old_secret_keys)
    return [_PREFIX + hmac.digest(_key(item), text, "sha256").hex() for item in secrets]


@lru_cache(maxsize=16)
def _key(secret: str) -> bytes:
    return hashlib.sha256(f"herald:erased:{secret}".encode()).digest()
