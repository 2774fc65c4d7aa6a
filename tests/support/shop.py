"""A small shop for tests of the API: topics, one published template, two people."""

from datetime import UTC, datetime

import pytest
from flask import Flask

from app.audience import contacts, topics
from app.content import drafts, templates
from app.db import transaction

NOW = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
CONTENT = {
    "email": {"subject": "Order {{ order.number }}", "text": "Hi {{ first_name|default('you') }}"},
    "sms": {"body": "Order {{ order.number }} is on its way"},
}


@pytest.fixture
def shop(app: Flask) -> None:
    """Template `order-shipped` (e-mail, SMS), topics `parcels` and `deals`, Ann and Bob."""
    with app.app_context(), transaction() as session:
        for key, klass in (("parcels", "transactional"), ("deals", "marketing")):
            fields = {"key": key, "name": key.title(), "klass": klass}
            topic = topics.create(session, fields, NOW)
            if key == "parcels":
                parcels = topic.id
        template = templates.create(
            session, key="order-shipped", name="Order shipped", topic_id=parcels, now=NOW
        )
        sample = {"order": {"number": "7"}}
        drafts.save(session, template, CONTENT, sample_data=sample, now=NOW)
        drafts.publish(session, template, klass="transactional", now=NOW)
        ann = {"first_name": "Ann", "email": "ann@example.com", "phone": "+447700900412"}
        contacts.upsert(session, "u-ann", ann, NOW)
        contacts.upsert(session, "u-bob", {"first_name": "Bob", "email": "bob@example.com"}, NOW)
