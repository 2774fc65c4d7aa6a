"""Rules in SQL give the people that an obvious evaluator gives, whatever the tree."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.audience import rule_words, rules
from app.audience.rule_tree import parse
from tests.audience.crowd import Crowd, holds

PEOPLE: list[dict[str, Any]] = [
    {"country": country, "locale": locale, "tags": tags, "attributes": attributes, "devices": own}
    for country, locale in (("DE", "de-DE"), ("AT", "de-AT"), ("GB", "en-GB"), (None, None))
    for tags in ([], ["vip"], ["vip", "beta"])
    for attributes, own in (
        ({}, []),
        ({"plan": "plus", "orders": 3}, ["ios"]),
        ({"plan": "basic", "orders": "3", "sizes": ["s", "m"]}, ["android"]),
        ({"plan": 7, "orders": 12.5, "sizes": [7, True]}, ["ios", "android"]),
        ({"plan": True, "orders": 0, "sizes": "s"}, []),
    )
]

_words = st.sampled_from(["plus", "basic", "7", "3", "s", "m", "missing"])
_known = st.sampled_from(["exists", "missing"])


def _leaf(field: str, op: Any, **value: Any) -> Any:
    return st.fixed_dictionaries({"field": st.just(field), "op": op, **value})


def _place(field: str, values: list[str]) -> Any:
    one, many = st.sampled_from(["is", "is_not"]), st.sampled_from(["any_of", "none_of"])
    listed = st.lists(st.sampled_from(values), min_size=1, max_size=3)
    return (
        _leaf(field, one, value=st.sampled_from(values))
        | _leaf(field, many, value=listed)
        | _leaf(field, _known)
    )


def _attribute(name: str) -> Any:
    field = f"attributes.{name}"
    return (
        _leaf(field, st.sampled_from(["is", "is_not"]), value=_words | st.just(True) | st.just(3))
        | _leaf(
            field,
            st.sampled_from(["any_of", "none_of"]),
            value=st.lists(_words, min_size=1, max_size=3),
        )
        | _leaf(field, st.just("contains"), value=_words)
        | _leaf(field, st.just("includes"), value=_words)
        | _leaf(field, st.sampled_from(["at_least", "less_than"]), value=st.integers(-1, 13))
        | _leaf(field, _known)
    )


LEAVES = st.one_of(
    _place("country", ["DE", "AT", "GB", "FR"]),
    _place("language", ["de", "en", "fr"]),
    _place("locale", ["de-DE", "en-GB"]),
    _leaf(
        "tags",
        st.sampled_from(["any_of", "all_of", "none_of"]),
        value=st.lists(st.sampled_from(["vip", "beta", "gone"]), min_size=1, max_size=2),
    ),
    _leaf("tags", _known),
    _leaf(
        "device",
        st.sampled_from(["has", "has_not"]),
        platform=st.sampled_from(["any", "ios", "android"]),
    ),
    _attribute("plan"),
    _attribute("orders"),
    _attribute("sizes"),
)


def _group(parts: Any) -> Any:
    listed = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(st.fixed_dictionaries({"all": listed}), st.fixed_dictionaries({"any": listed}))


_inner = LEAVES | LEAVES.map(lambda leaf: {"not": leaf})
TREES = _group(_inner | _group(_inner) | _group(_inner).map(lambda tree: {"not": tree}))


@pytest.fixture
def crowd(session: Session, now: Any) -> Crowd:
    crowd = Crowd(session, now)
    for number, person in enumerate(PEOPLE):
        change = {key: value for key, value in person.items() if key != "devices"}
        crowd.add(str(number), **change)
        for platform in person["devices"]:
            crowd.device(str(number), platform)
    return crowd


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(tree=TREES)
def test_sql_and_the_obvious_evaluator_agree(crowd: Crowd, tree: dict[str, Any]) -> None:
    expected = {str(n) for n, person in enumerate(PEOPLE) if holds(tree, person)}
    keys = set(crowd.session.scalars(rules.matching(crowd.session, tree, crowd.now)))
    assert {name for name, key in crowd.ids.items() if key in keys} == expected
    assert str(rule_words.sentence(parse(tree), rule_words.Names())).endswith(".")
