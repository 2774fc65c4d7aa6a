"""Storing a chunk of an import: COPY into a temporary table, then set-based statements.

Who a row means: the person with its external id; else, for a row or person without one, the person
with its e-mail address; else the one with its phone number. A file adds and overwrites, it never
clears, and it never raises consent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from sqlalchemy import exists, select, text
from sqlalchemy.orm import Session

from app.audience import consent, erased, lookup
from app.audience.consent import Choice
from app.audience.import_rows import Chunk, Record, Refusal, as_tuple, refusal
from app.audience.models import Suppression


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a chunk. created + updated + len(refusals) = its rows."""

    created: int
    updated: int
    opt_outs_kept: int
    refusals: Sequence[Refusal]


def store(
    session: Session, chunk: Chunk, evidence: dict[str, Any], now: datetime, recall: bool
) -> Stored:
    """Create and change the people of a chunk; `recall`: erased addresses exist, look for them."""
    if not chunk.records:
        return Stored(0, 0, 0, chunk.refusals)
    _copy(session, chunk.records)
    for statement in (_BY_ID, _BY_EMAIL, _BY_PHONE):
        session.execute(statement)
    refusals = [*chunk.refusals, *_ambiguous(session, chunk.records)]
    kept = session.scalar(_OPTED_OUT) or 0
    changed = _update(session, now)
    created = sum(session.scalars(_INSERT, {"now": now}))  # others were added in between
    if recall:
        _recall(session, chunk.records, now)
    _lower_consent(session, chunk.records, evidence, now)
    lookup.forget_external(session, changed)
    updated = chunk.rows - len(refusals) - created
    return Stored(created, updated, kept, refusals)


def has_erased(session: Session) -> bool:
    """Is any address on the list of erased ones?"""
    return bool(session.scalar(select(exists().where(Suppression.reason == "erased"))))


def copy_refusals(session: Session, import_id: int, refusals: Sequence[Refusal]) -> None:
    """Keep the refused rows of an import."""
    if not refusals:
        return
    columns = 'import_id, line, "column", reason, row'
    with _cursor(session).copy(f"COPY import_refusal ({columns}) FROM STDIN") as copy:
        for item in refusals:
            copy.write_row((import_id, item.line, item.column, item.reason, list(item.cells)))


def _cursor(session: Session) -> "psycopg.Cursor[Any]":
    connection: Any = session.connection().connection.dbapi_connection
    cursor: psycopg.Cursor[Any] = connection.cursor()
    return cursor


def _copy(session: Session, records: Sequence[Record]) -> None:
    session.execute(_TABLE)
    session.execute(_NEAR)
    with _cursor(session).copy(f"COPY import_row ({_COLUMNS}) FROM STDIN") as copy:
        for number, record in enumerate(records):
            copy.write_row(as_tuple(number, record))


def _ambiguous(session: Session, records: Sequence[Record]) -> list[Refusal]:
    """Rows whose address several people share; they leave the chunk."""
    gone = session.execute(_AMBIGUOUS).all()
    refusals = []
    for row in gone:
        record = records[row.ord]
        column = "e-mail address" if record.email else "phone number"
        words = f"{row.matches} people have this {column}. Add your ID to say who is meant."
        refusals.append(refusal(record.line, "", words, record.cells))
    return refusals


def _update(session: Session, now: datetime) -> Sequence[str | None]:
    """Change people in rounds: rows that mean the same person go one after another."""
    changed: list[str | None] = []
    rounds = session.scalar(_RANK) or 0
    if rounds > 1:
        session.execute(_SEPARATE)
    for number in range(1, rounds + 1):
        changed += session.scalars(_UPDATE, {"now": now, "round": number})
    return changed


def _recall(session: Session, records: Sequence[Record], now: datetime) -> None:
    found = [("email", record.email) for record in records if record.email]
    found += [("phone", record.phone) for record in records if record.phone]
    erased.recall(session, found, now)


def _lower_consent(
    session: Session, records: Sequence[Record], evidence: dict[str, Any], now: datetime
) -> None:
    if not any(record.outs for record in records):
        return
    for statement in (_BY_ID, _BY_EMAIL, _BY_PHONE):  # also those just created
        session.execute(statement)
    people = {row.ord: row.contact_id for row in session.execute(_PEOPLE)}
    choices = [
        (people[number], Choice(topic, channel, False))
        for number, record in enumerate(records)
        for topic, channel in record.outs
        if number in people
    ]
    consent.lower(session, choices, "import", evidence, now)


_NAMES: Final = (
    "external_id",
    "email",
    "phone",
    "first_name",
    "last_name",
    "locale",
    "country",
    "timezone",
)
_COLUMNS: Final = ", ".join(("ord", *_NAMES, "tags", "attributes"))

