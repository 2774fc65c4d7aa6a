"""People, topics, content and an engine on the sandbox, for tests of what leaves the house."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import settings as herald_settings
from app.audience.models import Contact, Device, Preference, Topic
from app.content.models import TemplateVersion
from app.db import transaction
from app.sending import accept, deliver, sweep
from app.sending import engine as engines
from app.sending.engine import Engine
from app.sending.leases import LeaseKeeper
from app.sending.models import Batch, Notification, ProviderAccount
from app.sending.requests import Accepted, Caller, Recipient, SendRequest
from tests.support.sandbox import SandboxHandle

CONTENT = {
    "email": {
        "subject": "Hello {{ first_name }}",
        "html": '<p>Hello {{ first_name }}</p><p><a href="https://example.com/a">Look</a></p>',
        "text": "",
    },
    "sms": {"body": "Hello {{ first_name }}"},
    "ios": {"title": "Hello", "body": "{{ first_name }}"},
    "android": {"title": "Hello", "body": "{{ first_name }}"},
}


@dataclass
class House:
    """A small workspace whose providers are the sandbox."""

    app: Flask
    engine: Engine
    sandbox: SandboxHandle
    topics: dict[str, int]
    version_id: int

    def contact(self, name: str, **fields: Any) -> int:
        """Create a person; answers the key."""
        with transaction() as session:
            contact = Contact(external_id=name, first_name=name.title(), **fields)
            session.add(contact)
            session.flush()
            return contact.id

    def device(self, contact_id: int, platform: str, token: str) -> int:
        """Register a device that has been there for a year."""
        with transaction() as session:
            device = Device(
                contact_id=contact_id,
                platform=platform,
                token=token,
                app="herald.example.app",
                registered_at=datetime.now(UTC) - timedelta(days=365),
            )
            session.add(device)
            session.flush()
            return device.id

    def opt_out(self, contact_id: int, topic: str, channel: str) -> None:
        """Make a choice against a topic."""
        with transaction() as session:
            session.add(
                Preference(
                    contact_id=contact_id,
                    topic_id=self.topics[topic],
                    channel=channel,
                    opted_in=False,
                    source="test",
                    at=datetime.now(UTC),
                )
            )

    def accept(self, to: Recipient, topic: str = "service", **wishes: Any) -> Accepted:
        """Accept one request of one-off content."""
        request = SendRequest(to=to, topic=topic, version_id=self.version_id, **wishes)
        caller = Caller("api", "req_test")
        with transaction() as session:
            answer = accept.accept(session, [request], caller, datetime.now(UTC))[0]
        assert isinstance(answer, Accepted), answer
        return answer

    def accept_together(self, to: Recipient, count: int, topic: str, **wishes: Any) -> list[int]:
        """So many requests to one person in one call. Answers the keys."""
        wish = SendRequest(to=to, topic=topic, version_id=self.version_id, **wishes)
        return self._accept_all([wish] * count)

    def crowd(self, count: int) -> list[int]:
        """People `p0`, `p1`, … with an address and a number each, at once."""
        with transaction() as session:
            people = [
                Contact(
                    external_id=f"p{n}",
                    first_name=f"P{n}",
                    email=f"p{n}@example.com",
                    phone=f"+4477009{n:05}",
                )
                for n in range(count)
            ]
            session.add_all(people)
            session.flush()
            return [person.id for person in people]

    def accept_for_all(self, count: int, topic: str = "service", **wishes: Any) -> list[int]:
        """One request for each of a crowd, in one call: one batch per channel. Answers the keys."""
        requests = [
            SendRequest(
                to=Recipient(external_id=f"p{n}"),
                topic=topic,
                version_id=self.version_id,
                **wishes,
            )
            for n in range(count)
        ]
        return self._accept_all(requests)

    def _accept_all(self, requests: list[SendRequest]) -> list[int]:
        caller = Caller("api", "req_test")
        with transaction() as session:
            answers = accept.accept(session, requests, caller, datetime.now(UTC))
        return [
            message.key
            for answer in answers
            if isinstance(answer, Accepted)
            for message in answer.messages
        ]

    def deliver_all(self, engine: Engine | None = None) -> int:
        """Send every pending batch in this process; answers how many."""
        with transaction() as session:
            keys = session.scalars(select(Batch.id).where(Batch.state == "pending")).all()
        leases = LeaseKeeper(self.app, self.engine)
        return sum(deliver.deliver(engine or self.engine, leases, key) for key in keys)

    def sweep(self, now: datetime) -> None:
        """One turn of the sweeper at a given moment."""
        with transaction() as session:
            sweep.reap(session, self.engine, now)
        with transaction() as session:
            sweep.settle_unknown(session, self.engine, now)
        with transaction() as session:
            sweep.release_due(session, now)

    def probe_may_go(self, provider: str) -> None:
        """As if ten seconds had passed since the provider's last probe."""
        with transaction() as session:
            account = session.get_one(ProviderAccount, provider)
            account.probe_at = datetime.now(UTC)

    def message(self, key: int) -> Notification:
        """The row of a message as it is now."""
        with transaction() as session:
            return session.scalars(select(Notification).where(Notification.id == key)).one()


@pytest.fixture
def house(app: Flask, sandbox: SandboxHandle) -> Any:
    """A workspace with four topics, content for every channel, and the sandbox as provider."""
    with app.app_context():
        with transaction() as session:
            topics = _topics(session)
            version = TemplateVersion(state="frozen", content=CONTENT)
            session.add(version)
            session.flush()
            version_id = version.id
        found = herald_settings.load(
            {
                "DATABASE_URL": "postgresql://unused",
                "HERALD_VAR_DIR": str(sandbox.var_dir),
                "HERALD_SECRET_KEY": app.config["SECRET_KEY"],
                "HERALD_PUBLIC_URL": "http://herald.test",
            }
        )
        yield House(app, engines.build(found, "test"), sandbox, topics, version_id)


def _topics(session: Session) -> dict[str, int]:
    classes = {
        "security": "security",
        "service": "transactional",
        "offers": "marketing",
        "newsletter": "marketing",
    }
    for key, klass in classes.items():
        if not session.scalar(select(Topic.id).where(Topic.key == key)):
            session.add(Topic(key=key, name=key.title(), klass=klass))
    session.flush()
    return {topic.key: topic.id for topic in session.scalars(select(Topic))}


def with_attempts(engine: Engine, attempts: int) -> Engine:
    """The same engine, giving up after so many tries."""
    return replace(engine, retry_attempts=attempts)
