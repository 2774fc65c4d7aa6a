"""A small crowd with every combination that rules ask about, and a plain evaluator for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy.orm import Session

from app.audience import consent, contacts, devices, suppressions, topics
from app.audience.consent import Choice
from app.audience.models import Contact, ContactEvent
from app.audience.suppressions import Entry
from app.sending.models import Notification
from app.tracking.models import Event

_numbers = count(1)


@dataclass
class Crowd:
    """People by name, and a few hands to do things to them."""

    session: Session
    now: datetime
    ids: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, created_days_ago: int = 0, **change: Any) -> int:
        key = contacts.upsert(self.session, name, change, self.now).contact_id
        contact = self.session.get(Contact, key)
        assert contact is not None
        contact.created_at = self.now - timedelta(days=created_days_ago)
        self.session.flush()
        self.ids[name] = key
        return key

    def device(self, name: str, platform: str, app: str = "") -> int:
        token = f"{next(_numbers):064x}"
        return devices.register(
            self.session, self.ids[name], platform, token, app, "production", self.now
        )[0].id

    def topic(self, key: str, klass: str = "marketing", default: bool = True) -> int:
        fields = {"key": key, "name": key, "klass": klass, "opted_in_by_default": default}
        return topics.create(self.session, fields, self.now).id

    def choose(self, name: str, topic_id: int, channel: str, opted_in: bool) -> None:
        choice = Choice(topic_id, channel, opted_in)
        consent.set_preferences(self.session, self.ids[name], [choice], "api", {}, self.now)

    def suppress(self, kind: str, address: str) -> None:
        suppressions.add(self.session, [Entry(kind, address, "bounce")], "test", self.now)

    def event(self, name: str, event: str, days_ago: int = 0, **properties: Any) -> None:
        at = self.now - timedelta(days=days_ago)
        row = ContactEvent(contact_id=self.ids[name], name=event, at=at, properties=properties)
        self.session.add(row)
        self.session.flush()

    def message(self, name: str, days_ago: int = 0, **fields: Any) -> int:
        at = self.now - timedelta(days=days_ago)
        row = Notification(
            **{
                "accepted_at": at,
                "handed_at": at,
                "origin": "api",
                "lane": "bulk",
                "channel": "email",
                "status": "accepted",
                "contact_id": self.ids[name],
                "topic_id": 1,
                "version_id": 1,
                **fields,
            }
        )
        self.session.add(row)
        self.session.flush()
        return int(row.id)

    def engaged(self, name: str, kind: str, message: int, days_ago: int = 0, **more: Any) -> None:
        at = self.now - timedelta(days=days_ago)
        row = Event(
            **{
                "notification_id": message,
                "contact_id": self.ids[name],
                "channel": "email",
                "kind": kind,
                "at": at,
                "received_at": at,
                "source": "pixel",
                "verdict": "human",
                **more,
            }
        )
        self.session.add(row)
        self.session.flush()


# --- the same rules, evaluated the slow and obvious way ---------------------------------------


def holds(rule: Mapping[str, Any], person: Mapping[str, Any]) -> bool:
    """Does a rule over country, tags, attributes and devices hold for this dictionary?"""
    if "all" in rule:
        return all(holds(part, person) for part in rule["all"])
    if "any" in rule:
        return any(holds(part, person) for part in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], person)
    return _leaf_holds(rule, person)


def _leaf_holds(leaf: Mapping[str, Any], person: Mapping[str, Any]) -> bool:
    name, op, value = leaf["field"], leaf["op"], leaf.get("value")
    if name == "tags":
        return _tags_hold(op, value, set(person.get("tags", [])))
    if name == "device":
        has = leaf["platform"] in person["devices"] or (
            leaf["platform"] == "any" and bool(person["devices"])
        )
        return has == (op == "has")
    if name == "language":
        found = (person.get("locale") or "").partition("-")[0] or None
    elif name.startswith("attributes."):
        found = person["attributes"].get(name.partition(".")[2])
    else:
        found = person.get(name)
    return _value_holds(op, value, found)


def _tags_hold(op: str, value: Any, found: set[str]) -> bool:
    match op:
        case "any_of":
            return bool(found & set(value))
        case "none_of":
            return not found & set(value)
        case "all_of":
            return found >= set(value)
        case "exists":
            return bool(found)
        case _:
            return not found


def _value_holds(op: str, value: Any, found: Any) -> bool:
    is_number = isinstance(found, (int, float)) and not isinstance(found, bool)
    match op:
        case "is":
            return _same(found, value)
        case "is_not":
            return not _same(found, value)
        case "any_of":
            return any(_same(found, item) for item in value)
        case "none_of":
            return not any(_same(found, item) for item in value)
        case "exists":
            return found is not None
        case "missing":
            return found is None
        case "at_least":
            return is_number and found >= value
        case "less_than":
            return is_number and found < value
        case "contains":
            return not isinstance(found, (bool, list)) and value.lower() in str(found or "").lower()
        case _:
            return isinstance(found, list) and any(_same(item, value) for item in found)


def _same(found: Any, value: Any) -> bool:
    if found is None or isinstance(found, bool) != isinstance(value, bool):
        return False
    return bool(found == value or str(found) == str(value))
