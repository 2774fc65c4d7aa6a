"""Messages with a past, written straight into the log: for tests of screens."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select

from app import ids
from app.audience.models import Contact, Topic
from app.content.models import TemplateVersion
from app.db import transaction
from app.sending.models import Attempt, Batch, Notification
from app.tracking.models import Event

CONTENT = {
    "email": {"subject": "Parcel for {{ first_name }}", "html": "<p>Hi {{ first_name }}</p>"},
    "sms": {"body": "Your code is {{ code }}"},
}


def message(app: Flask, status: str = "delivered", **fields: Any) -> str:
    """A message to Ann of the `shop` fixture; answers its public id."""
    at = fields.pop("accepted_at", datetime.now(UTC) - timedelta(minutes=30))
    with app.app_context(), transaction() as session:
        ann = session.scalars(select(Contact).where(Contact.external_id == "u-ann")).one()
        topic = session.scalars(select(Topic).where(Topic.key == "parcels")).one()
        version = TemplateVersion(state="frozen", content=CONTENT)
        session.add(version)
        session.flush()
        values = {
            "accepted_at": at,
            "origin": "api",
            "lane": "transactional",
            "channel": "email",
            "contact_id": ann.id,
            "topic_id": topic.id,
            "version_id": version.id,
            "address": ann.email,
            "handed_at": at + timedelta(seconds=2) if status in ("accepted", "delivered") else None,
            "final_at": at + timedelta(seconds=5) if status not in ("queued", "held") else None,
            "dead_at": at + timedelta(seconds=5) if status == "failed" else None,
            **fields,
        }
        row = Notification(status=status, **values)
        session.add(row)
        session.flush()
        return ids.encode("ntf", row.id)


def attempt(
    app: Flask, public_id: str, outcome: str = "accepted", code: str = "202", **fields: Any
) -> None:
    """One call to a provider about the message, in a batch of its own that is done."""
    with app.app_context(), transaction() as session:
        row = session.scalars(select(Notification).where(Notification.id == key(public_id))).one()
        at = row.accepted_at + timedelta(seconds=2)
        batch = Batch(
            channel=row.channel,
            lane=row.lane,
            ids=[row.id],
            accepted_from=row.accepted_at,
            accepted_to=row.accepted_at,
            state="done",
            created_at=fields.pop("created_at", row.accepted_at),
            dispatched_at=at,
            done_at=fields.pop("done_at", at),
        )
        session.add(batch)
        session.flush()
        session.add(
            Attempt(
                notification_id=row.id,
                batch_id=batch.id,
                fence=1,
                number=fields.pop("number", 1),
                at=fields.pop("at", at),
                provider=fields.pop("provider", "sendgrid"),
                outcome=outcome,
                code=code,
                detail=fields.pop("detail", ""),
                duration_ms=40,
                **fields,
            )
        )


def event(app: Flask, public_id: str, kind: str, verdict: str | None = None, **said: str) -> None:
    """Something that came back about the message."""
    with app.app_context(), transaction() as session:
        row = session.scalars(select(Notification).where(Notification.id == key(public_id))).one()
        at = row.accepted_at + timedelta(minutes=1)
        session.add(
            Event(
                notification_id=row.id,
                contact_id=row.contact_id,
                channel=row.channel,
                kind=kind,
                at=at,
                received_at=at,
                source="test",
                verdict=verdict,
                detail=said,
            )
        )


def key(public_id: str) -> int:
    """The key behind a message's public id."""
    found = ids.decode("ntf", public_id)
    assert found is not None
    return found


def ann_id(app: Flask) -> str:
    """The public id of Ann."""
    with app.app_context(), transaction() as session:
        ann = session.scalars(select(Contact).where(Contact.external_id == "u-ann")).one()
        return ids.encode("con", ann.id)


def status_of(app: Flask, public_id: str) -> str:
    """The message's status now."""
    with app.app_context(), transaction() as session:
        found = select(Notification.status).where(Notification.id == key(public_id))
        return str(session.scalar(found))
