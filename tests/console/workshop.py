"""People, a topic and a segment, and a marketer's browser with a draft open in the composer."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import ids
from app.audience.models import Contact, Preference, Segment, Topic
from app.campaigns.models import Campaign
from app.db import transaction

LETTER = {
    "subject": "Hello {{ first_name|default('there') }}",
    "preheader": "News",
    "html": '<p>Hello</p><a href="{{ unsubscribe_url }}">Unsubscribe</a>',
    "text": "",
}


@dataclass
class Workshop:
    """What the composer needs around it. `path` is the address of the open draft."""

    app: Flask
    browser: FlaskClient
    segment: str
    path: str = ""

    def campaign(self) -> Campaign:
        """The open draft as the database has it."""
        with self.app.app_context(), transaction() as session:
            key = ids.decode("cmp", self.path.rpartition("/")[2])
            return session.scalars(select(Campaign).where(Campaign.id == key)).one()

    def post(self, part: str, /, htmx: bool = False, **form: Any) -> Any:
        """Post to a part of the draft; `revision` is the current one unless given."""
        form.setdefault("revision", self.campaign().revision)
        headers = {"HX-Request": "true"} if htmx else {}
        return self.browser.post(f"{self.path}/{part}", data=form, headers=headers)

    def get(self, part: str, /, **query: str) -> Any:
        """A fragment of the draft's pages."""
        headers = {"HX-Request": "true"} if part.startswith("_") else {}
        return self.browser.get(f"{self.path}/{part}", query_string=query, headers=headers)

    def choose_audience(self, **changed: Any) -> Any:
        """Everybody who wants offers, by e-mail."""
        form = {
            "step": "audience",
            "include": [self.segment],
            "kind": "marketing",
            "topic": "offers",
            "channels": ["email"],
            "order": ["email", "ios", "android", "sms"],
        }
        return self.post("_save", htmx=True, **{**form, **changed})

    def write_letter(self, **changed: Any) -> Any:
        """An e-mail that may be sent."""
        return self.post("content/email/_check", htmx=True, **{**LETTER, **changed})


def furnish(app: Flask, browser: FlaskClient, people: int = 3) -> Workshop:
    """Make people p-0, p-1 … of whom p-0 opted out, a topic and a segment; open a new draft."""
    with app.app_context(), transaction() as session:
        topic = Topic(key="offers", name="Offers", klass="marketing")
        segment = Segment(name="Everyone", rule={"all": []})
        contacts = [
            Contact(external_id=f"p-{n}", first_name=f"Name{n}", email=f"p{n}@example.com")
            for n in range(people)
        ]
        session.add_all([topic, segment, *contacts])
        session.flush()
        session.add(
            Preference(
                contact_id=contacts[0].id,
                topic_id=topic.id,
                channel="email",
                opted_in=False,
                source="test",
                at=datetime(2026, 11, 3, tzinfo=UTC),
            )
        )
        segment_id = ids.encode("seg", segment.id)
    shop = Workshop(app, browser, segment_id)
    shop.path = browser.post("/campaigns/new").location.removesuffix("/audience")
    return shop
