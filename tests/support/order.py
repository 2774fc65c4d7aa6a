"""Long tests first, and together what shares a server: the short ones fill the gaps at the end."""

import pytest

_FIRST = ("tests/browser", "tests/journeys", "tests/faults", "tests/ops")
_SHARED = "tests/browser"


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker takes a whole file, or the folder whose tests have a server in common.

    Stable: within a file nothing changes its place.
    """
    items.sort(key=lambda item: not item.nodeid.startswith(_FIRST))
    for item in items:
        path = item.nodeid.partition("::")[0]
        together = _SHARED if path.startswith(_SHARED) else path
        item.add_marker(pytest.mark.xdist_group(together))
