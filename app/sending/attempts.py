"""Attempts: what a provider answered, written while a batch is still running."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.arrays import literal
from app.channels.base import Outcome, Result
from app.sending.batches import Claim


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer about one notification."""

    notification_id: int
    number: int
    provider: str
    result: Result
    at: datetime


def write(session: Session, claim: Claim, answers: Sequence[Answer]) -> None:
    """Insert the answers in one statement."""
    if not answers:
        return
    session.execute(
        text(
            """
            insert into attempt (notification_id, batch_id, fence, number, at, provider, outcome,
                                 code, detail, provider_id, not_before, duration_ms)
            select v.id, :batch, :fence, v.number, v.at, v.provider, v.outcome, v.code, v.detail,
                   v.provider_id, v.not_before, v.ms
              from unnest(
                cast(:ids as bigint[]), cast(:numbers as int[]), cast(:ats as timestamptz[]),
                cast(:providers as text[]), cast(:outcomes as text[]), cast(:codes as text[]),
                cast(:details as text[]), cast(:provider_ids as text[]),
                cast(:not_befores as timestamptz[]), cast(:durations as int[])
              ) v(id, number, at, provider, outcome, code, detail, provider_id, not_before, ms)
            on conflict (notification_id, batch_id, fence) do nothing
            """
        ),
        {
            "batch": claim.id,
            "fence": claim.fence,
            "ids": literal([answer.notification_id for answer in answers]),
            "numbers": literal([answer.number for answer in answers]),
            "ats": literal([answer.at for answer in answers]),
            "providers": literal([answer.provider for answer in answers]),
            "outcomes": literal([answer.result.outcome.value for answer in answers]),
            "codes": literal([answer.result.code for answer in answers]),
            "details": literal([answer.result.detail for answer in answers]),
            "provider_ids": literal([answer.result.provider_id for answer in answers]),
            "not_befores": literal([answer.result.not_before for answer in answers]),
            "durations": literal([answer.result.duration_ms for answer in answers]),
        },
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
