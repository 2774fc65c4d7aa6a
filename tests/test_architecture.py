"""Rules of the house that no other tool checks."""

import ast
import sys
from collections import Counter
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from app import jobs, migrate

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path
    for folder in ("app", "workers", "migrations", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
PACKAGES = [*sorted((ROOT / "app").rglob("__init__.py")), ROOT / "workers" / "__init__.py"]
LONGEST_FILE = 400


def _relative(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def _imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    return names | {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }


def test_no_file_is_longer_than_one_can_read() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert _relative([path for path, length in lengths.items() if length > LONGEST_FILE]) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "app" / "policy").glob("*.py")), ids=lambda p: p.stem
)
def test_policy_needs_nothing_but_the_standard_library(path: Path) -> None:
    foreign = {
        name
        for name in _imported(path)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("app.policy")
    }
    assert foreign == set()


@pytest.mark.parametrize("path", PACKAGES, ids=lambda p: p.parent.name)
def test_a_package_says_what_lives_in_it_and_holds_no_code(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


def test_every_queue_has_exactly_one_kind_of_worker() -> None:
    from workers.main import queues

    heard = Counter(queue for lane in jobs.LANES for queue in queues(lane))
    assert heard == dict.fromkeys(jobs.QUEUES, 1)


def test_there_is_a_queue_for_each_channel_and_lane() -> None:
    expected = {f"{channel}.{lane}" for channel in jobs.CHANNELS for lane in jobs.LANES}
    assert expected < set(jobs.QUEUES)


def test_the_migrations_have_one_head_which_is_the_last_file() -> None:
    steps = sorted((migrate.FOLDER / "versions").glob("*.py"))
    script = ScriptDirectory(str(migrate.FOLDER))
    assert script.get_heads() == [migrate.head()]
    assert steps[-1].stem.startswith(str(migrate.head()))
