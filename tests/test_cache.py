"""The cache may lose everything and is never waited for."""

import contextlib
import time
from datetime import datetime
from typing import Any

import pytest
import redis
from prometheus_client import REGISTRY
from sqlalchemy.orm import Session

from app import cache
from app.audience import consent, contacts, devices, lookup, topics
from app.audience.consent import Choice
from app.cache import Cache
from app.db import transaction


@pytest.fixture
def kept(valkey: "redis.Redis") -> Cache:
    return Cache(valkey, "test")


def counted(kind: str, result: str) -> float:
    labels = {"kind": kind, "result": result}
    return REGISTRY.get_sample_value("herald_cache_requests_total", labels) or 0.0


def test_what_was_kept_is_found(kept: Cache) -> None:
    kept.set_many("thing", {"a": {"n": 1}, "b": [2]})
    assert kept.get_many("thing", ["a", "b", "c"]) == {"a": {"n": 1}, "b": [2]}


def test_hits_and_misses_are_counted(kept: Cache) -> None:
    before = counted("counted", "hit"), counted("counted", "miss")
    kept.set_many("counted", {"a": 1})
    kept.get_many("counted", ["a", "b", "c"])
    assert counted("counted", "hit") - before[0] == 1
    assert counted("counted", "miss") - before[1] == 2


def test_a_slow_reader_cannot_bring_back_what_was_changed(kept: Cache) -> None:
    old = {"a": "as read before the change"}
    kept.invalidate("thing", ["a"])
    kept.set_many("thing", old)
    assert kept.get_many("thing", ["a"]) == {}


def test_what_is_near_is_not_asked_for_until_it_is_changed_here(kept: Cache) -> None:
    kept.set_many("thing", {"a": 1, "b": 2})
    assert kept.get_near("thing", ["a"]) == {"a": 1}
    kept._client.flushdb()  # type: ignore[union-attr]
    assert kept.get_near("thing", ["a", "b"]) == {"a": 1}
    kept.invalidate("thing", ["a"])
    assert kept.get_near("thing", ["a"]) == {}


def test_after_a_change_not_every_look_up_asks_the_database(kept: Cache) -> None:
    kept.invalidate("thing", ["a"])
    kept.set_near("thing", {"a": "new"})
    assert kept.get_many("thing", ["a"]) == {}, "Redis keeps nothing for a while"
    assert kept.get_near("thing", ["a"]) == {"a": "new"}
    time.sleep(cache.NEAR_SECONDS)
    assert kept.get_near("thing", ["a"]) == {}


def test_a_change_elsewhere_is_seen_within_a_second(kept: Cache, valkey: "redis.Redis") -> None:
    other = Cache(valkey, "test")
    kept.set_many("thing", {"a": "old"})
    kept.get_near("thing", ["a"])
    other.invalidate("thing", ["a"])
    time.sleep(cache.NEAR_SECONDS)
    assert kept.get_near("thing", ["a"]) == {}


def test_without_redis_everything_is_a_miss_and_soon_nobody_asks() -> None:
    away = Cache.connect("redis://127.0.0.1:1/0")
    assert away.get_many("thing", ["a"]) == {}
    began = time.monotonic()
    for _ in range(1000):
        away.set_many("thing", {"a": 1})
        away.invalidate("thing", ["a"])
    assert time.monotonic() - began < 1


def test_a_change_is_forgotten_only_when_it_is_committed(app: Any, now: datetime) -> None:
    with app.app_context():
        with transaction() as session:
            contacts.upsert(session, "u-1", {"first_name": "Ada"}, now)
        cache.shared()._client.flushdb()  # type: ignore[union-attr]
        assert found("u-1").first_name == "Ada"
        with contextlib.suppress(RuntimeError), transaction() as session:
            contacts.upsert(session, "u-1", {"first_name": "Eve"}, now)
            raise RuntimeError
        assert found("u-1").first_name == "Ada"


def test_every_writer_of_a_person_invalidates(app: Any, now: datetime) -> None:
    with app.app_context():
        with transaction() as session:
            person = contacts.upsert(session, "u-1", {}, now).contact_id
            fields = {"key": "offers", "name": "Offers", "klass": "marketing"}
            topic = topics.create(session, fields, now).id
        found("u-1")
        with transaction() as session:
            devices.register(session, person, "ios", "a1" * 32, "", "production", now)
            choice = Choice(topic, "email", False)
            consent.set_preferences(session, person, [choice], "api", {}, now)
        assert [device.platform for device in found("u-1").devices] == ["ios"]
        assert found("u-1").preferences == {f"{topic}:email": False}


def found(external_id: str) -> lookup.Person:
    with transaction() as session:
        return lookup.people(session, [external_id])[external_id]


def test_who_is_unknown_is_not_in_the_answer(session: Session) -> None:
    assert lookup.people(session, ["nobody"]) == {}