_TABLE: Final = text(
    f"""
    CREATE TEMPORARY TABLE IF NOT EXISTS import_row (
        ord integer, {", ".join(f"{name} text" for name in _NAMES)}, tags text[], attributes jsonb,
        contact_id bigint, matches integer, round integer
    ) ON COMMIT DELETE ROWS
    """
)
# The table has no statistics; every look-up shall go through an index of `contact`.
_NEAR: Final = text(
    "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"
)
_BY_ID: Final = text(
    """
    UPDATE import_row r SET contact_id = c.id FROM contact c
    WHERE r.contact_id IS NULL AND c.external_id = r.external_id
    """
)
_BY_EMAIL: Final = text(
    """
    UPDATE import_row r SET contact_id = found.id, matches = found.matches
    FROM (SELECT i.ord, min(c.id) AS id, count(*) AS matches
          FROM import_row i JOIN contact c ON lower(c.email) = lower(i.email)
          WHERE i.contact_id IS NULL AND (i.external_id IS NULL OR c.external_id IS NULL)
          GROUP BY i.ord) found
    WHERE r.ord = found.ord
    """
)
_BY_PHONE: Final = text(
    """
    UPDATE import_row r SET contact_id = found.id, matches = found.matches
    FROM (SELECT i.ord, min(c.id) AS id, count(*) AS matches
          FROM import_row i JOIN contact c ON c.phone = i.phone
          WHERE i.contact_id IS NULL AND i.email IS NULL
            AND (i.external_id IS NULL OR c.external_id IS NULL)
          GROUP BY i.ord) found
    WHERE r.ord = found.ord
    """
)
_AMBIGUOUS: Final = text("DELETE FROM import_row WHERE matches > 1 RETURNING ord, matches")
_RANK: Final = text(
    """
    WITH ranked AS (
        UPDATE import_row r SET round = found.round
        FROM (SELECT ord, row_number() OVER (PARTITION BY contact_id ORDER BY ord) AS round
              FROM import_row WHERE contact_id IS NOT NULL) found
        WHERE r.ord = found.ord
        RETURNING r.round
    )
    SELECT max(round) FROM ranked
    """
)
# Two ids with the address of one person who has none: the first is that person, the others are new.
_SEPARATE: Final = text(
    """
    UPDATE import_row SET contact_id = NULL
    WHERE round > 1 AND external_id IS NOT NULL AND matches IS NOT NULL
    """
)
_OPTED_OUT: Final = text(
    """
    SELECT count(*) FROM import_row r
    WHERE EXISTS (SELECT FROM preference p
                  WHERE p.contact_id = r.contact_id AND NOT p.opted_in)
       OR EXISTS (SELECT FROM suppression s
                  WHERE s.kind = 'email' AND s.address = lower(r.email))
       OR EXISTS (SELECT FROM suppression s WHERE s.kind = 'phone' AND s.address = r.phone)
    """
)
_NEXT: Final = ", ".join(
    (
        "coalesce(c.external_id, r.external_id) AS external_id",
        *(f"coalesce(r.{name}, c.{name}) AS {name}" for name in _NAMES[1:]),
        """CASE WHEN r.tags IS NULL OR c.tags @> r.tags THEN c.tags
           ELSE ARRAY(SELECT DISTINCT unnest(c.tags || r.tags) ORDER BY 1) END AS tags""",
        "c.attributes || coalesce(r.attributes, '{}') AS attributes",
    )
)
_ALL: Final = (*_NAMES, "tags", "attributes")
_UPDATE: Final = text(
    f"""
    WITH next AS (
        SELECT c.id, {_NEXT}
        FROM import_row r JOIN contact c ON c.id = r.contact_id
        WHERE r.round = :round
        ORDER BY c.id FOR UPDATE OF c
    )
    UPDATE contact c SET {", ".join(f"{name} = n.{name}" for name in _ALL)}, updated_at = :now
    FROM next n
    WHERE c.id = n.id
      AND ({", ".join(f"c.{name}" for name in _ALL)})
          IS DISTINCT FROM ({", ".join(f"n.{name}" for name in _ALL)})
    RETURNING c.external_id
    """  # noqa: S608 only names of columns are put in
)
_INSERT: Final = text(
    f"""
    INSERT INTO contact ({", ".join(_NAMES)}, tags, attributes, created_at, updated_at)
    SELECT {", ".join(_NAMES)}, coalesce(tags, '{{}}'), coalesce(attributes, '{{}}'), :now, :now
    FROM import_row WHERE contact_id IS NULL ORDER BY ord
    ON CONFLICT (external_id) DO UPDATE SET {
        ", ".join(f"{n} = coalesce(excluded.{n}, contact.{n})" for n in _NAMES[1:])
    }
    RETURNING (xmax = 0) AS created
    """  # noqa: S608 only names of columns are put in
)
_PEOPLE: Final = text("SELECT ord, contact_id FROM import_row WHERE contact_id IS NOT NULL")
