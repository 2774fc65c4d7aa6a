"""The drill hurts a Herald of its own and counts honestly."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli.drill import drill
from app.drill.house import environment, forget_dead
from app.drill.result import Comparison, Message, Round
from app.drill.runs import Runs, Wish
from app.servers.process import children_of, is_alive
from tests.support.processes import eventually

MESSAGES = 500


def rehearse(fault: str) -> tuple[int, dict[str, Any]]:
    """One round of `herald drill`: its exit code and what it printed."""
    words = ["drill", "--messages", str(MESSAGES), "--fault", fault, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "app.cli.main", *words], capture_output=True, text=True, timeout=420
    )
    assert done.stdout.strip(), done.stderr
    return done.returncode, json.loads(done.stdout.strip().splitlines()[-1])


def test_nothing_is_lost_and_only_what_was_in_the_air_may_come_twice() -> None:
    code, found = rehearse("restart-postgres")
    assert code == 0
    assert (found["accepted"], found["lost"], found["waiting"]) == (MESSAGES, 0, 0)
    assert found["handed_over"] == MESSAGES
    assert found["doubled"] <= found["in_air_at_kills"]
    assert found["in_air_at_kills"] > 0
    assert found["campaign"] == MESSAGES * 3 // 10


def test_a_lost_message_or_one_too_many_breaks_the_promise() -> None:
    calm = Round("flush-redis", 10, 10, 0, 0, 0, 0, 1.0)
    assert calm.kept
    assert not Round("flush-redis", 10, 9, 1, 0, 0, 0, 1.0).kept
    assert not Round("flush-redis", 10, 10, 0, 1, 0, 0, 1.0).kept
    assert Round("kill-worker", 10, 10, 0, 1, 0, 3, 1.0).kept
    assert not Round("kill-worker", 10, 10, 0, 4, 0, 3, 1.0).kept
    assert not Round("kill-worker", 10, 10, 0, 0, 0, 3, 420.0, waiting=1).kept
    assert not Round("kill-worker", 10, 10, 0, 1, 0, 3, 1.0, unexplained=1).kept


def test_only_what_was_in_the_air_may_come_twice() -> None:
    twice = [Message(f"ntf_{n}", 2, "delivered", "", 1) for n in (1, 2)]
    found = Comparison([*twice, Message("ntf_3", 1, "delivered", "", 1)])
    assert (found.doubled, found.unexplained({"ntf_1", "ntf_3"})) == (2, 1)


def test_messages_that_broke_a_promise_are_told_from_the_others() -> None:
    lost = Message("ntf_1", 0, "failed", "gave_up", 8)
    twice = Message("ntf_2", 2, "delivered", "", 2)
    stuck = Message("ntf_3", 1, "held", "", 1)
    fine = [Message("ntf_4", 1, "delivered", "", 1), Message("ntf_5", 1, "failed", "no_answer", 2)]
    found = Comparison([lost, twice, stuck, *fine])
    assert (found.lost, found.doubled, found.waiting) == (1, 1, 1)
    assert (found.unknown, found.delivered) == (1, 2)
    assert found.wrong() == [lost, twice, stuck]
    assert str(lost) == "ntf_1: lost, failed gave_up, 8 attempts"


def test_what_the_herald_beside_it_is_told_does_not_reach_the_drill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TWILIO_ACCOUNT_SID", "ALERT_WEBHOOK", "DATABASE_URL", "HERALD_SECRET_KEY"):
        monkeypatch.setenv(name, "ours")
    given = environment()
    assert "ours" not in given.values()
    assert given["PATH"] == os.environ["PATH"]


def test_the_folder_of_a_drill_that_was_killed_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name, pid in (("dead", "999999999"), ("alive", str(os.getpid())), ("odd", "x")):
        (tmp_path / f"herald-drill-{name}").mkdir()
        (tmp_path / f"herald-drill-{name}" / "pid").write_text(pid)
    forget_dead()
    assert {path.name for path in tmp_path.iterdir()} == {"herald-drill-alive", "herald-drill-odd"}


def test_a_drill_from_the_console_ends_when_it_is_told_to_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    runs = Runs(tmp_path)
    assert runs.start(Wish("kill-web", 100, 1, "Dana", datetime.now(UTC)))
    assert not runs.start(Wish("kill-web", 100, 1, "Dana", datetime.now(UTC)))
    assert eventually(lambda: runs.latest(1)[0].said, 30)
    assert runs.latest(1)[0].state == "running"
    pid = int((tmp_path / "drills" / "pid").read_text())
    assert eventually(lambda: children_of(pid), 30)
    (up,) = children_of(pid)
    assert runs.stop() is not None
    assert eventually(lambda: not runs.is_running(), 60)
    assert runs.latest(1)[0].state == "stopped"
    assert not is_alive(up)
    assert runs.stop() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root")
def test_without_root_a_full_disk_is_refused_with_a_sentence() -> None:
    words = ["drill", "--messages", "10", "--fault", "disk-full", "--json"]
    program = "import os, sys; from app.cli.main import main; os.setuid(65534); main(sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "needs root" in done.stderr
    assert done.stdout == ""


def test_a_fault_nobody_knows_is_refused_by_name() -> None:
    refused = CliRunner().invoke(drill, ["--fault", "earthquake"])
    assert refused.exit_code == 2
    assert "earthquake" in refused.output
