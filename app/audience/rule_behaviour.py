"""Conditions on what people did: messages sent, opened and clicked, and events of the product.

`notification` and `event` belong to packages above this one, so they are plain tables here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    Text,
    column,
    func,
    select,
    table,
)

from app.audience import rule_json
from app.audience.models import Contact, ContactEvent

Condition = ColumnElement[bool]

NOTIFICATION: Final = table(
    "notification",
    column("id", BigInteger),
    column("accepted_at", DateTime(timezone=True)),
    column("handed_at", DateTime(timezone=True)),
    column("contact_id", BigInteger),
    column("campaign_id", BigInteger),
    column("channel", Text),
    column("status", Text),
    column("test", Boolean),
)
EVENT: Final = table(
    "event",
    column("notification_id", BigInteger),
    column("contact_id", BigInteger),
    column("campaign_id", BigInteger),
    column("channel", Text),
    column("kind", Text),
    column("verdict", Text),
    column("at", DateTime(timezone=True)),
)
# A message may wait this long between acceptance (which names its partition) and hand-over.
_LONGEST_WAIT: Final = timedelta(days=90)
_STATUSES: Final = {"delivered": "delivered", "bounced": "bounced"}


def there_is(anything: Any, *conditions: ColumnElement[bool]) -> Condition:
    """EXISTS with these conditions; one of them ties the rows to the contact."""
    return select(anything).where(*conditions).correlate(Contact).exists()


def engagement(extra: Mapping[str, Any], now: datetime) -> Condition:
    """At least `times` messages were sent, delivered, opened, clicked … within `days`."""
    since = now - timedelta(days=extra["days"]) if extra["days"] else None
    if extra["event"] in ("opened", "clicked"):
        rows, who, what = EVENT.c, EVENT.c.contact_id, EVENT.c.notification_id
        wanted = _opened(extra["event"], since)
    else:
        rows, who, what = NOTIFICATION.c, NOTIFICATION.c.contact_id, NOTIFICATION.c.id
        wanted = _sent(extra["event"], since)
    if extra["campaign"] is not None:
        wanted.append(rows.campaign_id == extra["campaign"])
    if extra["channel"]:
        wanted.append(rows.channel == extra["channel"])
    return _at_least(who, what, wanted, extra["times"])


def product_event(extra: Mapping[str, Any], now: datetime) -> Condition:
    """At least `times` events of this name within `days`, with these properties."""
    wanted: list[ColumnElement[bool]] = [ContactEvent.name == extra["name"]]
    if extra["days"]:
        wanted.append(ContactEvent.at >= now - timedelta(days=extra["days"]))
    wanted += [rule_json.where(ContactEvent.properties, item) for item in extra["where"]]
    return _at_least(ContactEvent.contact_id, ContactEvent.id, wanted, extra["times"])


def _opened(kind: str, since: datetime | None) -> list[ColumnElement[bool]]:
    """What machines opened and clicked does not count."""
    wanted: list[ColumnElement[bool]] = [
        EVENT.c.kind == kind,
        EVENT.c.verdict.is_distinct_from("machine"),
    ]
    if since is not None:
        wanted.append(EVENT.c.at >= since)
    return wanted


def _sent(kind: str, since: datetime | None) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [
        NOTIFICATION.c.test.is_(False),
        NOTIFICATION.c.handed_at.is_not(None),
    ]
    if kind in _STATUSES:
        wanted.append(NOTIFICATION.c.status == _STATUSES[kind])
    if since is not None:
        wanted.append(NOTIFICATION.c.handed_at >= since)
        wanted.append(NOTIFICATION.c.accepted_at >= since - _LONGEST_WAIT)
    return wanted


def _at_least(who: Any, what: Any, wanted: Sequence[ColumnElement[bool]], times: int) -> Condition:
    if times == 1:
        return there_is(who, who == Contact.id, *wanted)
    enough = (
        select(who.label("contact_id"))
        .where(*wanted)
        .group_by(who)
        .having(func.count(what.distinct()) >= times)
        .subquery()
    )
    return there_is(enough.c.contact_id, enough.c.contact_id == Contact.id)
