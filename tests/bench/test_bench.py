"""`herald bench` measures a Herald of its own, and prints what its documentation says."""

import json
import subprocess
import sys
from typing import Any


def bench(*words: str) -> dict[str, Any]:
    """What `herald bench … --json` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli.main", "bench", *words, "--runs", "1", "--json"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_campaign_is_measured_beside_its_baseline() -> None:
    sizes = ["--recipients", "200", "--baseline-recipients", "20", "--baseline-processes", "1"]
    found = bench("send", *sizes)
    assert found["handed_over"] == 200
    assert found["per_second"] > found["baseline_per_second"] > 0
    assert found["ratio"] > 1
    assert {"worker-bulk", "postgres", "valkey", "bench", "all"} <= set(found["cpu_us"])
    assert {"web", "worker-bulk", "scheduler"} <= set(found["rss_mb"])
    assert "PostgreSQL" in found["machine"]


def test_a_launch_is_measured_beside_a_full_log() -> None:
    found = bench("launch", "--recipients", "600", "--log-rows", "1000")
    assert found["per_second"] > 0
    assert found["log_rows"] == 1000
    assert found["ratio"] is None
    assert {"postgres", "bench"} <= set(found["cpu_us"])
