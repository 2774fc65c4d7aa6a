"""Statements that write many contacts at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

_COLUMNS: Final = (
    "email",
    "phone",
    "first_name",
    "last_name",
    "locale",
    "country",
    "timezone",
)
_SEEN_EVERY: Final = timedelta(hours=1)


def upsert(
    session: Session, changes: Mapping[str, Mapping[str, Any]], now: datetime
) -> dict[str, tuple[int, bool]]:
    """Create or change contacts by external id; answers (key, created) per external id.

    Two statements: who is new is inserted, the others are changed. The second runs with a new
    snapshot, so it also sees a row that somebody else inserted in between. Rows are locked in the
    order of their keys, so that two batches cannot wait for each other.
    """
    if not changes:
        return {}
    rows = [
        {"external_id": external_id, "patch": _patch(change)}
        for external_id, change in sorted(changes.items())
    ]
    parameters = {"rows": orjson.dumps(rows).decode(), "now": now}
    created = {row.external_id: row.id for row in session.execute(_INSERT, parameters)}
    result = {external_id: (key, True) for external_id, key in created.items()}
    if len(created) < len(changes):
        for row in session.execute(_UPDATE, {**parameters, "created": list(created)}):
            result[row.external_id] = (row.id, False)
    return result


def mark_seen(session: Session, contact_ids: Sequence[int], now: datetime) -> None:
    """Set `last_seen_at` where it is older than an hour."""
    if contact_ids:
        session.execute(
            _SEEN, {"ids": sorted(set(contact_ids)), "now": now, "before": now - _SEEN_EVERY}
        )


def _patch(change: Mapping[str, Any]) -> dict[str, Any]:
    patch = dict(change)
    if "tags" in patch:
        patch["tags"] = patch["tags"] or []
    if "attributes" in patch and patch["attributes"] is None:
        patch["attributes"] = {}
        patch["clear_attributes"] = True
    return patch


_SOURCE: Final = "jsonb_to_recordset(CAST(:rows AS jsonb)) AS x(external_id text, patch jsonb)"
_TAGS: Final = "ARRAY(SELECT jsonb_array_elements_text(x.patch->'tags'))"

_INSERT: Final = text(
    f"""
    INSERT INTO contact (external_id, {", ".join(_COLUMNS)}, tags, attributes,
                         created_at, updated_at)
    SELECT x.external_id, {", ".join(f"x.patch->>'{name}'" for name in _COLUMNS)}, {_TAGS},
           jsonb_strip_nulls(coalesce(x.patch->'attributes', '{{}}')), :now, :now
    FROM {_SOURCE}
    ORDER BY x.external_id
    ON CONFLICT (external_id) DO NOTHING
    RETURNING id, external_id
    """  # noqa: S608 only names of columns are put in
)

_UPDATE: Final = text(
    f"""
    WITH locked AS (
        SELECT c.*, x.patch
        FROM {_SOURCE} JOIN contact c ON c.external_id = x.external_id
        WHERE x.external_id <> ALL(CAST(:created AS text[]))
        ORDER BY c.id
        FOR UPDATE OF c
    ), next AS (
        SELECT x.id,
            {
        ", ".join(
            f"CASE WHEN x.patch ? '{n}' THEN x.patch->>'{n}' ELSE x.{n} END AS {n}"
            for n in _COLUMNS
        )
    },
            CASE WHEN x.patch ? 'tags' THEN {_TAGS} ELSE x.tags END AS tags,
            jsonb_strip_nulls(
                CASE WHEN x.patch ? 'clear_attributes' THEN '{{}}' ELSE x.attributes END
                || coalesce(x.patch->'attributes', '{{}}')) AS attributes
        FROM locked x
    ), written AS (
        UPDATE contact c SET {", ".join(f"{n} = n.{n}" for n in (*_COLUMNS, "tags", "attributes"))},
               updated_at = :now
        FROM next n
        WHERE c.id = n.id
          AND ({", ".join(f"c.{n}" for n in (*_COLUMNS, "tags", "attributes"))})
              IS DISTINCT FROM ({", ".join(f"n.{n}" for n in (*_COLUMNS, "tags", "attributes"))})
    )
    SELECT id, external_id FROM locked
    """  # noqa: S608 only names of columns are put in
)

_SEEN: Final = text(
    """
    UPDATE contact c SET last_seen_at = :now
    FROM (SELECT id FROM contact
          WHERE id = ANY(:ids) AND (last_seen_at IS NULL OR last_seen_at < :before)
          ORDER BY id FOR UPDATE) due
    WHERE c.id = due.id
    """
)
