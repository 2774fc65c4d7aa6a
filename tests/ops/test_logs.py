"""What processes print is kept, and costs nobody his life."""

from pathlib import Path

import pytest

from app.supervisor.logs import Log


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is full")
def test_on_a_full_disk_lines_are_lost_and_nothing_else() -> None:
    log = Log(Path("/dev/full"))
    log.write(b"nobody reads this\n")
    log.close()
