"""What a template must not be able to do, and what it may."""

import time

import pytest

from app.content.compile import compile_content
from app.content.problems import CannotCompile
from app.content.render import RenderedSms, RenderFailure, RenderRow, render_batch

REFUSED = [
    "{{ ''.__class__.__mro__ }}{{ x() }}",
    "{{ first_name.upper() }}",
    "{{ cycler('a') }}",
    "{{ lipsum(n=99999) }}",
    "{% for a in range(9) %}{% endfor %}",
    "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{% include 'x' %}",
    "{% extends 'x' %}",
    "{% import 'os' as os %}",
    "{% set ns = namespace(a=1) %}",
    "{% set x %}{{ x }}{% endset %}",
    "{% filter upper %}a{% endfilter %}",
    "{% call x() %}{% endcall %}",
    "{% for a in l %}{% for b in l %}{% for c in l %}.{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in l recursive %}{{ loop(a) }}{% endfor %}",
    "{{ 'a'|center(99999999) }}",
    "{{ '%099999999d'|format(1) }}",
    "{{ 'a'|attr('__class__') }}",
    "{{ l|batch(99999999) }}",
    "{{ x|xmlattr }}",
    "{% set a = [a, a] %}",
    "{{ __token }}",
    "{{ _private }}",
    "{{ loop.index }}",
    "{% if a is callable %}{% endif %}",
    r"{{ '\x00' }}",
    r"{{ first_name|default('\ud800') }}",
    "(" * 3 + "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ " + "not " * 3000 + "1 }}",
    "{{ " + "+".join("1" * 1 for _ in range(5000)) + " }}",
]

ATTACKS = [
    "{{ 'a' * 999999999 }}",
    "{{ '%0999999999d' % 1 }}",
    "{{ 9 ** 99999 }}",
    "{{ 9999999999999999 * 9999999999999999 }}",
    "{{ 1 // 0 }}",
    "{{ l + l }}",
    "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a ~ a %}" * 30 + "{{ a }}",
    "{% set a = 'aaaaaaaaaa' %}" + "{% set a = a + a %}" * 30 + "{{ a }}",
    "{% set a = 9 %}" + "{% set a = a * a %}" * 30 + "{{ a }}",
    "{{ 'aaaaaaaaaa'" + "|replace('a', 'aaaaaaaaaa')" * 9 + " }}",
    "{% for a in l %}{% for b in l %}{{ long }}{% endfor %}{% endfor %}",
    "{% for a in l %}{% for b in l %}{% if long|upper == 1 %}{% endif %}{% endfor %}{% endfor %}",
    "{% for c in long %}{{ c }}{% endfor %}",
    "{{ l|join(long) }}",
    "{{ l }}",
    "{{ group }}",
    "{{ first_name.__class__ }}",
    "{{ first_name['__class__'] }}",
    "{{ l.append }}",
    "{{ group.items }}",
]
VALUES = {"l": list(range(1000)), "long": "x" * 90_000, "first_name": "Ann", "group": {"a": 1}}


def text(body: str, **values: object) -> object:
    version = compile_content({"sms": {"body": body}}, "http://herald.test")
    return render_batch(version, "sms", [RenderRow(values)])[0]


@pytest.mark.parametrize("source", REFUSED)
def test_what_could_escape_or_run_for_ever_does_not_compile(source: str) -> None:
    with pytest.raises(CannotCompile) as refused:
        compile_content({"sms": {"body": source}}, "http://herald.test")
    assert refused.value.problems[0].message


@pytest.mark.parametrize("source", ATTACKS)
def test_an_expensive_or_curious_template_fails_quickly(source: str) -> None:
    started = time.process_time()
    result = text(source, **VALUES)
    assert isinstance(result, RenderFailure)
    assert time.process_time() - started < 2


def test_an_attack_in_one_template_does_not_use_up_the_budget_of_the_next() -> None:
    assert isinstance(text(ATTACKS[10], **VALUES), RenderFailure)
    assert text("{{ first_name }}", **VALUES) == RenderedSms("Ann", 1, "GSM-7")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ order.items[0].name }}", "Shoe"),
        ("{{ order['number']|upper }}", "AB12"),
        ("{% for i in order.items %}{{ loop.index }}{{ i.name }} {% endfor %}", "1Shoe 2Hat"),
        ("{{ price|money }} {{ price|money('EUR') }}", "£4.20 €4.20"),
        ("{{ when|date }}", "24 November 2026"),
        ("{{ when|date('%a %-d %b') }}", "Tue 24 Nov"),
        ("{{ nick|default('friend') }}", "friend"),
        ("{{ empty|default('friend') }}", "friend"),
        ("{% if nick %}a{% else %}b{% endif %}", "b"),
        ("{% if country in ['GB', 'IE'] %}yes{% endif %}", "yes"),
        ("{{ order.items|map('name')|join(', ') }}", "Shoe, Hat"),
        ("{{ order.items|sum('price')|money }}", "£3.00"),
        ("{{ 2 * price + 1 }}", "9.4"),
        ("{{ first_name[:1] }}.", "A."),
        ("{% set total = price * 2 %}{{ total }}", "8.4"),
        ("{{ 'a' ~ 1 }}", "a1"),
        ("{{ first_name|truncate(2) }}", "A…"),
        ("{{ null }}-", "-"),
    ],
)
def test_what_writers_need_works(source: str, expected: str) -> None:
    result = text(
        source,
        first_name="Ann",
        country="GB",
        price=4.2,
        empty="",
        null=None,
        when="2026-11-24",
        order={
            "number": "ab12",
            "items": [{"name": "Shoe", "price": 1}, {"name": "Hat", "price": 2}],
        },
    )
    assert isinstance(result, RenderedSms), result
    assert result.body == expected
