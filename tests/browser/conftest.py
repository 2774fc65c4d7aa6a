"""What every browser test needs: a Herald with its demo data, and Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import chromium
from tests.support.herald import Herald, running_herald


@pytest.fixture(scope="package")
def herald(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Herald]:
    """A Herald with its demo data: making them takes longer than most of what is tried on them."""
    var_dir = tmp_path_factory.mktemp("console") / "var"
    with running_herald(var_dir, HERALD_DEMO="yes") as running, running.attached():
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all pages of a module."""
    with chromium() as found:
        yield found
