"""Rendering: one result per row; a shell and its substitutions are the full mail."""

from typing import Any

import pytest

from app.content.compile import CompiledVersion, compile_content
from app.content.render import (
    RenderedEmail,
    RenderedPush,
    RenderFailure,
    RenderRow,
    render_batch,
)

URL = "http://herald.test"
HTML = """<!doctype html>
<html><head><style>.big{color:red}
@media(max-width:600px){.big{width:100%!important}}</style></head>
<body>
<p class="big">Hi {{ first_name|default("there") }}, {{ first_name|default("there") }}!</p>
{% if attributes.plan == "pro" %}<p>Pro</p>{% else %}<p>Basic</p>{% endif %}
<table>{% for item in items|default([]) %}
<tr><td class="big">{{ item.name }}</td></tr>{% endfor %}
</table>
<a href="https://shop.example/a?b=1&amp;c=2">Shop <b>now</b></a>
<a href="https://shop.example/a?b=1&amp;c=2"><img src="https://shop.example/i.png" alt="Shoes"></a>
<a href="https://shop.example/o/{{ first_name }}">Yours</a>
<a href="mailto:help@shop.example">Write</a>
<a href="https://shop.example/terms" data-track="no">Terms</a>
<a href="{{ unsubscribe_url }}">Unsubscribe</a>
</body></html>"""


def email(**fields: str) -> CompiledVersion:
    return compile_content({"email": {"subject": "Hello {{ first_name }}", **fields}}, URL)


def row(name: str | None, token: str = "tok", **more: Any) -> RenderRow:
    variables = {"first_name": name, "attributes": {"plan": "basic"}, **more}
    return RenderRow(variables, token, f"{URL}/u/{token}", f"{URL}/p/{token}")


def whole(version: CompiledVersion, one: RenderRow) -> RenderedEmail:
    result = render_batch(version, "email", [one])[0]
    assert isinstance(result, RenderedEmail), result
    return result.whole()


ROWS = [
    row("Ann", "t1"),
    row('<b>Bob</b> & "co"', "t2", attributes={"plan": "pro"}, items=[{"name": "Shoe"}]),
    row(None, "t3", items=[{"name": "1 < 2"}, {"name": "\x1d\x1e{{ 7 * 7 }}"}]),
    row("Zoë\r\nBcc: x@example.com", "t4"),
    row("Dan", ""),
]


def test_a_shell_and_its_substitutions_are_the_full_mail() -> None:
    version = email(html=HTML, preheader="Fish & {{ first_name }}")
    batch = render_batch(version, "email", ROWS)
    for one, made in zip(ROWS, batch, strict=True):
        assert isinstance(made, RenderedEmail)
        assert made.whole() == whole(version, one)
    shells = {id(made.shell) for made in batch[:4] if isinstance(made, RenderedEmail)}
    assert len(shells) == 1


def test_identical_expressions_share_a_slot() -> None:
    version = email(html="<p>{{ a }}{{ a }}{{ b }}</p>", text="x")
    made = render_batch(version, "email", [row("x", a=1, b=2), row("x", a=3, b=4)])[0]
    assert isinstance(made, RenderedEmail)
    assert sorted(made.substitutions.values()) == ["1", "2", "tok", "x"]


def test_a_template_that_sets_variables_is_sent_whole() -> None:
    version = email(html="{% set total = price * 2 %}<p>{{ total }}</p>")
    made = render_batch(version, "email", [row("x", price=2), row("y", price=3)])
    assert [m.html.count("<p>6</p>") for m in made if isinstance(m, RenderedEmail)] == [0, 1]
    assert all(isinstance(m, RenderedEmail) and m.shell is None for m in made)


def test_one_person_with_very_long_values_is_sent_whole_beside_the_others() -> None:
    version = email(html="<p>{{ long }}</p>")
    short, long = render_batch(version, "email", [row("x", long="a"), row("y", long="é" * 9000)])
    assert isinstance(short, RenderedEmail)
    assert isinstance(long, RenderedEmail)
    assert short.shell is not None
    assert long.shell is None
    assert "é" * 9000 in long.html


def test_links_are_counted_and_the_way_out_is_left_alone() -> None:
    version = email(html=HTML)
    made = whole(version, ROWS[0])
    assert [(link.number, link.url, link.label) for link in version.links] == [
        (1, "https://shop.example/a?b=1&c=2", "Shop now")
    ]
    assert made.html.count(f'href="{URL}/c/t1/1"') == 2
    assert f'href="{URL}/u/t1"' in made.html
    assert 'href="https://shop.example/o/Ann"' in made.html
    assert 'href="mailto:help@shop.example"' in made.html
    assert 'href="https://shop.example/terms"' in made.html
    assert made.html.count(f"{URL}/o/t1.gif") == 1


def test_without_a_token_nothing_is_counted() -> None:
    made = whole(email(html=HTML), ROWS[4])
    assert "/c/" not in made.html
    assert ".gif" not in made.html
    assert 'href="https://shop.example/a?b=1&amp;c=2"' in made.html


def test_numbers_that_were_mailed_keep_their_targets() -> None:
    content = {"email": {"subject": "x", "html": '<a href="https://b.example/">b</a>' + HTML}}
    known = {"https://shop.example/a?b=1&c=2": 1}
    version = compile_content(content, URL, known_links=known)
    assert {link.url: link.number for link in version.links} == {
        "https://b.example/": 2,
        "https://shop.example/a?b=1&c=2": 1,
    }


