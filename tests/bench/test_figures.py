"""Figures are taken honestly: nothing unreal is shown, nothing is claimed without a comparison."""

from pathlib import Path

import orjson
import pytest

from app.bench import everything, figures, table
from app.bench.figures import NotReal
from app.bench.journal import Journal
from app.bench.scratch import outside
from app.cli.bench import bench


def journal(folder: Path, *names: str) -> Journal:
    """A journal in which these messages were taken, in this order."""
    path = folder / "journal.jsonl"
    lines = [{"accepted": True, "notification": name, "to": name} for name in names]
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return Journal(path)


def test_percentiles_are_values_that_were_measured() -> None:
    assert figures.percentiles(range(1, 102)) == {"p50": 51, "p95": 96, "p99": 100}
    assert figures.percentiles([7]) == {"p50": 7, "p95": 7, "p99": 7}
    with pytest.raises(NotReal):
        figures.percentiles([])


def test_the_cost_per_item_is_the_difference_and_idle_processes_are_left_out() -> None:
    before, after = {"web": 1.0, "idle": 5.0}, {"web": 1.5, "idle": 5.0, "new": 0.1}
    used = figures.cpu_us(before, after, 1000)
    assert used == {"web": 500.0, "new": 100.0}
    runs = [used, {"web": 700.0}, {"web": 400.0, "new": 300.0}]
    assert figures.median_cpu_us(runs) == {"web": 500.0, "new": 100.0, "all": 600.0}


def test_without_a_baseline_no_ratio_is_claimed() -> None:
    assert figures.against(1000, 0) == {"baseline_per_second": None, "ratio": None}
    assert figures.against(1000, 80) == {"baseline_per_second": 80, "ratio": 12.5}


def test_a_journal_with_every_message_once_is_believed(tmp_path: Path) -> None:
    assert journal(tmp_path, "a", "b").must_hold(0, 2) == 2


@pytest.mark.parametrize("names", [("a", "b", "b"), ("a", "a")])
def test_a_message_too_many_or_twice_is_not_a_result(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(NotReal, match="took"):
        journal(tmp_path, *names).must_hold(0, 2)


def test_only_what_was_written_after_a_place_counts(tmp_path: Path) -> None:
    found = journal(tmp_path, "a")
    place = found.end()
    with found.path.open("ab") as file:
        file.write(orjson.dumps({"accepted": True, "notification": "b", "to": "b"}) + b"\n")
        file.write(b'{"accepted": tr')  # still being written
    assert found.must_hold(place, 1) == 1


def test_no_credentials_of_the_installation_beside_come_along() -> None:
    environ = {
        "PATH": "/bin",
        "TWILIO_ACCOUNT_SID": "AC1",
        "SENDGRID_API_KEY_FILE": "/run/secret",
        "HERALD_PUBLIC_URL": "https://herald.example",
        "DATABASE_URL": "postgresql://production",
        "EMAIL_PROVIDER": "smtp",
    }
    assert outside(environ) == {"PATH": "/bin"}


def test_a_result_is_readable_line_by_line() -> None:
    found = {"per_second": 12345, "webhooks": True, "ratio": None, "cpu_us": {"web": 1.5}}
    assert list(table.lines(found)) == [
        "per second: 12,345",
        "webhooks: yes",
        "ratio: not compared",
        "µs of processor time per item: web 1.5",
    ]


def test_a_row_of_the_table_says_what_was_measured_or_why_not() -> None:
    found = {
        "per_second": 15234,
        "baseline_per_second": 142,
        "ratio": 107.28,
        "p95_ms": 12.5,
        "cpu_us": {"web": 1.0, "all": 63.0},
        "peak_mb": {"sandbox": 900.0, "worker-bulk": 180.5},
        "machine": "2 cores, Python 3.11.7, PostgreSQL 18.6, load before 0.10",
    }
    expected = "| `send` | 15,234 | 142 | 107.28 × | p95 12.5 ms | 63 | 180 | 0.10 |"
    assert everything.row("send", found) == expected
    failed = everything.row("send", {"error": "The sandbox took 3 messages."})
    assert failed == "| `send` | failed: The sandbox took 3 messages. | | | | | | |"


def test_every_command_of_the_table_exists() -> None:
    for commands in everything.SCALES.values():
        for command in commands:
            name, *words = command.split()
            bench.commands[name].make_context(name, words)
