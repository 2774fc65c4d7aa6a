"""Gauges that are read from the database when they are asked for: what waits, and for how long."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.db import transaction
from app.sending import books, limits


class Stages(Collector):
    """Each stage's oldest and what is beyond its limit; the books. Left out without a database."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Three families with a sample per stage, two about the books."""
        now = clock.now()
        oldest = GaugeMetricFamily(
            "herald_stage_oldest_seconds",
            "How long the oldest has been in a stage",
            labels=["stage"],
        )
        limit = GaugeMetricFamily(
            "herald_stage_limit_seconds", "How long it may be there", labels=["stage"]
        )
        late = GaugeMetricFamily(
            "herald_stage_late", "How many are there for longer", labels=["stage"]
        )
        try:
            with transaction() as session:
                ages = limits.oldest(session, now)
                beyond = limits.late(session, now)
                verdict = books.verdict(session)
        except SQLAlchemyError:
            return
        for name, stage in limits.BY_NAME.items():
            oldest.add_metric([name], ages[name].total_seconds())
            limit.add_metric([name], stage.limit.total_seconds())
            late.add_metric([name], sum(one.count for one in beyond if one.stage == name))
        yield from (oldest, limit, late)
        if verdict is not None:
            yield GaugeMetricFamily(
                "herald_books_differences", "Messages not in one place", verdict.wrong
            )
            age = (now - verdict.at).total_seconds()
            yield GaugeMetricFamily("herald_books_checked_seconds", "Since the last check", age)