def test_styles_are_inlined_and_media_queries_stay() -> None:
    html = whole(email(html=HTML), ROWS[1]).html
    assert '<td class="big" style="color: red;">Shoe</td>' in html
    assert "@media(max-width:600px)" in html
    assert "<tbody>" not in html


def test_a_template_part_where_html_allows_none_keeps_its_place() -> None:
    version = email(html='<p style="a" {% if x %}style="b"{% endif %}>{{ x }}</p>')
    assert version.email is not None
    assert not version.email.inlined
    words = " ".join(whole(version, row("x", x=1)).html.split())
    assert words.startswith('<p style="a" style="b" >1</p>')


def test_values_are_escaped_in_html_only() -> None:
    made = whole(email(html=HTML), ROWS[1])
    assert "&lt;b&gt;Bob&lt;/b&gt;" in made.html
    assert made.subject == 'Hello <b>Bob</b> & "co"'


def test_a_subject_is_one_line() -> None:
    assert whole(email(html=HTML), ROWS[3]).subject == "Hello Zoë Bcc: x@example.com"


def test_a_value_that_looks_like_a_template_stays_text() -> None:
    assert "{{ 7 * 7 }}" in whole(email(html=HTML), ROWS[2]).html


def test_the_text_part_is_made_from_the_html() -> None:
    text = whole(email(html=HTML), ROWS[1]).text
    assert 'Hi <b>Bob</b> & "co"' in text
    assert "Pro\n" in text
    assert "Shoe\n" in text
    assert f"Shop now ({URL}/c/t2/1)" in text
    assert f"Unsubscribe ({URL}/u/t2)" in text
    assert "color" not in text


def test_a_written_text_part_is_kept_and_its_links_are_counted() -> None:
    version = email(html=HTML, text="See https://shop.example/a?b=1&c=2.\n{{ unsubscribe_url }}")
    assert whole(version, ROWS[0]).text == f"See {URL}/c/t1/1.\n{URL}/u/t1"


@pytest.mark.parametrize(
    ("source", "values", "variable"),
    [
        ("{{ order.eta }}", {"order": {"number": 1}}, "order.eta"),
        ("{{ order.eta }}", {}, "order.eta"),
        ("{{ code }}", {}, "code"),
        ("{% for i in items %}{{ i.price }}{% endfor %}", {"items": [{"name": 1}]}, "i.price"),
        ("{% for i in items %}{% endfor %}", {}, "items"),
        ("{{ code|upper }}", {}, "code"),
        ("{{ price|money }}", {}, "price"),
        ("{{ price * 2 }}", {}, "price"),
        ("{% if code == 2 %}{% endif %}", {}, "code"),
        ("{{ attributes.size }}", {}, "attributes.size"),
        ("{{ names|join(' ') }}", {}, "names"),
        ("a{{ code ~ 'x' }}", {}, "code"),
    ],
)
def test_a_missing_value_names_its_variable_and_spares_the_others(
    source: str, values: dict[str, Any], variable: str
) -> None:
    version = email(html=f"<p>{source}</p>", text="x")
    good = {
        "order": {"eta": "18:05"}, "code": "1", "items": [{"price": 1}], "price": 1,
        "attributes": {"size": 1}, "names": ["a"],
    }  # fmt: skip
    results = render_batch(
        version, "email", [row("a", **good), row("b", **values), row("c", **good)]
    )
    assert [type(result) for result in results] == [RenderedEmail, RenderFailure, RenderedEmail]
    assert isinstance(results[1], RenderFailure)
    assert results[1].variable == variable
    assert variable in results[1].message


def test_a_person_without_a_first_name_is_no_failure() -> None:
    assert whole(email(text="Hi {{ first_name }}."), row(None)).text == "Hi ."


def test_a_channel_without_content_is_a_failure() -> None:
    assert isinstance(render_batch(email(text="x"), "sms", [row("a")])[0], RenderFailure)


def test_a_push_has_all_its_fields() -> None:
    content = {
        "ios": {
            "title": "Hi {{ first_name }}",
            "body": "Two\nlines",
            "url": "shop://o/{{ order }}",
            "data": {"order": "{{ order }}"},
        }
    }
    version = compile_content(content, URL)
    assert render_batch(version, "ios", [row("Ann\n", order=7)]) == [
        RenderedPush("Hi Ann", "", "Two\nlines", "", "shop://o/7", {"order": "7"})
    ]


def test_a_text_message_that_is_too_long_fails() -> None:
    version = compile_content({"sms": {"body": "{{ a }}"}}, URL)
    result = render_batch(version, "sms", [row("x", a="y" * 1601)])[0]
    assert result == RenderFailure(None, "The text message is longer than 1,600 characters.")


def test_all_errors_of_a_content_are_reported_with_their_lines() -> None:
    from app.content.problems import CannotCompile

    content = {"email": {"subject": "{{ a", "html": "x\n{{ b|nope }}"}, "sms": {"body": "{% if %}"}}
    with pytest.raises(CannotCompile) as refused:
        compile_content(content, URL)
    found = [(p.channel, p.field, p.line) for p in refused.value.problems]
    assert found == [("email", "subject", 1), ("email", "html", 2), ("sms", "body", 1)]
