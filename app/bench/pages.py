"""`herald bench dashboard` and `person`: pages of the console over a full log.

One browser, one page after the other, signed in as an owner. The slowest page's 95th percentile is
what counts.
"""

import http.cookiejar
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import text

from app import clock, ids
from app.accounts import members, passwords
from app.bench import crowd as crowds
from app.bench import figures, load
from app.bench.figures import NotReal
from app.bench.load import Plan, Request
from app.bench.scratch import SENDERS, CreateApp, Scratch, scratch
from app.db import db, transaction

PEOPLE: Final = 50_000
LOOKS: Final = 20  # at each page in each run
WARM_UP: Final = 5
DASHBOARDS: Final = (
    "/",
    "/analytics",
    "/analytics/engagement",
    "/analytics/deliverability",
    "/campaigns",
    "/messages",
    "/queues",
    "/providers",
)
_TOKEN: Final = re.compile(r'name="csrf_token" value="([^"]+)"')
# Half of the messages were opened: the event, and its counters.
_EVENTS: Final = """
  insert into event (notification_id, contact_id, channel, kind, at, received_at, source, verdict,
                     first, dedup)
  select id, contact_id, channel, 'opened', accepted_at + interval '1 hour',
         accepted_at + interval '1 hour', 'pixel', 'human', true, 'bench-' || id
    from notification where id % 2 = 0 and id between :low and :high
"""
_EVENT_COUNTERS: Final = """
  insert into engagement_count (campaign_id, channel, slot, kind, verdict, link_id, events, firsts)
  select 0, channel, date_trunc('hour', at), kind, verdict, 0, count(*), count(*)
    from event group by channel, date_trunc('hour', at), kind, verdict
"""
_AGGREGATE: Final = """
  select date_trunc('hour', accepted_at), channel, status, count(*)
    from notification where accepted_at > now() - interval '28 days' group by 1, 2, 3
"""
_CHUNK: Final = 500_000


def dashboard(create_app: CreateApp, notifications: int, runs: int) -> Mapping[str, Any]:
    """The overview, analytics and lists, beside counting the log itself."""
    with scratch(create_app, without=SENDERS) as house:
        _fill(notifications)
        cookie = _sign_in(house)
        found = _look(house, cookie, DASHBOARDS, runs)
        direct = figures.median([_aggregate() for _ in range(3)])
        memory = house.memory() | {"machine": house.machine}
    slowest = max(found["pages"].values())
    return {
        "bench": "dashboard",
        "notifications": notifications,
        **_figures(found, slowest),
        "aggregate_ms": round(direct, 1),
        "baseline_per_second": round(1000 / direct, 2),
        "ratio": round(direct / slowest, 2),
        "baseline": "one aggregate over the log, against the slowest page",
        **memory,
    }


def person(create_app: CreateApp, notifications: int, runs: int) -> Mapping[str, Any]:
    """Finding one person by what she says, and her page with its history."""
    with scratch(create_app, without=SENDERS) as house:
        _fill(notifications)
        cookie = _sign_in(house)
        public_id = ids.encode("con", 4242)
        paths = (
            f"/people/{public_id}",
            "/people?q=person42",
            "/people?q=Ada4242",
            f"/messages?contact={public_id}",
        )
        found = _look(house, cookie, paths, runs)
        memory = house.memory() | {"machine": house.machine}
    return {
        "bench": "person",
        "notifications": notifications,
        **_figures(found, max(found["pages"].values())),
        **figures.against(0.0, 0.0),
        **memory,
    }


def _figures(found: Mapping[str, Any], slowest: float) -> dict[str, Any]:
    return {
        "runs": found["runs"],
        "per_second": round(found["per_second"], 1),
        "p95_ms": slowest,
        "p95_ms_of_pages": found["pages"],
        "cpu_us": found["cpu_us"],
    }


def _fill(notifications: int) -> None:
    """The log, its events and all counters."""
    crowds.fill_log(crowds.make(PEOPLE), notifications)
    for low in range(1, notifications + 1, _CHUNK):
        with transaction() as session:
            session.execute(text("set local statement_timeout = 0"))
            session.execute(text(_EVENTS), {"low": low, "high": low + _CHUNK - 1})
    with transaction() as session:
        session.execute(text("set local statement_timeout = 0"))
        session.execute(text(_EVENT_COUNTERS))
        session.execute(text("analyze event, engagement_count, ledger_count"))
    _tidy_up()


def _tidy_up() -> None:
    """Let PostgreSQL do at once what such a log, which came in minutes, leaves it to do: a real one
    grows over weeks, and no page waits for that.
    """
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("set statement_timeout = 0"))
        connection.execute(text("vacuum notification, event, attempt"))
        connection.execute(text("checkpoint"))
        connection.invalidate()  # it has no time limit any more


def _look(house: Scratch, cookie: str, paths: Sequence[str], runs: int) -> dict[str, Any]:
    """95th percentile of each page in milliseconds. Raises NotReal when one is not a 200."""
    looks: dict[str, list[float]] = {path: [] for path in paths}
    costs, rates = [], []
    for number in range(runs + 1):
        times = WARM_UP if number == 0 else LOOKS
        seconds, before = 0.0, house.cpu_seconds()
        for path in paths:
            plan = Plan(house.place.web_url, [f"Cookie: {cookie}"], [Request(path)] * times, 1)
            told = load.run(house, plan, 200)
            seconds += told.seconds
            looks[path] += told.milliseconds if number else []
        if number:
            costs.append(figures.cpu_us(before, house.cpu_seconds(), times * len(paths)))
            rates.append(times * len(paths) / seconds)
    house.must_be_well()
    return {
        "runs": runs,
        "pages": {path: figures.percentiles(taken)["p95"] for path, taken in looks.items()},
        "per_second": figures.median(rates),
        "cpu_us": figures.median_cpu_us(costs),
    }


def _sign_in(house: Scratch) -> str:
    """The Cookie header of an owner who signed in through the form."""
    email, password = "owner@herald.example", passwords.make()
    with transaction() as session:
        members.create_member(session, email, "Owner", "owner", password, clock.now())
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    url = f"{house.place.web_url}/signin"
    with browser.open(url, timeout=30) as answer:
        token = _TOKEN.search(answer.read().decode())
    if token is None:
        raise NotReal("The sign-in page has no form.")
    form = {"email": email, "password": password, "csrf_token": token[1]}
    with browser.open(url, urllib.parse.urlencode(form).encode(), timeout=30) as answer:
        if answer.url == url:
            raise NotReal("The sign-in was refused.")
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


def _aggregate() -> float:
    """Milliseconds of the count that the counters save."""
    with transaction() as session:
        session.execute(text("set local statement_timeout = 0"))
        began = time.perf_counter()
        session.execute(text(_AGGREGATE)).all()
        return (time.perf_counter() - began) * 1000
