"""A rule as form fields and back, and what the buttons of the builder do to it."""

from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from app.audience import rule_tree
from app.console import segment_edits, segment_form
from app.console.segment_form import Group, Row

COUNTRY = {"field": "country", "op": "any_of", "value": ["DE", "AT"]}
SPENT = {"field": "attributes.spent", "op": "at_least", "value": 250}
ORDERED = {
    "field": "event",
    "op": "did",
    "name": "order",
    "times": 3,
    "days": 90,
    "where": [{"property": "items.sku", "op": "starts_with", "value": "BOX-"}],
}
NESTED = {"all": [COUNTRY, {"any": [SPENT, {"all": [ORDERED]}]}, {"not": {"any": [SPENT]}}]}


def through_the_form(rule: object) -> dict[str, Any]:
    pairs = segment_form.fields(segment_form.from_rule(rule))
    return segment_form.to_rule(segment_form.read(MultiDict(pairs)))


@pytest.mark.parametrize(
    "rule",
    [
        {"all": []},
        {"all": [COUNTRY]},
        NESTED,
        {"not": {"all": [COUNTRY, SPENT]}},
        {"any": [{"not": COUNTRY}]},
        {"all": [{"field": "topic", "op": "opted_in", "topic": "offers", "channel": "email"}]},
    ],
)
def test_a_rule_survives_the_form(rule: dict[str, Any]) -> None:
    assert through_the_form(rule) == rule


def test_a_lone_question_becomes_a_group_of_one() -> None:
    assert through_the_form(COUNTRY) == {"all": [COUNTRY]}


def test_gaps_in_the_numbers_do_not_matter() -> None:
    form = MultiDict(
        {
            "r.kind": "any",
            "r.7.field": "country",
            "r.7.was": "country",
            "r.7.op": "exists",
            "r.12.kind": "all",
        }
    )
    tree = segment_form.read(form)
    assert tree.kind == "any"
    assert [part.path for part in tree.parts] == ["r.0", "r.1"]


def test_another_field_forgets_operator_and_value() -> None:
    form = MultiDict(
        {"r.kind": "all", "r.0.field": "tags", "r.0.was": "country", "r.0.op": "is"}
        | {"r.0.value": "DE"}
    )
    assert segment_form.read(form).parts == (Row("r.0", "tags", "any_of"),)


def test_a_typed_value_joins_the_others_once() -> None:
    pairs = segment_form.fields(segment_form.from_rule({"all": [COUNTRY]}))
    form = MultiDict([*pairs, ("r.0.add", " CH "), ("r.0.value", "DE")])
    assert next(segment_form.rows(segment_form.read(form))).values == ("DE", "AT", "CH")


def test_nonsense_in_a_form_is_an_empty_rule() -> None:
    form = MultiDict({"r.x.field": "country", "q.0.field": "a", "r.kind": "some", "r..kind": "all"})
    assert segment_form.to_rule(segment_form.read(form)) == {"all": []}


def test_mistakes_are_told_beside_their_rows() -> None:
    tree = segment_form.from_rule(
        {"all": [COUNTRY, {"not": {"any": [{"field": "tags", "op": "any_of", "value": []}]}}]}
    )
    _, errors = rule_tree.read(segment_form.to_rule(tree))
    wrong = segment_form.mistakes(tree, errors)
    assert list(wrong) == ["r.1.0"]
    assert segment_form.to_rule(segment_form.without(tree, wrong)) == {"all": [COUNTRY]}


def test_buttons_add_move_turn_and_remove() -> None:
    tree = segment_form.from_rule({"all": [COUNTRY, SPENT]})
    tree, focus = segment_edits.apply(tree, "add:r")
    assert focus == "r.2"
    tree, focus = segment_edits.apply(tree, "remove:r.2")
    assert focus == "r.1"
    tree, _ = segment_edits.apply(tree, "up:r.1")
    tree, _ = segment_edits.apply(tree, "turn:r.0")
    tree, _ = segment_edits.apply(tree, "drop:r.1:0")
    assert segment_form.to_rule(tree) == {
        "all": [{"not": SPENT}, {**COUNTRY, "value": ["AT"]}],
    }


def test_groups_nest_three_deep_and_no_deeper() -> None:
    tree = Group("r")
    for path in ("r", "r.0", "r.0.1", "r.0.1.1"):
        tree, _ = segment_edits.apply(tree, f"group:{path}")
    depths = [row.path.count(".") for row in segment_form.rows(tree)]
    assert max(depths) == 3


@pytest.mark.parametrize("act", ["", "remove:r", "remove:r.9", "up:r.0", "add:r.5.5", "x:y:z"])
def test_an_act_that_makes_no_sense_changes_nothing(act: str) -> None:
    tree = segment_form.from_rule({"all": [COUNTRY, SPENT]})
    assert segment_edits.apply(tree, act)[0] == tree
