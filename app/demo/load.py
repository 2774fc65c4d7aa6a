"""Everything the demo consists of, in the order it depends on each other."""

import random
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert, select, text

from app.accounts import api_keys, members
from app.audience import consent, contacts, segments, suppressions, topics
from app.audience.consent import Choice
from app.audience.models import Contact, Device, Segment
from app.audience.suppressions import Entry
from app.content.models import Template, TemplateVersion
from app.db import transaction
from app.demo import catalogue, past, people
from app.demo.content import publish_all
from app.demo.past import House
from app.sending import accept
from app.sending.requests import Caller, Recipient, SendRequest
from app.settings import Settings

PEOPLE: Final = 5_000
CHUNK: Final = 1_000
REQUESTS: Final = 60
MEMBERS: Final = (
    ("owner", "Maya Lindqvist"),
    ("marketer", "Tom Adeyemi"),
    ("support", "Priya Nair"),
    ("developer", "Jonas Vogel"),
    ("viewer", "Ailsa Reid"),
)
APP: Final = "example.juniper.app"


class RealProviders(Exception):
    """Demo people look real; they must not be written to by a real provider."""


def load(settings: Settings, now: datetime) -> Mapping[str, Any]:
    """Make everything; answers members with their passwords and the two keys' secrets."""
    if not settings.only_sandbox():
        raise RealProviders("A real provider is configured, so no demo data is made.")
    staff = _members(now)
    keys = _keys(now)
    _topics(now)
    _people(now)
    _devices(now)
    _choices(now)
    _analyse()  # 5,000 people came at once: without figures about them, campaigns are planned badly
    house = _house(now)
    for plan in sorted(catalogue.PAST, key=lambda past: -past.days_ago):
        past.run(house, plan, now)
    _requests(now)
    _analyse()
    return {"members": staff, "keys": keys}


def _analyse() -> None:
    """Let the planner know what is there: only the tables that hold something.

    A month's part of the log that was looked at while it was empty is thought to be empty, and is
    read from one end to the other for each message, until it is looked at again.
    """
    with transaction() as session:
        names = session.scalars(
            text(
                """
                select string_agg(oid::regclass::text, ', ') from pg_class
                 where relkind = 'r' and relnamespace = 'public'::regnamespace
                   and pg_relation_size(oid) > 0
                """
            )
        ).one()
        session.execute(text(f"analyze {names}"))


def _members(now: datetime) -> list[dict[str, str]]:
    made = []
    for role, name in MEMBERS:
        email = f"{role}@herald.example"
        password = f"{role}-{secrets.token_hex(5)}"
        with transaction() as session:
            if members.by_email(session, email) is None:
                members.create_member(session, email, name, role, password, now)
        made.append({"role": role, "email": email, "password": password})
    return made


def _keys(now: datetime) -> dict[str, str]:
    scopes = ["send", "contacts", "read", "campaigns"]
    with transaction() as session:
        _, live = api_keys.create_key(session, "Demo shop", scopes, False, None, now)
        _, test = api_keys.create_key(session, "Demo shop (test)", scopes, True, None, now)
    return {"live": live, "test": test}


def _topics(now: datetime) -> None:
    with transaction() as session:
        known = {topic.key for topic in topics.all_topics(session, archived=True)}
        for position, (key, name, klass, description, default) in enumerate(catalogue.TOPICS):
            if key not in known:
                fields = {
                    "key": key,
                    "name": name,
                    "klass": klass,
                    "description": description,
                    "opted_in_by_default": default,
                    "position": position,
                }
                topics.create(session, fields, now)


def _people(now: datetime) -> None:
    everyone = list(people.generate(PEOPLE, now))
    for start in range(0, len(everyone), CHUNK):
        with transaction() as session:
            contacts.upsert_many(session, everyone[start : start + CHUNK], now)
    with transaction() as session:
        session.execute(
            text(
                """
                update contact set created_at = cast(attributes->>'joined_on' as date),
                       last_seen_at = cast(:now as timestamptz) - (id % 90) * interval '1 day'
                 where external_id like 'u-%' and attributes ? 'joined_on'
                """
            ),
            {"now": now},
        )


