"""Contrast of the colour tokens, recomputed from tokens.css in both themes (WCAG 1.4.3, 1.4.11)."""

import re
from math import cos, radians, sin
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[1] / "static" / "css" / "tokens.css"
OKLCH = re.compile(r"oklch\(([\d.]+) ([\d.]+) ([\d.]+)\)")
THEMES = ("light", "dark")

Rgb = tuple[float, float, float]

TEXT = [
    *[(ink, paper) for ink in ("ink", "ink-2", "ink-3") for paper in ("surface", "surface-2")],
    *[(ink, paper) for ink in ("ink", "ink-2", "ink-3") for paper in ("canvas", "overlay")],
    ("ink-2", "surface-3"),
    ("accent-ink", "surface"),
    ("accent-ink", "canvas"),
    ("accent-ink", "accent-soft"),
    ("ok-ink", "ok-soft"),
    ("warn-ink", "warn-soft"),
    ("bad-ink", "bad-soft"),
    ("bad-ink", "surface"),
    ("mute-ink", "mute-soft"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hov"),
    ("on-accent", "bad"),
    ("on-inverse", "inverse"),
    ("var-ink", "var-soft"),
    ("ink", "hit"),
    *[(f"code-{kind}", "surface-2") for kind in "ksnta"],
    *[(f"{channel}-ink", "surface") for channel in ("email", "sms", "ios", "android")],
]
SHAPES = [
    ("edge", "surface"),
    ("edge", "canvas"),
    ("focus", "surface"),
    ("focus", "canvas"),
    *[(f"{tone}-dot", "surface") for tone in ("ok", "warn", "bad")],
    *[(channel, "surface") for channel in ("email", "sms", "ios", "android")],
]


def linear_rgb(lightness: float, chroma: float, hue: float) -> Rgb:
    """OKLCH to linear sRGB, clipped to the gamut. Matrices: Björn Ottosson, oklab, 2020."""
    a, b = chroma * cos(radians(hue)), chroma * sin(radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    return tuple(min(max(part, 0.0), 1.0) for part in (red, green, blue))  # type: ignore[return-value]


def colours(theme: str) -> dict[str, Rgb]:
    """Every opaque colour token of one theme."""
    found = {}
    for name, value in re.findall(r"--([\w-]+): ([^;]+);", TOKENS.read_text()):
        values = OKLCH.findall(value)
        if values and (value.startswith("light-dark") or len(values) == 1):
            chosen = values[THEMES.index(theme)] if len(values) == 2 else values[0]
            found[name] = linear_rgb(*map(float, chosen))
    return found


def contrast(one: Rgb, other: Rgb) -> float:
    """WCAG relative luminance ratio."""
    lighter, darker = sorted(
        (0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (one, other)), reverse=True
    )
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("ink", "paper"), TEXT)
def test_text_is_readable_on_its_paper(ink: str, paper: str, theme: str) -> None:
    known = colours(theme)
    assert contrast(known[ink], known[paper]) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("shape", "paper"), SHAPES)
def test_shapes_that_carry_meaning_stand_out(shape: str, paper: str, theme: str) -> None:
    known = colours(theme)
    assert contrast(known[shape], known[paper]) >= 3


def test_no_token_names_itself() -> None:
    assert not re.findall(r"--([\w-]+): var\(--\1\)", TOKENS.read_text())


def test_every_custom_property_in_use_is_defined_somewhere() -> None:
    css = "\n".join(path.read_text() for path in TOKENS.parent.rglob("*.css"))
    root = TOKENS.parents[2]
    markup = "\n".join(
        path.read_text()
        for folder in ("templates", "app/console", "static/js")
        for path in (root / folder).rglob("*.*")
        if path.suffix in (".html", ".py", ".js")
    )
    used = set(re.findall(r"var\(--([\w-]+)\)", css + markup))
    given = set(re.findall(r"--([\w-]+)\s*:", css + markup)) | set(
        re.findall(r'setProperty\("--([\w-]+)"', markup)
    )
    assert used - given == set()
