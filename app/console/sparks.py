"""Sparklines, drawn by the server as an SVG path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Spark:
    """`line` and `area` are SVG path data; `x`, `y` is the last point. Empty without two values."""

    line: str = ""
    area: str = ""
    x: float = 0
    y: float = 0


def spark_path(values: Sequence[float | None], width: int = 68, height: int = 26) -> Spark:
    """A smooth line through the values that never overshoots them (monotone cubic).

    Missing values are left out; fewer than two values draw nothing.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Spark()
    low, high = min(known), max(known)
    span = (high - low) or 1
    step = (width - 5) / (len(known) - 1)
    points = [
        (2 + i * step, height - 3 - (value - low) / span * (height - 6))
        for i, value in enumerate(known)
    ]
    line = _curve(points)
    (first, _), (x, y) = points[0], points[-1]
    area = f"{line}L{x:.1f},{height}L{first:.1f},{height}Z"
    return Spark(line, area, round(x, 1), round(y, 1))


def _curve(points: Sequence[Point]) -> str:
    """Fritsch-Carlson tangents with the harmonic mean, as cubic Bézier segments."""
    slopes = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairwise(points)]
    inner = [0.0 if a * b <= 0 else 2 * a * b / (a + b) for a, b in pairwise(slopes)]
    tangents = [slopes[0], *inner, slopes[-1]]
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for i, ((x0, y0), (x1, y1)) in enumerate(pairwise(points)):
        third = (x1 - x0) / 3
        path += (
            f"C{x0 + third:.1f},{y0 + tangents[i] * third:.1f}"
            f" {x1 - third:.1f},{y1 - tangents[i + 1] * third:.1f} {x1:.1f},{y1:.1f}"
        )
    return path
