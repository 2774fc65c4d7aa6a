"""Browser files are copied with their hashes, the sprite holds just the icons in use."""

import hashlib
import json
from pathlib import Path

import pytest

from app import assets

LUCIDE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="M1 1"/></svg>'
BRAND = "<svg><title>Apple</title><path d='M2 2'/></svg>"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose npm packages are already installed."""
    modules = tmp_path / "node_modules"
    files = {modules / source: name for name, source in assets.COPIES.items()}
    files |= {modules / assets.ICONS / f"{name}.svg": LUCIDE for name in ("send", "x", "spare")}
    files |= {modules / assets.BRAND_ICONS / f"{name}.svg": BRAND for name in ("apple", "android")}
    files |= {
        tmp_path / "templates" / "page.html": """{{ ui.icon("send" if a else 'x') }}""",
        tmp_path / "app" / "console" / "words.py": 'ICON = "ios"',
        tmp_path / "package-lock.json": "{}",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    lock = hashlib.sha256(b"{}").hexdigest()[:12]
    (modules / ".herald-lock").write_text(lock)
    return tmp_path


def manifest(checkout: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        (checkout / "static" / "vendor" / "manifest.json").read_text()
    )
    return found


def test_every_file_is_copied_and_named_with_its_hash(checkout: Path) -> None:
    assert assets.build_assets(checkout)
    files = manifest(checkout)["files"]
    assert isinstance(files, dict)
    assert set(files) == {*assets.COPIES, "icons.svg", "fonts.css"}
    assert (checkout / "static" / "vendor" / "htmx.min.js").read_text() == "htmx.min.js"


def test_the_sprite_holds_only_icons_in_use(checkout: Path) -> None:
    assets.build_assets(checkout)
    assert manifest(checkout)["icons"] == ["ios", "send", "x"]
    drawn = (checkout / "static" / "vendor" / "icons.svg").read_text()
    assert 'id="spare"' not in drawn
    assert '<symbol id="ios" viewBox="0 0 24 24"><g fill="currentColor" stroke="none">' in drawn
    assert "<title>" not in drawn


def test_a_second_run_has_nothing_to_do(checkout: Path) -> None:
    assets.build_assets(checkout)
    assert not assets.build_assets(checkout)


def test_a_new_icon_rebuilds_the_sprite(checkout: Path) -> None:
    assets.build_assets(checkout)
    (checkout / "templates" / "new.html").write_text('{{ ui.icon("spare") }}')
    assert assets.build_assets(checkout)
    assert "spare" in str(manifest(checkout)["icons"])


def test_fonts_name_the_hash_of_their_files(checkout: Path) -> None:
    assets.build_assets(checkout)
    digest = hashlib.sha256(b"geist-latin.woff2").hexdigest()[:12]
    sheet = (checkout / "static" / "vendor" / "fonts.css").read_text()
    assert f'url("geist-latin.woff2?v={digest}")' in sheet
