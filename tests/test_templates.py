"""House rules for templates and style sheets that no off-the-shelf linter knows."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
COMPONENTS = sorted((ROOT / "templates" / "components").glob("*.html"))
# Public pages are opened by a signed link and know no cookie, so there is nothing to forge.
SIGNED_IN = [path for path in TEMPLATES if "public" not in path.parts]
SHEETS = sorted((ROOT / "static" / "css").rglob("*.css"))

# What a strict content security policy refuses, and htmx cannot run without eval.
FORBIDDEN = {
    "an inline script": r"<script(?![^>]*\bsrc=)[^>]*>\s*[^<\s]",
    "an event handler attribute": r"\son[a-z]+\s*=",
    "hx-on": r"hx-on",
    "a javascript: link": r"javascript:",
    "js: values": r"""hx-(?:vals|headers)=["']js:""",
    "a trigger filter": r"""hx-trigger=["'][^"'{]*\[""",
}
# Written once, in their macros.
ONLY_IN_COMPONENTS = {
    "a badge": r'class="badge',
    "a channel chip": r'class="ch ch-',
    "an icon": r'<svg class="icon',
    "a toast": r'class="toast ',
    "a count": r'class="count',
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_comments(path: Path) -> str:
    return re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_needs_no_inline_code(path: Path) -> None:
    text = without_comments(path)
    assert [rule for rule, pattern in FORBIDDEN.items() if re.search(pattern, text)] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_brings_no_style_element_of_its_own(path: Path) -> None:
    styles = re.findall(r"<style[^>]*>", without_comments(path))
    assert all("nonce=" in style and path.name == "base.html" for style in styles)


@pytest.mark.parametrize("path", [p for p in TEMPLATES if p not in COMPONENTS], ids=name_of)
def test_a_page_uses_macros_for_badges_and_icons(path: Path) -> None:
    text = without_comments(path)
    assert [what for what, pattern in ONLY_IN_COMPONENTS.items() if re.search(pattern, text)] == []


@pytest.mark.parametrize("path", COMPONENTS, ids=name_of)
def test_a_component_file_stays_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 120


@pytest.mark.parametrize("path", SHEETS, ids=name_of)
def test_a_style_sheet_stays_short_and_layered(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    assert text.count("{") == text.count("}")
    assert "@layer" in text or path.name == "adapt.css"


@pytest.mark.parametrize("path", SIGNED_IN, ids=name_of)
def test_a_form_that_posts_carries_its_token(path: Path) -> None:
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", without_comments(path), re.DOTALL)
    assert [form[:80] for form in forms if "csrf" not in form] == []


def test_every_icon_named_is_in_the_sprite() -> None:
    manifest = json.loads((ROOT / "static" / "vendor" / "manifest.json").read_text())
    named = set()
    for path in TEMPLATES:
        text = path.read_text()
        named |= set(re.findall(r"""\bicon=["']([a-z0-9-]+)["']""", text))
        named |= set(re.findall(r"""\b_?icon\(["']([a-z0-9-]+)["']\s*[,)]""", text))
    for path in (ROOT / "app" / "console").glob("*.py"):
        named |= set(re.findall(r"""\bicon=["']([a-z0-9-]+)["']""", path.read_text()))
    assert named - set(manifest["icons"]) == set()


def test_every_style_sheet_and_script_a_template_names_exists() -> None:
    missing = set()
    for path in TEMPLATES:
        for kind, names in re.findall(r"\{\{-? (stylesheet|script)\(([^)]*)\)", path.read_text()):
            folder, end = ("css/", ".css") if kind == "stylesheet" else ("", ".js")
            for name in re.findall(r'"([^"]+)"', names):
                if not (ROOT / "static" / f"{folder}{name}{end}").is_file():
                    missing.add((name_of(path), name))
    assert missing == set()
