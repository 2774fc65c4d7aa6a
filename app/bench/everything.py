"""`herald bench all`: one benchmark after the other, and a table for docs/performance.md."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from app.supervisor.programs import python

_CHANNELS: Final = ("--channel email", "--channel sms", "--channel ios", "--channel android")
_SENDS: Final = (*_CHANNELS, "--provider smtp")
SCALES: Final[Mapping[str, Sequence[str]]] = {
    "small": (
        *(f"send {which} --recipients 5000 --baseline-recipients 300" for which in _SENDS),
        "launch --recipients 50000",
        "api --requests 2000",
        "batch --requests 100",
        "transactional --bulk 20000 --messages 100",
        "engagement --hits 4000",
        "webhooks --events 20000",
        "segments --people 50000",
        "import --rows 20000",
        "dashboard --log-rows 100000",
        "person --log-rows 100000",
    ),
    "full": (
        *(f"send {which} --recipients 100000" for which in _CHANNELS),
        "send --provider smtp --recipients 20000",
        "send --channel email --recipients 10000",
        "send --channel email --recipients 1000000 --runs 1",
        "send --channel email --recipients 100000 --log-rows 10000000",
        "launch",
        "api --requests 20000",
        "batch --requests 1000",
        "transactional --bulk 1000000 --runs 1",
        "transactional --bulk 100000 --log-rows 10000000",
        "engagement --hits 30000",
        "webhooks --events 200000",
        "segments",
        "import --rows 1000000 --runs 1",
        "dashboard --log-rows 10000000",
        "person --log-rows 10000000",
    ),
}
HEAD: Final = (
    "| `herald bench` | per second | baseline | ratio | times | µs each | MB at most | load |",
    "|---|--:|--:|--:|---|--:|--:|--:|",
)
FAILED: Final = "failed:"
_TIMES: Final = ("seconds", "p50_ms", "p95_ms", "p99_ms", "idle_p95_ms", "loaded_p95_ms")
_TIMES_OF_SEGMENTS: Final = ("loaded_p99_ms", "indexed_ms", "negation_ms", "scan_ms")
# They are not Herald's.
_FAKES: Final = ("sandbox", "plain-worker", "plain-web")


def run(scale: str) -> Iterator[str]:
    """The table line by line, as results come. A benchmark that fails has a row that says why."""
    machine = ""
    yield from HEAD
    for command in SCALES[scale]:
        found = measured(command)
        machine = found.get("machine", machine)
        yield row(command, found)
    yield ""
    yield f"Machine: {machine.rpartition(', load before')[0]}."


def measured(command: str) -> Mapping[str, Any]:
    """What one benchmark prints; `{"error": …}` when it failed."""
    words = python("app.cli.main", "bench", *command.split(), "--json")
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["It said nothing."]
        return {"error": said[-1]}
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def row(command: str, found: Mapping[str, Any]) -> str:
    """One line of the table."""
    if "error" in found:
        return f"| `{command}` | {FAILED} {found['error']} | | | | | | |"
    own = [size for name, size in found["peak_mb"].items() if name not in _FAKES]
    cells = (
        f"`{command}`",
        _number(found["per_second"]),
        _number(found["baseline_per_second"]),
        f"{found['ratio']:g} ×" if found["ratio"] is not None else "",
        ", ".join(_times(found)),
        _number(found["cpu_us"]["all"]),
        _number(max(own, default=None)),
        found["machine"].rpartition(" ")[2],
    )
    return f"| {' | '.join(cells)} |"


def _times(found: Mapping[str, Any]) -> Iterator[str]:
    for name in (*_TIMES, *_TIMES_OF_SEGMENTS):
        if name in found:
            words, _, unit = name.rpartition("_")
            yield (
                f"{words.replace('_', ' ')} {found[name]:,g} ms"
                if unit == "ms"
                else (f"{found[name]:,g} s")
            )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:g}"
