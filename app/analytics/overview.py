"""The numbers of a period: what was sent and what came of it, beside the period before."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from app.analytics import counters
from app.analytics.books import CHANNELS, CONFIRMING
from app.analytics.counters import Done, Grown
from app.analytics.periods import Period
from app.sending.status import FAILED, HANDED_OVER

# Fewer messages than this say nothing as a rate.
ENOUGH: Final = 20


@dataclass(slots=True)
class Figures:
    """What happened in some span of time, per channel where it matters."""

    sent: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    delivered: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    bounced: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    opened: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    failed: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    clicked: int = 0
    opted_out: int = 0
    opens: int = 0  # every open by a person, not only each message's first
    clicks: int = 0
    machine: int = 0  # opens and clicks by machines, or of which nobody can tell

    @property
    def all_sent(self) -> int:
        """Messages handed over on all channels."""
        return sum(self.sent.values())

    def add(self, other: "Figures") -> None:
        """Count what happened in another span too."""
        for name in ("sent", "delivered", "bounced", "opened", "failed"):
            mine, theirs = getattr(self, name), getattr(other, name)
            for channel, number in theirs.items():
                mine[channel] += number
        for name in ("clicked", "opted_out", "opens", "clicks", "machine"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def confirmed(self) -> tuple[int, int]:
        """Delivered, and sent, on channels where the provider reports deliveries."""
        names = [name for name in CONFIRMING if self.delivered[name] > 0]
        sent = sum(self.sent[name] for name in names)
        return min(sum(self.delivered[name] for name in names), sent), sent

    def reached(self, channel: str) -> int:
        """Delivered where that is reported, else handed over and not bounced."""
        if channel in CONFIRMING and self.delivered[channel] > 0:
            return self.delivered[channel]
        return max(self.sent[channel] - self.bounced[channel], 0)

    @property
    def all_reached(self) -> int:
        """The base of clicks and opt-outs."""
        return sum(self.reached(channel) for channel in CHANNELS)


@dataclass(frozen=True, slots=True)
class Kpi:
    """One number with its change. `value` and `before` are shares when `base` says of what."""

    key: str
    label: str
    value: float | None
    before: float | None
    base: str
    values: Sequence[float | None]
    good: str = "up"

    @property
    def is_rate(self) -> bool:
        """A share of something, 0 to 1, rather than a count."""
        return self.key != "sent"

    @property
    def change(self) -> float | None:
        """For a count the growth as a share; for a rate the difference in percentage points."""
        if self.value is None or self.before is None:
            return None
        if self.is_rate:
            return round(100 * (self.value - self.before), 2)
        return (self.value - self.before) / self.before if self.before else None


@dataclass(frozen=True, slots=True)
class Overview:
    """A period, its figures per span, and what they add up to.

    `recent` has for each span what happened until then in as long a time as the period: people
    open today what was delivered yesterday, so a rate of one day alone says nothing. The last
    one is the period itself.
    """

    period: Period
    spans: Mapping[datetime, Figures]
    total: Figures
    before: Figures
    recent: Mapping[datetime, Figures]

    def kpis(self) -> list[Kpi]:
        """Sent, delivered, opened, clicked, opted out: each with its base."""
        return [self._kpi(*definition) for definition in _KPIS]

    def by_channel(self) -> dict[str, list[int]]:
        """channel -> messages handed over per span: what the chart stacks."""
        return {
            channel: [self.spans[span].sent[channel] for span in self.period.spans]
            for channel in CHANNELS
        }

    def _kpi(self, key: str, label: str, base: str, good: str, measure: "Measure") -> Kpi:
        source = self.spans if key == "sent" else self.recent
        values = [measure(source[span]) for span in self.period.spans]
        return Kpi(key, label, measure(self.total), measure(self.before), base, values, good)


Measure = Callable[[Figures], float | None]


def overview(session: Session, period: Period, zone: str, channel: str | None = None) -> Overview:
    """Figures of a period and of the one before it, from the counters; of one channel or all."""
    grown = counters.growth(session, period.before, period.until, zone, period.unit)
    done = counters.done(session, period.before, period.until, zone, period.unit)
    spans: dict[datetime, Figures] = {span: Figures() for span in period.spans}
    total, before = Figures(), Figures()
    history: defaultdict[datetime, Figures] = defaultdict(Figures)
    for item in (one for one in grown if channel in (None, one.channel)):
        for target in _targets(item.at, period, spans, total, before):
            _grow(target, item)
        _grow(history[item.at], item)
    for act in (one for one in done if channel in (None, one.channel)):
        for target in _targets(act.at, period, spans, total, before):
            _act(target, act)
        _act(history[act.at], act)
    reach = period.spans[-1] - period.spans[0]
    recent = {span: _until(span, history, reach) for span in period.spans}
    return Overview(period, spans, total, before, recent)


def _until(span: datetime, history: Mapping[datetime, Figures], reach: timedelta) -> Figures:
    """What happened in the span and in `reach` before it."""
    found = Figures()
    for at, one in history.items():
        if span - reach <= at <= span:
            found.add(one)
    return found


def _targets(
    at: datetime,
    period: Period,
    spans: Mapping[datetime, Figures],
    total: Figures,
    before: Figures,
) -> list[Figures]:
    if at < period.first:
        return [before]
    return [total, spans[at]] if at in spans else []


def _grow(figures: Figures, item: Grown) -> None:
    if item.status in HANDED_OVER:
        figures.sent[item.channel] += item.net
    if item.status == "delivered":
        figures.delivered[item.channel] += item.net
    if item.status == "bounced":
        figures.bounced[item.channel] += item.net
    if item.status in FAILED:
        figures.failed[item.channel] += item.net


def _act(figures: Figures, item: Done) -> None:
    if item.verdict != "human":
        if item.kind in ("opened", "clicked"):
            figures.machine += item.events
        return
    if item.kind == "opened":
        figures.opened[item.channel] += item.firsts
        figures.opens += item.events
    elif item.kind == "clicked":
        figures.clicked += item.firsts
        figures.clicks += item.events
    elif item.kind == "unsubscribed":
        figures.opted_out += item.firsts


def share(part: int, base: int) -> float | None:
    """A rate from 0 to 1; None when there is too little to speak of one."""
    return min(part / base, 1.0) if base >= ENOUGH else None


_KPIS: Final[tuple[tuple[str, str, str, str, Measure], ...]] = (
    ("sent", "Sent", "messages", "up", lambda f: f.all_sent),
    ("delivered", "Delivered", "of sent", "up", lambda f: share(*f.confirmed())),
    (
        "opened",
        "Opened",
        "of emails delivered",
        "up",
        lambda f: share(f.opened["email"], f.reached("email")),
    ),
    ("clicked", "Clicked", "of delivered", "up", lambda f: share(f.clicked, f.all_reached)),
    (
        "opted_out",
        "Opted out",
        "of delivered",
        "down",
        lambda f: share(f.opted_out, f.all_reached),
    ),
)
