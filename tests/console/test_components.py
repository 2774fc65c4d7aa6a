"""Every macro of templates/components/ is drawn once and checked as a browser would read it."""

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from lxml import html

from app.console import words
from app.console.pages import Components
from tests.support.rendering import Render

KIT = (Path(__file__).parent / "kit.html").read_text()
NOW = datetime(2026, 11, 24, 10, 42, tzinfo=UTC)


@pytest.fixture
def kit(render: Render) -> html.HtmlElement:
    return html.document_fromstring(render(KIT, moment=NOW))


def test_every_macro_is_in_the_kit(drawing_app: Flask) -> None:
    components = Components(drawing_app.jinja_env)
    components._index()
    drawn = set(re.findall(r"\bui\.(\w+)", KIT))
    assert set(components._files) - drawn == set()


def test_ids_are_unique(kit: html.HtmlElement) -> None:
    counts = Counter(kit.xpath("//@id"))
    assert [name for name, count in counts.items() if count > 1] == []


def test_every_control_has_a_name(kit: html.HtmlElement) -> None:
    labelled = set(kit.xpath("//label/@for"))
    unnamed = [
        control.get("name") or html.tostring(control)
        for control in kit.xpath("//input[not(@type='hidden')]|//select|//textarea")
        if not control.get("aria-label")
        and control.get("id") not in labelled
        and not control.xpath("ancestor::label")
    ]
    assert unnamed == []


def test_every_button_and_link_has_a_name(kit: html.HtmlElement) -> None:
    silent = [
        html.tostring(element)
        for element in kit.xpath("//button|//a")
        if not element.text_content().strip()
        and not element.get("aria-label")
        and not element.xpath(".//svg[@aria-label]")
    ]
    assert silent == []


def test_descriptions_and_popovers_point_at_something(kit: html.HtmlElement) -> None:
    known = set(kit.xpath("//@id"))
    named = " ".join(kit.xpath("//@aria-describedby|//@aria-labelledby|//@popovertarget")).split()
    opened = [target.lstrip("#") for target in kit.xpath("//@data-open")]
    assert set(named + opened) - known == set()


def test_an_error_is_tied_to_its_field(render: Render) -> None:
    page = html.fromstring(
        render('{{ ui.text_field("link", "Deep link", error="Add the colon") }}')
    )
    field = page.xpath("//input")[0]
    assert field.get("aria-invalid") == "true"
    assert page.xpath(f"//*[@id='{field.get('aria-describedby')}']")[0].text_content().strip() == (
        "Add the colon"
    )


def test_what_people_wrote_is_escaped(render: Render) -> None:
    nasty = "<script>alert(1)</script>\"'"
    source = (
        "{{ ui.button(x) }}{{ ui.badge('sent', x) }}{{ ui.text_field('a', x, x) }}"
        "{{ ui.avatar(x) }}{{ ui.copyable(x) }}{{ ui.chart('c', {'data': [{'name': x}]}, x) }}"
        "{{ ui.iphone(x, x) }}{{ ui.note(x, x) }}{{ ui.confirm('d', x, x, '/', x, typed=x) }}"
    )
    drawn = render(source, x=nasty)
    assert "<script>" not in drawn
    assert html.fromstring(f"<div>{drawn}</div>").xpath("//input[@name='a']/@value") == [nasty]


def test_a_chart_carries_its_figure_as_json(render: Render) -> None:
    drawn = render("{{ ui.chart('c', {'data': [{'y': [1, 2]}]}, 'Two bars') }}")
    figure = html.fromstring(drawn).xpath("//figure")[0]
    assert figure.get("data-chart") == '{"data": [{"y": [1, 2]}]}'
    assert figure.get("aria-label") == "Two bars"


def test_a_post_carries_the_token_and_works_without_scripts(render: Render) -> None:
    form = html.fromstring(render("{{ ui.post_button('Pause', '/pause', target='#row') }}"))
    assert (form.get("method"), form.get("action"), form.get("hx-post")) == (
        "post",
        "/pause",
        "/pause",
    )
    assert form.xpath(".//input[@name='csrf_token']/@value")


def test_a_heavy_act_waits_for_the_typed_number(render: Render) -> None:
    dialog = html.fromstring(
        render("{{ ui.confirm('d', 'Cancel?', '69,227 people', '/', 'Cancel', typed='69,227') }}")
    )
    assert dialog.xpath(".//button[@type='submit']/@disabled")


def test_a_waterfall_places_each_loss_after_the_one_before(render: Render) -> None:
    drawn = render(
        "{{ ui.waterfall(('All', 200), [('Opted out', 50, none), ('No address', 50, none)],"
        " ('Will receive', 100)) }}"
    )
    styles = html.fromstring(drawn).xpath("//tr[@class='out']//i/@style")
    assert styles == ["left:75.0%;width:25.0%", "left:50.0%;width:25.0%"]


@pytest.mark.parametrize("table", words.TABLES)
def test_every_state_has_a_badge(render: Render, table: str) -> None:
    for name, status in words.TABLES[table].items():
        badge = html.fromstring(render("{{ ui.badge(name, of=of) }}", name=name, of=table).strip())
        assert badge.text_content().strip() == status.word
