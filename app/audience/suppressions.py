"""The list of addresses that must not be used, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    and_,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import array, insert
from sqlalchemy.orm import Session

from app.audience import addresses, erased
from app.audience.models import Suppression
from app.errors import Conflict, Invalid, NotFound
from app.paging import Page, cut, decode_cursor

KINDS: Final = ("email", "phone", "token")
_CHUNK: Final = 5000
_GROUP: Final = " group "  # in the source of what a provider's unsubscribe group says
# The later in this list, the less may lift it: a person takes back her own words, not ours.
_RANKS: Final = ["unsubscribe", "stop", "invalid", "bounce", "complaint", "manual", "erased"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An address to suppress. `kind` is email, phone or token; `reason` one of the closed list."""

    kind: str
    address: str
    reason: str
    scope: str = "all"
    note: str = ""
    notification_id: int | None = None


def add(session: Session, entries: Iterable[Entry], source: str, now: datetime) -> int:
    """Suppress addresses; returns how many rows are new or became stricter.

    An address that is there already keeps its first reason, unless the new entry spares nothing
    (`all`) where the old one spared service messages (`marketing`), or spares the same and has the
    weightier reason: a person who texted STOP and was blocked by hand is not free by texting START.
    """
    rows = {
        (entry.kind, addresses.suppression_key(entry.kind, entry.address)): entry
        for entry in sorted(entries, key=_weight)
    }
    if not rows:
        return 0
    values = [
        {
            "kind": kind,
            "address": address,
            "scope": entry.scope,
            "reason": entry.reason,
            "source": source,
            "note": entry.note,
            "notification_id": entry.notification_id,
            "created_at": now,
        }
        for (kind, address), entry in sorted(rows.items(), key=lambda item: item[0])
    ]
    _not_of_one_group(session, values, source)
    changed = 0
    for start in range(0, len(values), _CHUNK):
        changed += _insert(session, values[start : start + _CHUNK])
    return changed


def add_by_hand(
    session: Session, kind: str, address: str, note: str, source: str, now: datetime
) -> Suppression:
    """Suppress one address that somebody typed. Raises Invalid when it is no such address."""
    if kind not in ("email", "phone"):
        raise Invalid.one("/kind", "invalid_kind", "Choose e-mail or phone.")
    verdict = addresses.email(address) if kind == "email" else addresses.phone(address)
    if not verdict.ok:
        raise Invalid.one("/address", verdict.code, verdict.message)
    add(session, [Entry(kind, verdict.value, "manual", note=note)], source, now)
    return session.scalars(
        select(Suppression).where(
            Suppression.kind == kind,
            Suppression.address == addresses.suppression_key(kind, verdict.value),
        )
    ).one()


def lift(session: Session, kind: str, address: str, reasons: Sequence[str] | None = None) -> bool:
    """Allow an address again, if it was suppressed for one of `reasons` (None: for any).

    What was suppressed as erased stays. Returns whether there was such an entry.
    """
    doomed = delete(Suppression).where(
        Suppression.kind == kind,
        Suppression.address == addresses.suppression_key(kind, address),
        Suppression.reason != "erased",
    )
    if reasons is not None:
        doomed = doomed.where(Suppression.reason.in_(reasons))
    return session.execute(doomed.returning(Suppression.id)).first() is not None


def lift_by_id(session: Session, suppression_id: int) -> Suppression:
    """Allow one entry of the list again; returns what it was. Raises NotFound, Conflict."""
    entry = session.get(Suppression, suppression_id)
    if entry is None:
        raise NotFound("This address is no longer on the list.")
    if entry.reason == "erased":
        raise Conflict("This person asked to be erased. The address stays on the list.")
    session.delete(entry)
    session.flush()
    return entry


def check(session: Session, kind: str, wanted: Sequence[str]) -> dict[str, Suppression]:
    """The entries among these addresses, by the address as it was asked."""
    keys = {addresses.suppression_key(kind, address): address for address in wanted}
    rows = session.scalars(
        select(Suppression).where(Suppression.kind == kind, Suppression.address.in_(keys))
    )
    return {keys[row.address]: row for row in rows}


def page(
    session: Session,
    cursor: str | None = None,
    limit: int = 50,
    kind: str | None = None,
    reason: str | None = None,
    query: str = "",
) -> Page[Suppression]:
    """The list, newest first; `query` finds a part of an address."""
    chosen = select(Suppression).order_by(Suppression.id.desc()).limit(limit + 1)
    after = decode_cursor(cursor)
    if after is not None:
        chosen = chosen.where(Suppression.id < after)
    if kind:
        chosen = chosen.where(Suppression.kind == kind)
    if reason:
        chosen = chosen.where(Suppression.reason == reason)
    if query.strip():
        chosen = chosen.where(
            Suppression.address.contains(query.strip().lower().replace(" ", ""), autoescape=True)
        )
    return cut(session.scalars(chosen).all(), limit, lambda row: row.id)


def totals(session: Session) -> dict[str, int]:
    """How many entries there are, by reason."""
    rows = session.execute(
        select(Suppression.reason, func.count().label("people")).group_by(Suppression.reason)
    )
    return {row.reason: row.people for row in rows}


def is_erased(entry: Suppression) -> bool:
    """Is this entry a mark that shows no address?"""
    return erased.is_mark(entry.address)


def _insert(session: Session, values: Sequence[dict[str, Any]]) -> int:
    new = insert(Suppression).values(values)
    stronger = or_(
        and_(Suppression.scope == "marketing", new.excluded.scope == "all"),
        and_(
            Suppression.scope == new.excluded.scope,
            _rank(new.excluded.reason) > _rank(Suppression.reason),
        ),
    )
    stated = new.on_conflict_do_update(
        index_elements=["kind", "address"],
        set_={
            "scope": "all",
            "reason": new.excluded.reason,
            "source": new.excluded.source,
            "note": new.excluded.note,
            "notification_id": new.excluded.notification_id,
            "created_at": new.excluded.created_at,
        },
        where=stronger,
    )
    return len(session.execute(stated.returning(Suppression.id)).all())


def _not_of_one_group(session: Session, values: Sequence[dict[str, Any]], source: str) -> None:
    """Who left a group at the provider, and then in another way too, does not come back by
    rejoining that group.
    """
    left = [(item["kind"], item["address"]) for item in values if item["reason"] == "unsubscribe"]
    for start in range(0, len(left), _CHUNK):
        session.execute(
            update(Suppression)
            .where(
                tuple_(Suppression.kind, Suppression.address).in_(left[start : start + _CHUNK]),
                Suppression.reason == "unsubscribe",
                Suppression.source.contains(_GROUP),
                Suppression.source != source,
            )
            .values(source=func.split_part(Suppression.source, _GROUP, 1))
        )


def _weight(entry: Entry) -> tuple[bool, int]:
    return entry.scope == "all", _RANKS.index(entry.reason)


def _rank(reason: SQLColumnExpression[str]) -> ColumnElement[int]:
    return func.array_position(array(_RANKS), reason)
