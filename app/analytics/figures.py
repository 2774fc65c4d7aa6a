"""Plotly figures as plain dicts, in the console's style.

Colours are CSS variables, which the browser turns into the page's theme; there is no template here.
Building dicts by hand is two hundred times faster than Plotly's own classes, and the shape is the
same (`tests/analytics` checks them against the library).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from app.analytics.books import CHANNELS

Figure = dict[str, Any]
CHANNEL_NAMES: Final = {
    "email": "Email",
    "ios": "iOS push",
    "android": "Android push",
    "sms": "SMS",
}
_TICKS: Final = {"hour": "%H:%M", "day": "%-d %b", "month": "%b %Y", "minute": "%H:%M"}
_HOVER: Final = {
    "hour": "%a %-d %b, %H:%M",
    "day": "%a %-d %b",
    "month": "%B %Y",
    "minute": "%a %-d %b, %H:%M",
}
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def deliveries(spans: Sequence[datetime], series: Mapping[str, Sequence[int]], unit: str) -> Figure:
    """Stacked bars per channel; the running span is faded, because it is not over."""
    times = [span.isoformat() for span in spans]
    opacity = [1.0] * (len(times) - 1) + [0.45]
    traces = [
        {
            "type": "bar",
            "name": CHANNEL_NAMES[channel],
            "x": times,
            "y": list(series[channel]),
            "marker": {"color": f"var(--{channel})", "opacity": opacity},
            "hovertemplate": f"{CHANNEL_NAMES[channel]}  <b>%{{y:,.0f}}</b><extra></extra>",
        }
        for channel in CHANNELS
        if any(series[channel])
    ]
    return {
        "data": traces,
        "layout": {
            "barmode": "stack",
            "xaxis": {**_time_axis(unit, spans), "showspikes": False},
            "yaxis": _counts(sum(column) for column in zip(*series.values(), strict=True)),
        },
    }


def engagement(
    times: Sequence[datetime], opened: Sequence[int], clicked: Sequence[int], unit: str
) -> Figure:
    """Opens as a line with an area, clicks as a line: per slot, by people."""
    x = [time.isoformat() for time in times]
    lines = [
        _line("Opens", "var(--accent)", x, opened),
        _line("Clicks and taps", "var(--ink)", x, clicked),
    ]
    if unit == "day":  # quiet days between busy ones: a curve would swing below zero
        for line in lines:
            line["line"] = {**line["line"], "shape": "linear"}
    return {
        "data": [
            {
                **lines[0],
                "fill": "tozeroy",
                "fillcolor": "color-mix(in oklch, var(--accent) 9%, transparent)",
            },
            lines[1],
        ],
        "layout": {"xaxis": _time_axis(unit, times), "yaxis": _counts([*opened, *clicked])},
    }


def rates(spans: Sequence[datetime], lines: Sequence[tuple[str, str, Sequence[float | None]]],
          unit: str) -> Figure:  # fmt: skip
    """Up to four lines of shares (0 to 1). Missing values are gaps, never zero."""
    x = [span.isoformat() for span in spans]
    traces = [
        {
            **_line(name, color, x, values),
            "connectgaps": False,
            # a day between two days without messages has no line
            "mode": "lines+markers" if None in values else "lines",
            "marker": {"color": color, "size": 5},
            "hovertemplate": f"{name}  <b>%{{y:.1%}}</b><extra></extra>",
        }
        for name, color, values in lines
    ]
    return {
        "data": traces,
        "layout": {"xaxis": _time_axis(unit, spans), "yaxis": {"tickformat": "~%"}},
    }


def heat(hours: Mapping[tuple[int, int], int], what: str) -> Figure:
    """Weekday by hour; (weekday 1 to 7, hour) -> events. Shares of all, in percent."""
    total = sum(hours.values()) or 1
    rows = [
        [round(100 * hours.get((day, hour), 0) / total, 2) for hour in range(24)]
        for day in range(7, 0, -1)
    ]
    return {
        "data": [
            {
                "type": "heatmap",
                "x": [f"{hour:02d}" for hour in range(24)],
                "y": list(reversed(WEEKDAYS)),
                "z": rows,
                "coloraxis": "coloraxis",
                "hovertemplate": f"%{{y}} %{{x}}:00, %{{z}}% of {what}<extra></extra>",
            }
        ],
        "layout": {
            "hovermode": "closest",
            "xaxis": {
                "type": "category",
                "tickvals": ["00", "06", "12", "18", "23"],
                "showline": False,
                "showspikes": False,
            },
            "yaxis": {"type": "category", "dtick": 1, "showgrid": False},
        },
    }


def bars(rows: Sequence[tuple[str, int]], color: str, name: str) -> Figure:
    """Horizontal bars, the longest on top."""
    ordered = list(reversed(rows))
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "x": [number for _, number in ordered],
                "y": [label for label, _ in ordered],
                "marker": {"color": color},
                "hovertemplate": "%{y}  <b>%{x:,.0f}</b><extra></extra>",
            }
        ],
        "layout": {
            "hovermode": "closest",
            "xaxis": {
                **_counts((number for _, number in rows), most=4),
                "showspikes": False,
                "nticks": 4,
            },
            "yaxis": {"type": "category", "dtick": 1, "showgrid": False, "automargin": True},
        },
    }


def _line(name: str, color: str, x: Sequence[str], y: Sequence[float | None]) -> Figure:
    return {
        "type": "scatter",
        # one point has no line
        "mode": "lines" if len(x) > 1 else "markers",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": color},
        "marker": {"color": color},
        "hovertemplate": f"{name}  <b>%{{y:,.0f}}</b><extra></extra>",
    }


def _counts(values: Iterable[int], most: int = 5) -> Figure:
    """An axis of things that are counted: few of them are told in whole steps, never "500m"."""
    axis: Figure = {"tickformat": "~s"}
    if max(values, default=0) < most:
        axis["dtick"] = 1
    return axis


def _time_axis(unit: str, times: Sequence[datetime]) -> Figure:
    axis: Figure = {
        "type": "date",
        "tickformat": _TICKS[unit],
        "hoverformat": _HOVER[unit],
        "nticks": 8,
    }
    if unit == "hour" and times and times[-1] - times[0] > timedelta(days=1):
        axis["tickformat"] = "%H:%M\n%-d %b"  # the day below the hour, where it changes
    if len(times) == 1:
        axis["range"] = [
            (times[0] - timedelta(minutes=30)).isoformat(),
            (times[0] + timedelta(minutes=30)).isoformat(),
        ]
    return axis
