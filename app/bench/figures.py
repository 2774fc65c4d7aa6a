"""Numbers out of measurements: medians, percentiles, cost per item, ratios."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

PERCENTILES: Final = (50, 95, 99)


class NotReal(Exception):
    """What was measured is not what was asked for: the result must not be shown."""


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """`{"p50": …, "p95": …, "p99": …}` by nearest rank. Raises NotReal when there is nothing."""
    if not values:
        raise NotReal("Nothing was measured.")
    ordered = sorted(values)
    last = len(ordered) - 1
    return {f"p{share}": round(ordered[round(last * share / 100)], 2) for share in PERCENTILES}


def median_percentiles(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each percentile the median over the runs."""
    return {f"{name}_ms": median([run[name] for run in runs]) for name in runs[0]}


def cpu_us(before: Mapping[str, float], after: Mapping[str, float], items: int) -> dict[str, float]:
    """Microseconds of processor time per item, for each process."""
    return {
        name: round((after[name] - before.get(name, 0.0)) / items * 1e6, 1)
        for name in after
        if after[name] > before.get(name, 0.0)
    }


def median_cpu_us(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each process the median over the runs, and their sum as `all`."""
    names = list(dict.fromkeys(name for run in runs for name in run))
    found = {name: round(median([run.get(name, 0.0) for run in runs]), 1) for name in names}
    return found | {"all": round(sum(found.values()), 1)}


def against(mine: float, other: float) -> dict[str, Any]:
    """The comparison; nothing is claimed where nothing was compared."""
    if not other:
        return {"baseline_per_second": None, "ratio": None}
    return {"baseline_per_second": round(other), "ratio": round(mine / other, 2)}
