"""Long tests first: with several workers the short ones then fill the gaps at the end."""

import pytest

_FIRST = ("tests/browser", "tests/journeys", "tests/faults", "tests/ops")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stable: within a file nothing changes its place."""
    items.sort(key=lambda item: not item.nodeid.startswith(_FIRST))
