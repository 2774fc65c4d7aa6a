"""`Idempotency-Key`: the same key and body give the same answer, and the work is done once.

The row is written in the transaction of the work itself, so both exist or neither. A parallel
twin waits for that transaction (an INSERT waits for the one before it) and then replays. A refusal
rolls everything back and leaves the key unused. Bodies are kept as keyed digests, field by field:
enough to name what differs, and no personal data.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import orjson
from psycopg.errors import LockNotAvailable
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.api.problems import Refused
from app.api.reading import pointer
from app.db import transaction
from app.errors import Conflict, FieldError
from app.sending.models import Idempotency

LONGEST_KEY: Final = 255
_MOST_NAMED: Final = 20
_MOST_DIGESTS: Final = 5_000
_RUNNING: Final = 0
_WHOLE: Final = {"": "the body", "#": "the address"}
_Part: TypeAlias = tuple[tuple[str | int, ...], Any]  # where it is in the body, and what


@dataclass(frozen=True, slots=True)
class Wish:
    """One POST with an Idempotency-Key; `target` is method and path."""

    api_key_id: int
    key: str
    target: str
    document: Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """A status and the exact bytes of the body."""

    status: int
    body: bytes
    replayed: bool = False


def once(wish: Wish, secret: str, now: datetime, work: Callable[[], Outcome]) -> Outcome:
    """Do the work, or give the answer it had. Raises what the work raises, then nothing is kept.

    Raises Refused (422) when the key was used for another request, Conflict while one with this
    key is still running.
    """
    digests = _digests(wish, secret)
    fingerprint = _digest(orjson.dumps(digests, option=orjson.OPT_SORT_KEYS), secret)
    try:
        with transaction() as session:
            if not _claim(session, wish, fingerprint, digests, now):
                return _replay(session, wish, fingerprint, digests)
            outcome = work()
            _keep(session, wish, outcome)
            return outcome
    except OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise Conflict("A request with this Idempotency-Key is still running.") from error
        raise


def check_key(key: str) -> None:
    """Raises Refused for a key that is too long or not printable ASCII."""
    if not key or len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
        message = f"Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters."
        raise Refused(400, message)


def _claim(
    session: Session, wish: Wish, fingerprint: str, digests: dict[str, str], now: datetime
) -> bool:
    """Take the key for this transaction; waits for a twin that has it and is still at work."""
    statement = (
        insert(Idempotency)
        .values(
            api_key_id=wish.api_key_id,
            key=wish.key,
            fingerprint=fingerprint,
            request=digests,
            status=_RUNNING,
            answer={},
            created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Idempotency.key)
    )
    return session.execute(statement).one_or_none() is not None


def _keep(session: Session, wish: Wish, outcome: Outcome) -> None:
    session.execute(
        update(Idempotency)
        .where(Idempotency.api_key_id == wish.api_key_id, Idempotency.key == wish.key)
        .values(status=outcome.status, answer={"body": outcome.body.decode()})
    )


def _replay(session: Session, wish: Wish, fingerprint: str, digests: dict[str, str]) -> Outcome:
    row = session.scalars(
        select(Idempotency).where(
            Idempotency.api_key_id == wish.api_key_id, Idempotency.key == wish.key
        )
    ).one()
    if row.fingerprint != fingerprint:
        raise _other_body(row.request, digests)
    return Outcome(row.status, row.answer["body"].encode(), replayed=True)


def _other_body(before: dict[str, str], now: dict[str, str]) -> Refused:
    differing = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    fields = [
        FieldError(name, "differs", "This differs from the first request with this key.")
        for name in sorted(differing)[:_MOST_NAMED]
    ]
    named = ", ".join(_WHOLE.get(field.pointer, field.pointer) for field in fields)
    message = f"This Idempotency-Key was used for another request; {named} differ."
    return Refused(422, message, fields)


def _digests(wish: Wish, secret: str) -> dict[str, str]:
    """JSON pointer -> keyed digest of the value there; `#` stands for method and path."""
    found = {"#": _digest(wish.target.encode(), secret)}
    for path, value in _parts(wish.document):
        found[pointer(path)] = _digest(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), secret)
    return found


def _parts(document: Any) -> Iterator[_Part]:
    """What has nothing below it, and `{}` for an object whose pointers an array could have too.

    A body may hold millions of values: from the depth on where they would be more than
    _MOST_DIGESTS, objects and arrays are parts as they are.
    """
    level: list[_Part] = [((), document)]
    count = 0
    while level:
        leaves = [part for part in level if not _has_more(part[1])]
        yield from leaves
        count += len(leaves)
        inner = [part for part in level if _has_more(part[1])]
        if count + sum(len(value) for _, value in inner) > _MOST_DIGESTS:
            yield from inner
            return
        yield from ((path, {}) for path, value in inner if _like_array(value))
        level = [
            ((*path, step), below)
            for path, value in inner
            for step, below in (value.items() if isinstance(value, dict) else enumerate(value))
        ]


def _has_more(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _like_array(value: dict[str, Any] | list[Any]) -> bool:
    """Whether the keys are 0, 1, 2 … and no others: below it, pointers do not tell the two apart.

    Only such objects are marked, so that the digests of all others are those of earlier versions.
    """
    return (
        isinstance(value, dict)
        and "0" in value
        and all(str(index) in value for index in range(len(value)))
    )


def _digest(raw: bytes, secret: str) -> str:
    return hashlib.blake2b(raw, digest_size=9, key=secret.encode()[:64]).hexdigest()
