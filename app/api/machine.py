"""What load balancers and monitoring ask: /healthz, /readyz and /metrics. Not part of the API.

`/healthz`: the process lives. `/readyz`: it can serve; 503 until the database answers and is not
behind. The queue is reported but does not decide: without it messages are still accepted, and
sent once it is back. `/metrics`: Prometheus, for this machine or for METRICS_TOKEN.
"""

import hmac
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from flask import Blueprint, Response, abort, current_app, jsonify, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app import jobs, migrate
from app.api.gauges import Stages
from app.db import db
from app.settings import Settings

#: Set by `herald up`: the processes of one machine share their counters in this folder.
SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"

blueprint = Blueprint("machine", __name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One thing the web process needs, and whether it can serve without."""

    name: str
    state: str
    vital: bool = True

    @property
    def well(self) -> bool:
        """Nothing to do about it."""
        return self.state == "ok"


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process lives. Asks nobody else, so that a slow database does not restart it."""
    return _json({"status": "ok"}, 200)


@blueprint.get("/readyz")
def readyz() -> Response:
    """Whether requests can be served, with the state of every part."""
    parts = [*_database(), _queue()]
    can_serve = all(part.well or not part.vital for part in parts)
    status = "ok" if all(part.well for part in parts) else "degraded" if can_serve else "unready"
    body = {"status": status, "parts": {part.name: part.state for part in parts}}
    return _json(body, 200 if can_serve else 503)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Counters of every process on this machine, and the queues as they are now."""
    if not _may_read_metrics():
        abort(403)
    registry = REGISTRY
    if os.environ.get(SHARED_FOLDER):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    queues = CollectorRegistry()
    queues.register(_Queues())
    queues.register(Stages())
    return Response(
        generate_latest(registry) + generate_latest(queues), content_type=CONTENT_TYPE_LATEST
    )


class _Queues(Collector):
    """How many nudges wait per queue. A queue that cannot be reached is left out."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge with a sample per queue."""
        family = GaugeMetricFamily(
            "herald_queue_waiting", "Batches and jobs that no worker has taken", labels=["queue"]
        )
        for queue in jobs.QUEUES:
            waiting = jobs.waiting(queue)
            if waiting is not None:
                family.add_metric([queue], waiting)
        yield family


def _database() -> Iterator[Part]:
    try:
        with db.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            revision = migrate.current(connection)
    except SQLAlchemyError:
        yield Part("database", "away")
        yield Part("migrations", "unknown")
        return
    yield Part("database", "ok")
    standing = migrate.standing(revision)
    yield Part("migrations", standing, vital=standing != "ahead")


def _queue() -> Part:
    reached = jobs.waiting(jobs.BACKGROUND) is not None
    return Part("queue", "ok" if reached else "away", vital=False)


def _may_read_metrics() -> bool:
    settings: Settings = current_app.config["HERALD"]
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if settings.metrics_token and scheme.lower() == "bearer":
        return hmac.compare_digest(token.strip().encode(), settings.metrics_token.encode())
    return _is_from_this_machine()


def _is_from_this_machine() -> bool:
    """A proxy on this machine speaks for others: what it forwards does not count as ours."""
    forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    try:
        return not forwarded and ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _json(body: Mapping[str, object], status: int) -> Response:
    answer = jsonify(body)
    answer.status_code = status
    answer.headers["Cache-Control"] = "no-store"
    return answer
