"""A product's service that calls the API: its key, its template, its requests."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from app import clock
from app.accounts import api_keys
from app.audience.models import Topic
from app.bench import load
from app.bench.figures import NotReal
from app.bench.load import Plan, Request
from app.bench.scratch import Scratch
from app.content import drafts, templates
from app.db import transaction

TEMPLATE: Final = "bench-receipt"
SINGLE: Final = "/api/v1/notifications"
BATCH: Final = "/api/v1/notifications/batch"
_SAMPLE: Final = {"name": "Ada", "number": "1"}
_CONTENT: Final = {
    "email": {
        "subject": "Your order {{ number }}",
        "html": "<p>Thank you, {{ name }}. Your order {{ number }} is on its way.</p>"
        '<p><a href="https://shop.example.com/orders">Follow it</a></p>',
        "text": "",
    }
}


@dataclass(slots=True)
class Caller:
    """Makes requests to bare addresses, each address once."""

    house: Scratch
    key_id: int
    version_id: int
    secret: str
    used: int = 0

    def headers(self) -> list[str]:
        """What goes with each call."""
        return [f"Authorization: Bearer {self.secret}", "Content-Type: application/json"]

    def singles(self, number: int) -> list[Request]:
        """So many calls for one message each."""
        return [Request(SINGLE, orjson.dumps(self._item()).decode()) for _ in range(number)]

    def batches(self, number: int, size: int) -> list[Request]:
        """So many calls for `size` messages each."""
        return [
            Request(
                BATCH, orjson.dumps({"notifications": [self._item() for _ in range(size)]}).decode()
            )
            for _ in range(number)
        ]

    def plan(self, requests: list[Request], per_second: float = 0.0) -> Plan:
        """These calls, to Herald."""
        web_url = self.house.place.web_url
        return Plan(web_url, self.headers(), requests, load.CONNECTIONS, per_second)

    def _item(self) -> dict[str, Any]:
        self.used += 1
        return {
            "template": TEMPLATE,
            "to": {"email": f"buyer{self.used}@example.com"},
            "data": {"name": "Ada", "number": str(self.used)},
        }


def make(house: Scratch) -> Caller:
    """A key that may send, and a published template of a transactional topic."""
    now = clock.now()
    with transaction() as session:
        topic = Topic(key="bench-receipts", name="Receipts", klass="transactional")
        session.add(topic)
        session.flush()
        template = templates.create(
            session, key=TEMPLATE, name="Receipt", topic_id=topic.id, now=now
        )
        drafts.save(session, template, _CONTENT, sample_data=_SAMPLE, by=None, now=now)
        version = drafts.publish(session, template, klass=topic.klass, by=None, now=now)
        key, secret = api_keys.create_key(session, "bench", ["send"], False, None, now)
        return Caller(house, key.id, version.id, secret)


def must_be(what: str, found: int, expected: int) -> None:
    """Raises NotReal unless there are as many as there have to be."""
    if found != expected:
        raise NotReal(f"There are {found:,} {what}, not {expected:,}.")