def _devices(now: datetime) -> None:
    """Two in five have the app: one phone each, some two."""
    chance = random.Random(people.SEED)
    with transaction() as session:
        keys = session.scalars(select(Contact.id).order_by(Contact.id)).all()
        rows = [row for key in keys for row in _phones(key, chance, now)]
        session.execute(insert(Device), rows)


def _phones(contact_id: int, chance: random.Random, now: datetime) -> list[dict[str, Any]]:
    platforms = chance.choices(
        ([], ["ios"], ["android"], ["ios", "android"]), weights=(60, 19, 18, 3)
    )[0]
    return [
        {
            "contact_id": contact_id,
            "platform": platform,
            "token": chance.randbytes(32).hex()
            if platform == "ios"
            else chance.randbytes(72).hex() + ":APA91b",
            "app": APP,
            "registered_at": now - timedelta(days=chance.randint(100, 800)),
            "last_seen_at": now - timedelta(days=chance.randint(0, 25)),
        }
        for platform in platforms
    ]


def _choices(now: datetime) -> None:
    """Some opted out of offers on a channel, some addresses cannot be used."""
    chance = random.Random(people.SEED + 1)
    then = now - timedelta(days=95)
    with transaction() as session:
        by_key = {topic.key: topic.id for topic in topics.all_topics(session)}
        keys = session.scalars(select(Contact.id).order_by(Contact.id)).all()
        outs = [
            (key, Choice(by_key[topic], channel, opted_in=False))
            for topic, channel, share in (
                ("offers", "email", 0.09),
                ("newsletter", "email", 0.06),
                ("offers", "ios", 0.03),
                ("offers", "sms", 0.05),
            )
            for key in keys
            if chance.random() < share
        ]
        consent.write(session, outs, "preference page", {}, then)
        emails = session.scalars(
            select(Contact.email).where(Contact.email.is_not(None)).order_by(Contact.id)
        ).all()
        chosen = [email for email in emails if email and chance.random() < 0.012]
        entries = [
            Entry("email", email, chance.choice(("bounce", "bounce", "complaint")))
            for email in chosen
        ]
        suppressions.add(session, entries, "sendgrid", then)


def _house(now: datetime) -> House:
    with transaction() as session:
        owner = members.by_email(session, "marketer@herald.example")
        member_id = owner.id if owner else 0
        by_key = {topic.key: topic for topic in topics.all_topics(session)}
        versions = publish_all(session, by_key, member_id, now)
        saved = {
            name: segments.create(session, _segment(name, rule, description), member_id, now).id
            for name, description, rule in catalogue.SEGMENTS
        }
        for segment_id in saved.values():
            segments.recount(session, session.get_one(Segment, segment_id), now)
    return House({key: topic.id for key, topic in by_key.items()}, saved, versions, member_id)


def _requests(now: datetime) -> None:
    """What the shop's services asked for this morning: workers send it for real, to the sandbox."""
    wanted = ("order-shipped", "payment-receipt", "sign-in-code")
    with transaction() as session:
        found = session.execute(
            select(Template.key, TemplateVersion.sample_data)
            .join(TemplateVersion, TemplateVersion.id == Template.published_version_id)
            .where(Template.key.in_(wanted))
        )
        data = {row.key: row.sample_data for row in found}
        requests = [
            SendRequest(
                to=Recipient(external_id=f"u-{1000 + number}"),
                template=wanted[number % len(wanted)],
                data=data[wanted[number % len(wanted)]],
            )
            for number in range(1, REQUESTS + 1)
        ]
        accept.accept(session, requests, Caller("api", "req_demo"), now)


def _segment(name: str, rule: Mapping[str, Any], description: str) -> Mapping[str, Any]:
    return {"name": name, "rule": rule, "description": description}
