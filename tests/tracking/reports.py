"""Posts of providers, as they come and as they are applied."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import text
from sqlalchemy.orm import Session

from app import ids
from app.sending.models import Notification
from app.tracking import receipts
from app.tracking.receipts import Outcome
from tests.support.clock import START
from tests.support.messages import World


def sendgrid(
    message: Notification | int, kind: str, number: int = 0, **more: Any
) -> dict[str, Any]:
    key = message if isinstance(message, int) else message.id
    return {
        "email": "someone@example.com",
        "timestamp": int(START.timestamp()) - 30,
        "event": kind,
        "sg_event_id": f"{kind}-{key}-{number}",
        "sg_message_id": "abc.filter1",
        "nid": ids.encode("ntf", key),
        "att": "1",
        **more,
    }


def keep(session: Session, events: Sequence[Any], now: datetime, **context: Any) -> int:
    return receipts.store(session, "sendgrid", json.dumps(events).encode(), context, now)


def apply(world: World, *events: Any) -> Outcome:
    keep(world.session, events, world.now)
    return receipts.apply(world.session, world.now)


def status_of(world: World, message: Notification) -> tuple[str, str | None]:
    row = world.session.execute(
        text("select status, reason from notification where id = :id"), {"id": message.id}
    ).one()
    return row[0], row[1]


def suppressed(world: World) -> dict[str, tuple[str, str]]:
    rows = world.session.execute(text("select address, reason, scope from suppression"))
    return {row[0]: (row[1], row[2]) for row in rows}


def twilio(world: World, message: Notification, status: str, code: str = "") -> Outcome:
    fields = {"MessageSid": "SM1", "MessageStatus": status, "ErrorCode": code}
    context = {"nid": ids.encode("ntf", message.id), "att": "1"}
    body = urlencode(fields).encode()
    receipts.store(world.session, "twilio_status", body, context, world.now)
    return receipts.apply(world.session, world.now)
