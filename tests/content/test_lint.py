"""What the lint finds, where, and how it would mend it."""

from typing import Any

import pytest

from app.content import lint
from app.content.problems import Problem

GOOD: dict[str, Any] = {
    "email": {
        "subject": "Hello",
        "preheader": "News",
        "html": '<p>Hi</p>\n<a href="{{ unsubscribe_url }}">Stop</a>',
    }
}


def html(source: str) -> dict[str, Any]:
    return {"email": {**GOOD["email"], "html": GOOD["email"]["html"] + "\n" + source}}


def one(content: dict[str, Any], klass: str = "marketing", **sample: Any) -> Problem:
    problems = lint.check(content, klass, sample)
    assert len(problems) == 1, problems
    return problems[0]


def test_a_good_mail_has_no_problems() -> None:
    assert lint.check(GOOD, "marketing") == []


@pytest.mark.parametrize(
    ("source", "rule", "severity", "fix"),
    [
        ("{{ first_nmae }}", "unknown_variable", "error", ("first_nmae", "first_name")),
        ("{{ order.nubmer }}", "unknown_variable", "error", ("order.nubmer", "order.number")),
        ("{{ person.frist_name|upper }}", "unknown_variable", "error", None),
        (
            "{{ first_name }}",
            "no_fallback",
            "warning",
            ("{{ first_name }}", '{{ first_name|default("there") }}'),
        ),
        ("{{ attributes.plan }}", "no_fallback", "warning", None),
        ('<img src="https://a.example/i.png">', "no_alt", "warning", None),
        ('<img alt="" src="/i.png">', "image_address", "error", None),
        ('<img alt="" src="http://a.example/i.png">', "image_address", "warning", None),
        ('<a href="/offers">x</a>', "link_without_host", "error", None),
        (
            '<a href="www.a.example/x">x</a>',
            "link_without_host",
            "error",
            ('"www.a.example/x"', '"https://www.a.example/x"'),
        ),
        ('<a href="">x</a>', "empty_link", "warning", None),
        ("<script>1</script>", "element_not_in_mail", "error", None),
        ("{% if %}", "syntax", "error", None),
        ("<p>" + "x" * 110_000 + "</p>", "too_heavy", "warning", None),
        ('<p {% if order %}style="a"{% endif %}>x</p>', "styles_stay", "warning", None),
    ],
)
def test_problems_of_html_have_a_line_and_perhaps_a_fix(
    source: str, rule: str, severity: str, fix: tuple[str, str] | None
) -> None:
    found = one(html(source), order={"number": 1})
    assert (found.rule, found.severity) == (rule, severity)
    assert found.line == (0 if rule in ("too_heavy", "styles_stay") else 3)
    if fix:
        assert found.fix == fix
        fixed = html(source.replace(*fix))
        left = lint.check(fixed, "marketing", {"order": {"number": 1}})
        assert rule not in {problem.rule for problem in left}


@pytest.mark.parametrize(
    "source",
    [
        "{{ order.number }}",
        "{% if order.gift %}{{ order.gift }}{% endif %}",
        "{{ tags|join(', ') }} {{ campaign.name|default('') }} {{ email }}",
        '<a href="{{ order.number }}">x</a><a href="tel:1">x</a><a href="#top">x</a>',
        '<a href="https://a.example/{{ order.number }}">x</a>',
    ],
)
def test_what_is_right_is_left_alone(source: str) -> None:
    assert lint.check(html(source), "marketing", {"order": {"number": 1, "gift": "x"}}) == []


def test_marketing_needs_a_way_out_and_service_mail_does_not() -> None:
    content = {"email": {**GOOD["email"], "html": "<p>Hi</p>"}}
    assert one(content).rule == "no_unsubscribe"
    assert lint.check(content, "transactional") == []


def test_the_text_part_needs_the_way_out_too() -> None:
    assert one({"email": {**GOOD["email"], "text": "Hi"}}).rule == "no_unsubscribe"


def test_a_text_message_says_what_makes_it_dear() -> None:
    found = one({"sms": {"body": "It’s here"}}, "transactional")
    assert (found.rule, found.severity, found.fix) == ("sms_unicode", "warning", ("’", "'"))


def test_a_marketing_text_says_how_to_stop_it() -> None:
    assert one({"sms": {"body": "Hi"}}).rule == "no_opt_out"
    assert lint.check({"sms": {"body": "Hi. STOP to end"}}, "marketing") == []


def test_a_push_must_fit_into_its_envelope() -> None:
    found = one({"ios": {"title": "x", "body": "y" * 4_000}}, "transactional")
    assert (found.rule, found.severity) == ("push_payload", "error")


def test_a_push_opens_something_that_can_be_opened() -> None:
    assert one({"ios": {"title": "x", "url": "offers"}}, "security").rule == "link_without_scheme"
    assert one({"android": {"title": "x", "image": "http://a/i"}}, "security").severity == "error"
    assert lint.check({"ios": {"title": "x", "url": "shop://offers"}}, "security") == []


def test_channels_without_their_main_field_cannot_go() -> None:
    content = {"email": {"html": "x"}, "sms": {}, "ios": {"image": "https://a/i"}}
    rules = [p.rule for p in lint.check(content, "security") if p.severity == "error"]
    assert rules == ["missing_field"] * 3
