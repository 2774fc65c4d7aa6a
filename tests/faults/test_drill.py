"""The drill hurts a Herald of its own and counts honestly."""

import json
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli.drill import drill
from app.drill.run import Round

MESSAGES = 600


def rehearse(fault: str) -> tuple[int, dict[str, Any]]:
    """One round of `herald drill`: its exit code and what it printed."""
    words = ["drill", "--messages", str(MESSAGES), "--fault", fault, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "app.cli.main", *words], capture_output=True, text=True, timeout=420
    )
    assert done.stdout.strip(), done.stderr
    return done.returncode, json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("fault", ["kill-worker", "restart-postgres"])
def test_nothing_is_lost_and_only_what_was_in_the_air_may_come_twice(fault: str) -> None:
    code, found = rehearse(fault)
    assert code == 0
    assert (found["fault"], found["accepted"], found["lost"]) == (fault, MESSAGES, 0)
    assert found["handed_over"] == MESSAGES
    assert found["doubled"] <= found["in_air_at_kills"]


def test_a_lost_message_or_one_too_many_breaks_the_promise() -> None:
    calm = Round("flush-redis", 10, 10, 0, 0, 0, 0, 1.0)
    assert calm.kept
    assert not Round("flush-redis", 10, 9, 1, 0, 0, 0, 1.0).kept
    assert not Round("flush-redis", 10, 10, 0, 1, 0, 0, 1.0).kept
    assert Round("kill-worker", 10, 10, 0, 1, 0, 3, 1.0).kept


def test_a_fault_nobody_knows_is_refused_by_name() -> None:
    refused = CliRunner().invoke(drill, ["--fault", "earthquake"])
    assert refused.exit_code == 2
    assert "earthquake" in refused.output
