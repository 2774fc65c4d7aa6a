"""Attempts: what a provider answered, written while a batch is still running."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.arrays import literal
from app.channels.base import Outcome, Result
from app.sending.batches import Claim


@dataclass(slots=True)
class Answer:
    """One answer about one notification. Treat it as frozen; freezing triples its cost."""

    notification_id: int
    number: int
    provider: str
    result: Result
    at: datetime


_OF_ANSWER: Final = {"number": "int", "at": "timestamptz", "provider": "text"}
_OF_RESULT: Final = {
    "outcome": "text",
    "code": "text",
    "detail": "text",
    "provider_id": "text",
    "not_before": "timestamptz",
    "duration_ms": "int",
}
_COLUMNS: Final = _OF_ANSWER | _OF_RESULT
_NAMES: Final = ", ".join(_COLUMNS)


def write(
    session: Session, claim: Claim, answers: Sequence[Answer], *, alone: bool = False
) -> None:
    """Insert the answers in one statement; those that are there already stay as they are.

    `alone`: the caller holds the batch's row locked and has written none of these, so there can be
    none, and it need not be asked about each.
    """
    if not answers:
        return
    values: dict[str, Any] = {"batch": claim.id, "fence": claim.fence}
    shown, unnested = [], ["cast(:ids as bigint[])"]
    results = [answer.result for answer in answers]
    for name, kind in _COLUMNS.items():
        column = list(map(attrgetter(name), results if name in _OF_RESULT else answers))
        if column.count(column[0]) == len(column):
            # Most columns are the same for all: they travel, and are read, once.
            shown.append(f"cast(:{name} as {kind})")
            values[name] = column[0] if name != "outcome" else column[0].value
        else:
            shown.append(f"v.{name}")
            unnested.append(f"cast(:{name} as {kind}[])")
            values[name] = literal(column)
    values["ids"] = literal([answer.notification_id for answer in answers])
    several = [name.removeprefix("v.") for name in shown if name.startswith("v.")]
    session.execute(
        text(
            f"insert into attempt (notification_id, batch_id, fence, {_NAMES}) "
            f"select v.id, :batch, :fence, {', '.join(shown)} "
            f"from unnest({', '.join(unnested)}) v({', '.join(['id', *several])}) "
            + ("" if alone else "on conflict (notification_id, batch_id, fence) do nothing")
        ),
        values,
    )


def of_batch(session: Session, claim: Claim) -> dict[int, Answer]:
    """notification -> the answer that was written before the batch's worker died."""
    rows = session.execute(
        text(
            """
            select notification_id, number, provider, outcome, code, detail, provider_id,
                   not_before, duration_ms, at
              from attempt
             where notification_id = any(cast(:ids as bigint[]))
               and batch_id = :batch and fence = :fence
            """
        ),
        {"ids": literal(claim.ids), "batch": claim.id, "fence": claim.fence},
    )
    return {
        row[0]: Answer(
            row[0],
            row[1],
            row[2],
            Result(Outcome(row[3]), row[6], row[4], row[5], row[7], duration_ms=row[8]),
            row[9],
        )
        for row in rows
    }
