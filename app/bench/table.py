"""A result for people: lines for a terminal, a row for docs/performance.md."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_GROUPS: Final = {
    "cpu_us": "µs of processor time per item",
    "baseline_cpu_us": "µs of processor time per item of the baseline",
    "rss_mb": "MB resident",
    "pss_mb": "MB, shared pages divided",
    "peak_mb": "MB at most in one process",
}


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """One line per figure; figures per process on one line each group."""
    for name, value in result.items():
        if isinstance(value, Mapping):
            parts = ", ".join(f"{each} {amount:,}" for each, amount in value.items())
            yield f"{_GROUPS.get(name, name.replace('_', ' '))}: {parts}"
        else:
            yield f"{name.replace('_', ' ')}: {_shown(value)}"


def _shown(value: object) -> str:
    if value is None:
        return "not compared"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    return str(value)
