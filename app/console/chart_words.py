"""The sentence that says what a chart shows, for those who do not see it."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.analytics.figures import CHANNEL_NAMES
from app.analytics.reports import Timeline
from app.console.filters import num, plural


def span(moment: datetime, unit: str) -> str:
    """A slot of time in words: `Thu 19 Nov`, `14:00`, `November 2026`."""
    if unit == "month":
        return f"{moment:%B %Y}"
    if unit == "day":
        return f"{moment:%a} {moment.day} {moment:%b}"
    return f"{moment:%a} {moment.day} {moment:%b}, {moment:%H:%M}"


def deliveries(
    spans: Sequence[datetime], series: Mapping[str, Sequence[int]], unit: str, period: str
) -> str:
    """How many messages by channel, and when the most."""
    sums = [sum(values) for values in zip(*series.values(), strict=True)]
    if not any(sums):
        return f"Nothing was sent in the {period}."
    top = max(range(len(sums)), key=sums.__getitem__)
    parts = [
        f"{CHANNEL_NAMES[channel]} {num(sum(values))}"
        for channel, values in series.items()
        if any(values)
    ]
    return (
        f"Messages handed over per {unit} in the {period}: {', '.join(parts)}. "
        f"The most, {num(sums[top])}, on {span(spans[top], unit)}."
    )


def timeline(line: Timeline) -> str:
    """When the most opens and clicks came."""
    if not line.times:
        return "Nobody has opened or clicked yet."
    parts = []
    for word, values in (("Opens", line.opened), ("Clicks and taps", line.clicked)):
        if any(values):
            top = max(range(len(values)), key=values.__getitem__)
            when = span(line.times[top], line.unit)
            parts.append(f"{word}: {num(sum(values))}, the most, {num(values[top])}, at {when}.")
    return " ".join(parts)


def heat(hours: Mapping[tuple[int, int], int], days: Sequence[str]) -> str:
    """The best hour of the week."""
    if not any(hours.values()):
        return "Nobody has clicked in this time."
    (day, hour), number = max(hours.items(), key=lambda item: item[1])
    return f"Most clicks on {days[day - 1]} from {hour:02d}:00: {plural(number, 'click')}."
