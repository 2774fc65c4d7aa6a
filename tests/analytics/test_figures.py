"""Figures made by hand are figures that Plotly understands."""

from datetime import datetime
from typing import Any

import plotly.graph_objects as go
import pytest

from app.analytics import figures

DAYS = [datetime(2026, 11, day) for day in (1, 2, 3)]  # noqa: DTZ001 - wall time
ALL = [
    figures.deliveries(DAYS, {c: [1, 2, 3] for c in ("email", "ios", "android", "sms")}, "day"),
    figures.engagement(DAYS, [1, 2, 3], [0, 1, 2], "minute"),
    figures.engagement(DAYS[:1], [1], [0], "minute"),
    figures.rates(DAYS, [("Opened", "var(--accent)", [0.4, None, 0.5])], "day"),
    figures.heat({(1, 9): 4, (7, 23): 1}, "clicks"),
    figures.bars([("Mailbox full", 3)], "var(--bad-dot)", "Messages"),
]


@pytest.mark.parametrize("figure", ALL)
def test_plotly_accepts_the_figure(figure: dict[str, Any]) -> None:
    # The browser resolves color-mix, the library does not know it.
    data = [{key: trace[key] for key in trace if key != "fillcolor"} for trace in figure["data"]]
    go.Figure(data=data, layout=figure["layout"])


def test_channels_are_stacked_in_their_order_and_empty_ones_left_out() -> None:
    series = {"sms": [1, 1, 1], "email": [2, 2, 2], "ios": [0, 0, 0], "android": [3, 3, 3]}
    names = [trace["name"] for trace in figures.deliveries(DAYS, series, "day")["data"]]
    assert names == ["Email", "Android push", "SMS"]


def test_the_running_day_is_faded() -> None:
    figure = figures.deliveries(
        DAYS, {c: [1, 2, 3] for c in ("email", "ios", "android", "sms")}, "day"
    )
    assert figure["data"][0]["marker"]["opacity"] == [1.0, 1.0, 0.45]


def test_the_shares_of_the_heat_map_are_a_hundred_percent() -> None:
    rows = figures.heat({(1, 9): 3, (7, 23): 1}, "clicks")["data"][0]["z"]
    assert sum(map(sum, rows)) == 100
    assert rows[6][9] == 75
    assert rows[0][23] == 25


def test_a_few_are_counted_in_whole_steps() -> None:
    few = figures.engagement(DAYS, [1, 0, 2], [0, 1, 1], "minute")
    many = figures.engagement(DAYS, [1, 0, 2000], [0, 1, 1], "minute")
    assert few["layout"]["yaxis"]["dtick"] == 1
    assert "dtick" not in many["layout"]["yaxis"]
    assert figures.bars([("Mailbox full", 3)], "red", "Messages")["layout"]["xaxis"]["dtick"] == 1
