"""What is not needed any more."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.sending.models import Idempotency

ANSWERS_KEPT: Final = timedelta(days=7)


def forget_answers(session: Session, now: datetime) -> int:
    """Idempotency keys are honoured for seven days."""
    doomed = delete(Idempotency).where(Idempotency.created_at < now - ANSWERS_KEPT)
    return int(session.execute(doomed).rowcount)  # type: ignore[attr-defined]
