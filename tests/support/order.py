"""Long tests first, and together what shares a server: the short ones fill the gaps at the end."""

import os
from typing import Final

import pytest
from xdist.scheduler import LoadFileScheduling

_FIRST: Final = ("tests/browser", "tests/journeys", "tests/faults", "tests/ops")
_SHARED: Final = "tests/browser"


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: the long tests wait most of their time."""
    return (os.cpu_count() or 1) + 1


class Together(LoadFileScheduling):
    """A worker takes a whole file, or the folder whose tests have one server in common."""

    def _split_scope(self, nodeid: str) -> str:
        return _SHARED if nodeid.startswith(_SHARED) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    """See xdist."""
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stable: within a file nothing changes its place."""
    items.sort(key=lambda item: not item.nodeid.startswith(_FIRST))
