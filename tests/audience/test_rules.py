"""Segment rules about everything that lives in other tables, and what surrounds them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app import ids
from app.audience import erasure, rule_values, rules, segments
from app.audience.models import Contact
from app.errors import Conflict, Invalid
from tests.audience.crowd import Crowd


@pytest.fixture
def crowd(session: Session, now: datetime) -> Crowd:
    crowd = Crowd(session, now)
    crowd.add("ada", email="ada@example.com", phone="+447911123456", country="GB", tags=["vip"])
    crowd.add("bob", email="bob@example.org", first_name="Bob", created_days_ago=40)
    crowd.add("cyd", locale="de-AT", attributes={"plan": "plus", "until": "2026-12-01"})
    return crowd


def who(crowd: Crowd, *parts: dict[str, Any], kind: str = "all") -> set[str]:
    keys = set(crowd.session.scalars(rules.matching(crowd.session, {kind: [*parts]}, crowd.now)))
    return {name for name, key in crowd.ids.items() if key in keys}


def leaf(field: str, op: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "op": op, **({} if value is None else {"value": value}), **more}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (leaf("first_name", "is", "BOB"), {"bob"}),
        (leaf("first_name", "not_contains", "bo"), {"ada", "cyd"}),
        (leaf("email", "exists"), {"ada", "bob"}),
        (leaf("email", "domain_is", ["example.org"]), {"bob"}),
        (leaf("email", "domain_is_not", ["example.org"]), {"ada", "cyd"}),
        (leaf("email", "is", "ADA@example.com"), {"ada"}),
        (leaf("phone", "starts_with", "+44 79"), {"ada"}),
        (leaf("external_id", "any_of", ["ada", "cyd", "zoe"]), {"ada", "cyd"}),
        (leaf("created_at", "in_last", 30), {"ada", "cyd"}),
        (leaf("created_at", "not_in_last", 30), {"bob"}),
        (leaf("created_at", "before", "2026-11-01"), {"bob"}),
        (leaf("last_seen_at", "missing"), {"ada", "bob", "cyd"}),
        (leaf("attributes.until", "after", "2026-11-30"), {"cyd"}),
        (leaf("attributes.until", "before", "2026-11-30"), set()),
        (leaf("country", "is", "united kingdom"), {"ada"}),
    ],
)
def test_fields(crowd: Crowd, rule: dict[str, Any], expected: set[str]) -> None:
    assert who(crowd, rule) == expected


def test_devices_may_be_narrowed_to_an_app(crowd: Crowd) -> None:
    crowd.device("ada", "ios", "com.shop")
    crowd.device("bob", "ios", "com.bank")
    assert who(crowd, leaf("device", "has", platform="ios", app="com.shop")) == {"ada"}
    assert who(crowd, leaf("device", "has_not", platform="ios")) == {"cyd"}


def test_topics_count_defaults(crowd: Crowd) -> None:
    offers, news = crowd.topic("offers"), crowd.topic("news", default=False)
    crowd.choose("ada", offers, "email", False)
    crowd.choose("bob", news, "email", True)
    out = leaf("topic", "opted_out", topic="offers", channel="email")
    assert who(crowd, out) == {"ada"}
    assert who(crowd, {"not": out}) == {"bob", "cyd"}
    assert who(crowd, leaf("topic", "opted_in", topic="news", channel="email")) == {"bob"}
    assert who(crowd, leaf("topic", "opted_out", topic="news", channel="sms")) == set(crowd.ids)


def test_security_topics_have_everyone_opted_in(crowd: Crowd) -> None:
    crowd.topic("security", "security", default=False)
    in_ = leaf("topic", "opted_in", topic="security", channel="sms")
    assert who(crowd, in_) == set(crowd.ids)


def test_suppressed_addresses(crowd: Crowd) -> None:
    crowd.suppress("email", "ADA@example.com")
    assert who(crowd, leaf("suppressed", "has", channel="email")) == {"ada"}
    assert who(crowd, leaf("suppressed", "has_not", channel="sms")) == set(crowd.ids)


def test_engagement_counts_messages_not_events(crowd: Crowd) -> None:
    first = crowd.message("ada", 3, campaign_id=7)
    for _ in range(3):
        crowd.engaged("ada", "opened", first, 2, campaign_id=7)
    opened = {"event": "opened"}
    assert who(crowd, leaf("engagement", "did", **opened)) == {"ada"}
    assert who(crowd, leaf("engagement", "did", times=2, **opened)) == set()
    assert who(crowd, leaf("engagement", "did", days=1, **opened)) == set()
    assert who(crowd, leaf("engagement", "did", campaign=ids.encode("cmp", 7), **opened)) == {"ada"}
    assert who(crowd, leaf("engagement", "did", campaign=ids.encode("cmp", 8), **opened)) == set()
    assert who(crowd, leaf("engagement", "never", **opened)) == {"bob", "cyd"}
    assert who(crowd, leaf("engagement", "did_at_most", times=1, **opened)) == set(crowd.ids)


def test_what_machines_open_does_not_count(crowd: Crowd) -> None:
    crowd.engaged("ada", "opened", crowd.message("ada"), verdict="machine")
    assert who(crowd, leaf("engagement", "did", event="opened")) == set()


def test_sent_counts_what_was_handed_over_for_real(crowd: Crowd) -> None:
    for _ in range(2):
        crowd.message("ada", 10, status="delivered")
    crowd.message("bob", 1, handed_at=None, status="skipped")
    crowd.message("cyd", 1, test=True)
    assert who(crowd, leaf("engagement", "did", event="sent", times=2, days=30)) == {"ada"}
    assert who(crowd, leaf("engagement", "did", event="delivered", channel="email")) == {"ada"}
    assert who(crowd, leaf("engagement", "never", event="sent")) == {"bob", "cyd"}


def test_product_events_with_conditions(crowd: Crowd) -> None:
    crowd.event("ada", "ordered", 5, sku="BOX-1", price=20, cart={"size": "m"})
    crowd.event("ada", "ordered", 6, sku="BOX-2", price=9)
    crowd.event("bob", "ordered", 5, sku="CAN-1", price=30)
    box = {"property": "sku", "op": "starts_with", "value": "BOX-"}
    dear = {"property": "price", "op": "at_least", "value": 10}
    large = {"property": "cart.size", "op": "is", "value": "m"}
    assert who(crowd, leaf("event", "did", name="ordered", where=[box], times=2)) == {"ada"}
    assert who(crowd, leaf("event", "did", name="ordered", where=[dear])) == {"ada", "bob"}
    assert who(crowd, leaf("event", "did", name="ordered", where=[large])) == {"ada"}
    assert who(crowd, leaf("event", "never", name="ordered", where=[box])) == {"bob", "cyd"}
    assert who(crowd, leaf("event", "did", name="ordered", days=3)) == set()


def test_segments_inside_segments(crowd: Crowd, now: datetime) -> None:
    vips = save(crowd, "VIPs", {"all": [leaf("tags", "any_of", ["vip"])]})
    others = save(crowd, "Others", {"all": [leaf("segment", "not_in", vips)]})
    assert who(crowd, leaf("segment", "in", vips)) == {"ada"}
    assert who(crowd, leaf("segment", "in", others)) == {"bob", "cyd"}
    found = rules.describe(crowd.session, {"all": [leaf("segment", "in", vips)]})
    assert str(found) == "People who are in VIPs."
    with pytest.raises(Conflict):
        segments.archive(crowd.session, segments.by_public_id(crowd.session, vips), now)


def test_a_segment_cannot_contain_itself(crowd: Crowd, now: datetime) -> None:
    first = save(crowd, "First", {"all": []})
    second = save(crowd, "Second", {"all": [leaf("segment", "in", first)]})
    segment = segments.by_public_id(crowd.session, first)
    circle = {"rule": {"all": [leaf("segment", "in", second)]}}
    with pytest.raises(Invalid) as refused:
        segments.update(crowd.session, segment, circle, now)
    assert refused.value.fields[0].code == "circular_segment"


def save(crowd: Crowd, name: str, rule: dict[str, Any]) -> str:
    segment = segments.create(crowd.session, {"name": name, "rule": rule}, None, crowd.now)
    return ids.encode("seg", segment.id)


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        (None, ""),
        ([], ""),
        ({"all": {}}, "/all"),
        ({"xor": []}, ""),
        ({"any": []}, "/any"),
        ({"all": [{"any": [{"all": [{"any": []}]}]}]}, "/all/0/any/0/all/0/any"),
        ({"not": {"not": {"all": []}}}, "/not/not"),
        ({"all": [leaf("nope", "is", "x")]}, "/all/0/field"),
        ({"all": [leaf("attributes.a'b", "is", "x")]}, "/all/0/field"),
        ({"all": [leaf("country", "like", "x")]}, "/all/0/op"),
        ({"all": [leaf("country", "is", "Atlantis")]}, "/all/0/value"),
        ({"all": [leaf("country", "any_of", [])]}, "/all/0/value"),
        ({"all": [leaf("country", "any_of", ["DE", 7])]}, "/all/0/value/1"),
        ({"all": [leaf("country", "is", "DE", mood="x")]}, "/all/0/mood"),
        ({"all": [leaf("attributes.n", "at_least", "many")]}, "/all/0/value"),
        ({"all": [leaf("created_at", "before", "yesterday")]}, "/all/0/value"),
        ({"all": [leaf("created_at", "in_last", 0)]}, "/all/0/value"),
        ({"all": [leaf("first_name", "is", "a\x00")]}, "/all/0/value"),
        ({"all": [leaf("topic", "opted_in", topic="gone", channel="email")]}, "/all/0/topic"),
        ({"all": [leaf("topic", "opted_in", topic="x", channel="fax")]}, "/all/0/channel"),
        ({"all": [leaf("topic", "opted_in", topic="x", channel={})]}, "/all/0/channel"),
        ({"all": [leaf("device", "has", platform=["ios"])]}, "/all/0/platform"),
        ({"all": [leaf("engagement", "did", event=[["x"]], channel=[])]}, "/all/0/event"),
        ({"all": [leaf("segment", "in", "seg_zzzzzzzzzzzzz")]}, "/all/0/value"),
        ({"all": [leaf("segment", "in", ids.encode("seg", 999))]}, "/all/0/value"),
        ({"all": [leaf("event", "did", name="x", where=[{"property": "a"}])]}, "/all/0/where/0/op"),
    ],
)
def test_a_wrong_rule_is_refused_where_it_is_wrong(crowd: Crowd, rule: Any, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.count(crowd.session, rule, crowd.now)
    assert pointer in [field.pointer for field in refused.value.fields]


def test_more_than_fifty_rules_and_bottomless_trees_are_refused(crowd: Crowd) -> None:
    deep: Any = {"all": []}
    for _ in range(900):
        deep = {"not": {"all": [deep]}}
    for rule in ({"all": [leaf("email", "exists")] * 51}, deep):
        with pytest.raises(Invalid):
            rules.count(crowd.session, rule, crowd.now)


def test_nobody_who_was_erased_matches(crowd: Crowd, now: datetime) -> None:
    erasure.erase(crowd.session, crowd.ids["ada"], now)
    assert who(crowd) == {"bob", "cyd"}
    assert who(crowd, {"not": leaf("country", "is", "GB")}) == {"bob", "cyd"}


def test_counting_sampling_and_reach(crowd: Crowd) -> None:
    crowd.device("ada", "android")
    crowd.suppress("email", "bob@example.org")
    everyone: dict[str, Any] = {"all": []}
    assert rules.count(crowd.session, everyone, crowd.now) == 3
    assert len(rules.sample(crowd.session, everyone, 2, crowd.now)) == 2
    assert rules.reach(crowd.session, everyone, crowd.now) == {
        "email": 1,
        "sms": 1,
        "ios": 0,
        "android": 1,
    }
    rows = [leaf("email", "exists"), leaf("country", "is", "GB"), leaf("tags", "missing")]
    assert rules.narrowing(crowd.session, {"all": rows}, crowd.now) == [2, 1, 0]
    assert rules.narrowing(crowd.session, {"any": rows}, crowd.now) == [2, 1, 2]


def test_is_someone_in_it_and_why_not(crowd: Crowd) -> None:
    rule = {"all": [leaf("email", "exists"), {"not": leaf("country", "is", "GB")}]}
    found = rules.contains(crowd.session, rule, crowd.ids["ada"], crowd.now)
    assert not found.inside
    assert [(answer.pointer, answer.holds) for answer in found.answers] == [
        ("/all/0", True),
        ("/all/1/not", True),
    ]
    assert rules.contains(crowd.session, rule, crowd.ids["bob"], crowd.now).inside


def test_a_rule_reads_as_a_sentence(crowd: Crowd) -> None:
    crowd.topic("offers")
    rule = {
        "all": [
            leaf("country", "any_of", ["DE", "AT"]),
            leaf("engagement", "did", event="opened", times=2, days=30),
            {"any": [leaf("attributes.plan", "is", "plus"), leaf("tags", "any_of", ["vip"])]},
            {"not": leaf("topic", "opted_out", topic="offers", channel="sms")},
        ]
    }
    assert str(rules.describe(crowd.session, rule)) == (
        "People whose country is Germany or Austria, who opened at least 2 messages in the last "
        "30 days, either whose plan is plus or tagged vip and except those opted out of offers "
        "by SMS."
    )
    assert str(rules.describe(crowd.session, {"all": []})) == "Everyone."


def test_values_are_suggested_from_what_people_have(crowd: Crowd) -> None:
    def suggested(field: str, prefix: str = "") -> list[str]:
        return [item.value for item in rule_values.values(crowd.session, field, prefix)]

    assert suggested("country", "ger") == ["DE"]
    assert suggested("language") == ["de"]
    assert suggested("tags", "v") == ["vip"]
    assert suggested("attributes.plan") == ["plus"]
    assert suggested("email", "example.o") == ["example.org"]
    assert suggested("timezone", "berlin") == ["Europe/Berlin"]
    assert suggested("phone") == suggested("nope") == []
    assert rule_values.attribute_names(crowd.session) == ["plan", "until"]


def test_a_segment_forgets_its_count_when_its_rule_changes(crowd: Crowd, now: datetime) -> None:
    public_id = save(crowd, "All", {"all": []})
    segment = segments.by_public_id(crowd.session, public_id)
    assert segments.recount(crowd.session, segment, now) == 3
    segments.update(crowd.session, segment, {"rule": {"all": [leaf("email", "exists")]}}, now)
    assert segment.people is None
    assert [row.name for row in segments.page(crowd.session, query="al").items] == ["All"]


def test_a_segment_needs_a_name_and_a_rule(crowd: Crowd, now: datetime) -> None:
    with pytest.raises(Invalid) as refused:
        segments.create(crowd.session, {"name": " ", "rule": {"all": [leaf("x", "is")]}}, None, now)
    assert set(refused.value.by_field()) == {"name", "rule/all/0/field"}


def test_last_seen_is_compared_with_now(crowd: Crowd, now: datetime) -> None:
    ada = crowd.session.get(Contact, crowd.ids["ada"])
    assert ada is not None
    ada.last_seen_at = now - timedelta(days=2)
    crowd.session.flush()
    assert who(crowd, leaf("last_seen_at", "in_last", 3)) == {"ada"}
    assert who(crowd, leaf("last_seen_at", "not_in_last", 3)) == {"bob", "cyd"}
