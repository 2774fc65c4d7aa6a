"""What silence about a message means: have a provider's webhooks been heard, and until when?"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

# Reports about messages handed over so long before a lost one say something about its time.
SHORTLY: Final = timedelta(minutes=2)


def provider_is_talking(
    session: Session, provider: str, moment: datetime, most: int = 2_000
) -> bool:
    """Whether webhooks about messages handed over around this moment have arrived since.

    If they have, a message from then without any webhook was probably not taken; if they have not,
    silence proves nothing. A webhook that came before the moment proves nothing either: what takes
    an answer may take the webhooks from then on as well. Looks at `most` attempts on each side.
    """
    return bool(
        session.scalar(
            text(
                """
                select exists (
                  select from (
                    (select notification_id from attempt
                      where id >= :then and provider = :provider and outcome = 'accepted'
                      order by id limit :recent)
                    union all
                    (select notification_id from attempt
                      where id >= :shortly_before and id < :then
                        and provider = :provider and outcome = 'accepted'
                      order by id desc limit :recent)
                  ) a
                  where exists (select from event e where e.source = :provider
                                   and e.notification_id = a.notification_id
                                   and e.received_at >= :moment)
                )
                """
            ),
            {
                "shortly_before": first_attempt_since(session, moment - SHORTLY),
                "then": first_attempt_since(session, moment),
                "moment": moment,
                "provider": provider,
                "recent": most,
            },
        )
    )


def heard_until(session: Session, now: datetime) -> datetime:
    """Whatever webhooks told us before this moment has been applied.

    Silence of a message means nothing until then: what proves it may be among those that wait. One
    that was looked at already, and could not be applied or found no message, is not waited for.
    """
    oldest: datetime | None = session.scalar(
        text(
            """
            select received_at from receipt
             where applied_at is null and due_at <= :now and tries = 0
             order by due_at limit 1
            """
        ),
        {"now": now},
    )
    return now if oldest is None else min(oldest, now)


def first_attempt_since(session: Session, moment: datetime) -> int:
    """The key of about the first attempt at or after a moment, by halving: keys follow time."""
    found = session.scalar(
        text(
            """
            with recursive span(low, high) as (
              select coalesce(min(id), 0), coalesce(max(id), -1) + 1 from attempt
              union all
              select case when probe.at < :moment then probe.id + 1 else span.low end,
                     case when probe.at < :moment then span.high else middle.key end
                from span,
                     lateral (select (span.low + span.high) / 2 as key) middle,
                     lateral (select a.id, a.at from attempt a where a.id >= middle.key
                               order by a.id limit 1) probe
               where span.low < span.high
            )
            select low from span where low >= high limit 1
            """
        ),
        {"moment": moment},
    )
    return int(found or 0)
