"""People, content and messages in the database, without going through a whole send."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.audience.models import Contact, Topic
from app.campaigns.models import Campaign
from app.content.models import Link, TemplateVersion
from app.sending import ledger
from app.sending.models import Notification


@dataclass
class World:
    """A topic of each class, a version with three links, and messages made on demand."""

    session: Session
    now: datetime
    offers: Topic
    orders: Topic
    security: Topic
    version: TemplateVersion
    links: Sequence[Link]
    made: int = field(default=0)

    def contact(self, **values: Any) -> Contact:
        """One person with an address on every channel."""
        self.made += 1
        given = {
            "external_id": f"u-{self.made}",
            "email": f"person{self.made}@example.com",
            "phone": f"+4477009{self.made:05d}",
            "first_name": "Amara",
        }
        contact = Contact(**{**given, **values})
        self.session.add(contact)
        self.session.flush()
        return contact

    def campaign(self, name: str = "November newsletter", **values: Any) -> Campaign:
        """A campaign that was launched."""
        given = {"status": "sending", "launched_at": self.now, "channels": ["email"]}
        campaign = Campaign(
            name=name, topic_id=self.offers.id, version_id=self.version.id, **{**given, **values}
        )
        self.session.add(campaign)
        self.session.flush()
        return campaign

    def message(self, contact: Contact | None = None, **values: Any) -> Notification:
        """One message; by default an e-mail that was handed over a minute ago."""
        channel = values.get("channel", "email")
        address = None
        if contact is not None:
            address = contact.phone if channel == "sms" else contact.email
        status = values.get("status", "accepted")
        handed = status in ("accepted", "delivered", "bounced")
        given = {
            "accepted_at": self.now - timedelta(minutes=2),
            "origin": "api",
            "lane": "bulk",
            "channel": channel,
            "status": status,
            "contact_id": contact.id if contact else None,
            "address": address,
            "topic_id": self.offers.id,
            "version_id": self.version.id,
            "handed_at": self.now - timedelta(minutes=1) if handed else None,
        }
        message = Notification(**{**given, **values})
        self.session.add(message)
        self.session.flush()
        moved = ledger.Moved(
            message.campaign_id, message.channel, None, None, message.status, message.reason
        )
        ledger.record(self.session, [moved], message.accepted_at)
        return message


def world(session: Session, now: datetime) -> World:
    """Fresh rows in the given session; nothing is committed."""
    topics = [
        Topic(key="offers", name="Offers", klass="marketing", position=3, description="Sales."),
        Topic(key="orders", name="Order updates", klass="transactional", position=2),
        Topic(key="security", name="Security", klass="security", position=1),
    ]
    version = TemplateVersion(state="frozen", content={"email": {"subject": "Hello"}})
    session.add_all([*topics, version])
    session.flush()
    links = [
        Link(version_id=version.id, number=number, channel="email", url=url, label=f"Link {number}")
        for number, url in enumerate(
            ["https://shop.example/a", "https://shop.example/b", "https://shop.example/c"]
        )
    ]
    session.add_all(links)
    session.flush()
    return World(session, now, *topics, version, links)
