"""The demo's templates are an example to follow: no problems, and they split into shells."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.content import lint
from app.content.compile import compile_content
from app.content.render import RenderedEmail, RenderFailure, RenderRow, render_batch
from app.demo import catalogue

FOLDER = Path(catalogue.__file__).parent / "templates"
KLASSES = {key: klass for key, _name, klass, _description, _default in catalogue.TOPICS}


def read(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    page = path.parent / "email.html"
    if page.exists():
        told["content"]["email"]["html"] = page.read_text(encoding="utf-8")
    return told


TEMPLATES = {path.parent.name: read(path) for path in sorted(FOLDER.glob("*/template.json"))}


@pytest.fixture(params=TEMPLATES)
def told(request: pytest.FixtureRequest) -> dict[str, Any]:
    return TEMPLATES[request.param]


def test_there_are_eight() -> None:
    assert len(TEMPLATES) == 8
    assert {plan.template for plan in catalogue.PAST} <= TEMPLATES.keys()


def test_a_template_has_no_problems(told: dict[str, Any]) -> None:
    problems = lint.check(told["content"], KLASSES[told["topic"]], told.get("sample_data"))
    assert problems == []


def test_a_template_renders_for_people_of_whom_little_is_known(told: dict[str, Any]) -> None:
    version = compile_content(told["content"], "http://herald.test")
    variables = {"email": "a@example.com", **told.get("sample_data", {})}
    rows = [RenderRow(variables, "token", "http://u", "http://p")] * 2
    for channel in version.channels:
        results = render_batch(version, channel, rows)
        assert not [result for result in results if isinstance(result, RenderFailure)]


def test_a_mail_is_inlined_and_shared(told: dict[str, Any]) -> None:
    version = compile_content(told["content"], "http://herald.test")
    if version.email is None:
        return
    assert version.email.inlined
    rows = [RenderRow({**told.get("sample_data", {}), "first_name": "Ann"}, "t")] * 2
    [first, _second] = render_batch(version, "email", rows)
    assert isinstance(first, RenderedEmail)
    assert first.shell is not None
    assert "Juniper" in first.whole().text
