"""Which queues hold fewer messages than batches wait for a worker."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import jobs


def lengths() -> dict[str, int]:
    """queue -> messages that no worker has taken. Without the queues that cannot be reached."""
    found = {queue: jobs.waiting(queue) for queue in jobs.QUEUES}
    return {queue: length for queue, length in found.items() if length is not None}


def short(session: Session, waiting: dict[str, int]) -> list[str]:
    """Queues in which messages are missing.

    Only to these may messages be added for batches that were asked for before: else a queue grows
    for as long as its workers are away, and they come back to messages about nothing.
    """
    rows = session.execute(
        text(
            "select channel || '.' || lane, count(*) from batch where state = 'pending' group by 1"
        )
    )
    pending = {row[0]: row[1] for row in rows}
    return [queue for queue, length in waiting.items() if length < pending.get(queue, 0)]
