"""Answers that were lost while their batch is still on its way: shown at once, not at its end.

The thread that sends notes them, the lease keeper's moves their messages to `unknown`. So the
search for evidence begins, and staff can see it, although a slow provider keeps the rest of the
batch waiting for half a minute.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.sending import retry, states
from app.sending.attempts import Answer
from app.sending.batches import Claim
from app.sending.states import Change


class Lost:
    """Those of one batch. One thread adds, one other shows."""

    def __init__(self) -> None:
        self._found: list[Answer] = []
        self._shown: set[int] = set()

    def add(self, answer: Answer) -> None:
        """One more message nobody knows about."""
        self._found.append(answer)

    def waiting(self) -> Sequence[Answer]:
        """Those that are not shown yet."""
        return [] if len(self._found) == len(self._shown) else self._found[len(self._shown) :]

    def shown(self, answers: Sequence[Answer]) -> None:
        """These, the first of `waiting`, have been written down."""
        self._shown.update(answer.notification_id for answer in answers)

    def without_shown(self, answers: Sequence[Answer]) -> Sequence[Answer]:
        """The answers whose consequences are still to be drawn."""
        if not self._shown:
            return answers
        return [answer for answer in answers if answer.notification_id not in self._shown]


def show(session: Session, claim: Claim, answers: Sequence[Answer], now: datetime) -> None:
    """Move these messages to `unknown`, unless somebody else has the batch by now."""
    if not _is_ours(session, claim):
        return
    changes = [
        Change(
            answer.notification_id,
            "unknown",
            None,
            answer.at,
            attempts=answer.number,
            send_after=now + retry.EVIDENCE_WINDOW,
            provider=answer.provider,
        )
        for answer in answers
    ]
    states.move(session, changes, now, (claim.accepted_from, claim.accepted_to))


def _is_ours(session: Session, claim: Claim) -> bool:
    """The row stays locked, so that it remains so until the end of the transaction."""
    found = session.scalar(
        text(
            """
            select true from batch
             where id = :id and fence = :fence and state = 'dispatching' for share
            """
        ),
        {"id": claim.id, "fence": claim.fence},
    )
    return bool(found)
