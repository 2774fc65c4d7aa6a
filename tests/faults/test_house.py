"""Faults of `docs/operators.md`, "Drills", one by one, in one Herald that goes on running.

What was accepted is counted by the sandbox's journal, never by Herald's own tables alone.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import redis

from app import ids
from app.drill import disk
from app.drill.air import stopped_in_the_air
from app.drill.client import NO_ANSWER, RefusedError
from app.drill.house import BULK, SCHEDULER, TRANSACTIONAL, WEB, House, running
from app.servers.process import is_alive
from tests.faults.service import Service
from tests.support.processes import eventually, kill
from tests.support.proxy import network

POSTGRES = "postgres -D"
# The promises: what a killed worker had is in work again, what a stop may take (seconds).
AGAIN, STOP = 60, 30
# Until silence is settled: the lease, the window for evidence, and the next look at both.
SETTLED = 120


def may_mount() -> bool:
    """Whether a small disk can be made here."""
    try:
        disk.check()
    except disk.CannotMountError:
        return False
    return True


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """One Herald; where that is allowed, its database lies on a disk that can be filled."""
    with running(700 if may_mount() else 0) as started:
        yield started


@pytest.fixture(scope="module")
def service(house: House) -> Service:
    """Somebody who sends."""
    return Service(house)


@pytest.fixture(autouse=True)
def calm(house: House) -> Iterator[None]:
    """Every fault ends with its test."""
    house.calm()
    yield
    house.calm()


@dataclass(frozen=True)
class Killed:
    """Messages whose worker was killed in the middle of its calls, and when."""

    accepted: list[str]
    in_air: int
    at: datetime


@pytest.fixture(scope="module")
def killed(house: House, service: Service) -> Killed:
    """A killed worker. What it leaves behind is settled while the other tests go on."""
    house.calm()
    future = service.sending(60)
    pids = house.wait_for(TRANSACTIONAL)
    with stopped_in_the_air(house, pids) as in_air:
        at = datetime.now(UTC)
        for pid in pids:
            kill(pid)
    return Killed(future.result(60), in_air.taken, at)


def test_a_worker_is_killed_while_its_calls_are_in_the_air(house: House, killed: Killed) -> None:
    assert killed.in_air > 0
    assert house.wait_for(TRANSACTIONAL)


def test_a_killed_web_process_takes_no_accepted_message_along(
    house: House, service: Service
) -> None:
    future = service.sending(80)
    time.sleep(0.2)
    for pid in house.wait_for(WEB):
        kill(pid)
    accepted = future.result(90)
    assert len(set(accepted)) == 80
    assert service.arrive(accepted, AGAIN)
    assert service.doubled(accepted) == 0


def test_without_redis_messages_are_accepted_and_sent_once_it_is_back(
    house: House, service: Service
) -> None:
    (pid, *_) = house.wait_for("valkey")
    with standing_still(pid):
        kill(pid)
    took = []
    for _ in range(10):
        began = time.monotonic()
        took += [(time.monotonic() - began, one) for one in service.send(1)]
    assert sorted(seconds for seconds, _ in took)[8] < 1
    assert service.arrive([one for _, one in took], AGAIN)


def test_a_full_redis_costs_nothing_but_time(house: House, service: Service) -> None:
    with redis.Redis.from_url(house.facts["redis_url"]) as client:
        client.config_set("maxmemory", 1)
        try:
            accepted = service.send(20)
        finally:
            client.config_set("maxmemory", 0)
    assert service.arrive(accepted, AGAIN)
    assert service.doubled(accepted) == 0


def test_an_emptied_queue_is_filled_again(house: House, service: Service) -> None:
    future = service.sending(60)
    with redis.Redis.from_url(house.facts["redis_url"]) as client:
        for _ in range(5):
            client.flushall()
            time.sleep(0.1)
    accepted = future.result(60)
    assert service.arrive(accepted, AGAIN)
    assert service.doubled(accepted) == 0


def test_without_a_free_connection_the_api_says_when_to_come_back(
    house: House, service: Service
) -> None:
    with ExitStack() as taken:
        with house.database() as first:
            first.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where pid <> "
                "pg_backend_pid() and datname = current_database()"
            )
            with suppress(psycopg.OperationalError):
                while True:
                    taken.enter_context(house.database())
        refused = refusal(service)
    assert refused.code == 503
    assert int(refused.retry_after) > 0
    assert service.is_ready(10)


def refusal(service: Service) -> RefusedError:
    """The first answer that is not 2xx; a message that is accepted meanwhile changes nothing."""
    for _ in range(60):
        began = time.monotonic()
        try:
            service.client.call("/notifications", service.body("x"), uuid.uuid4().hex)
        except RefusedError as answer:
            assert time.monotonic() - began < 8
            return answer
    raise AssertionError("There was always a connection.")


def test_a_thousand_identical_calls_make_one_message_while_the_database_restarts(
    house: House, service: Service
) -> None:
    key, body = uuid.uuid4().hex, service.body("only-once")
    answers: list[str] = []
    refusals: set[int] = set()

    def call(number: int) -> None:
        if number == 300:
            os.kill(house.wait_for(POSTGRES)[0], signal.SIGQUIT)
        try:
            found = service.client.call("/notifications", body, key)
            answers.append(found["notifications"][0]["id"])
        except RefusedError as refused:
            refusals.add(refused.code)
        except NO_ANSWER:
            pass

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(call, range(1000)))
    last = service.client.until_accepted("/notifications", body, key)
    public_id = last["notifications"][0]["id"]
    assert set(answers) == {public_id}
    assert refusals <= {409, 503}
    assert service.arrive([public_id], AGAIN)
    with house.database() as connection:
        rows = connection.execute(
            "select id from notification where address = 'only-once@example.com'"
        ).fetchall()
    assert [ids.encode("ntf", row_id) for (row_id,) in rows] == [public_id]
    assert service.handed_over([public_id])[public_id] == 1


def test_a_stop_under_load_loses_nothing_and_doubles_nothing(
    house: House, service: Service
) -> None:
    future = service.sending(80)
    time.sleep(0.3)
    pids = house.wait_for(TRANSACTIONAL) + house.wait_for(BULK) + house.wait_for(SCHEDULER)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    began = time.monotonic()
    assert eventually(lambda: not any(map(is_alive, pids)), STOP)
    accepted = future.result(60)
    assert service.arrive(accepted, AGAIN - (time.monotonic() - began))
    assert service.doubled(accepted) == 0


def test_queue_and_database_may_fall_together(house: House, service: Service) -> None:
    future = service.sending(60)
    time.sleep(0.2)
    workers = house.wait_for(TRANSACTIONAL)
    with stopped_in_the_air(house, workers) as in_air:
        kill(house.wait_for("valkey")[0])
        os.kill(house.wait_for(POSTGRES)[0], signal.SIGQUIT)
    accepted = future.result(90)
    assert service.arrive(accepted, SETTLED)
    assert service.doubled(accepted) <= in_air.taken


def test_a_network_that_fails_in_one_direction_costs_nothing_but_time(
    house: House, service: Service
) -> None:
    database, queue = (house.facts[name] for name in ("database_url", "redis_url"))
    with network(*place(database)) as to_database, network(*place(queue)) as to_queue:
        seen = {
            "DATABASE_URL": moved(database, to_database.port),
            "REDIS_URL": moved(queue, to_queue.port),
        }
        with far_worker(house, seen), standing_still(*house.wait_for(TRANSACTIONAL)):
            accepted = service.send(1)
            assert service.arrive(accepted, AGAIN)  # by the far worker alone
            for direction in ("there", "back"):
                future = service.sending(30)
                time.sleep(0.3)
                to_database.cut(direction)
                to_queue.cut(direction)
                time.sleep(3)
                to_database.heal()
                to_queue.heal()
                accepted += future.result(60)
            assert service.arrive(accepted, AGAIN)
    assert service.doubled(accepted) == 0


def place(url: str) -> tuple[str, int]:
    """Where a server is."""
    host, port = url.rpartition("@")[2].split("/")[0].split(":")
    return host, int(port)


def moved(url: str, port: int) -> str:
    """The same server by another way."""
    return url.replace(f":{place(url)[1]}/", f":{port}/")


@contextmanager
def far_worker(house: House, seen: dict[str, str]) -> Iterator[None]:
    """One more worker, which sees database and queue by these addresses."""
    environ = house.environ | seen | {"SANDBOX_URL": house.facts["sandbox_url"]}
    command = [sys.executable, "-m", "workers.main", "--lane", "transactional"]
    process = subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(STOP)


@contextmanager
def standing_still(*pids: int) -> Iterator[None]:
    """These processes do nothing for a while."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_webhooks_before_the_answer_three_times_and_in_any_order_tell_one_delivery_each(
    house: House, service: Service
) -> None:
    told = {"delay_s": 0, "duplicate": 3, "shuffle": True, "batch": 7, "unknown": True}
    house.control("events", told)
    accepted = service.send(40)
    assert eventually(lambda: service.states(accepted) == {"delivered": 40}, AGAIN)
    with house.database() as connection:
        question = (
            "select count(*) from event where kind = 'delivered' and notification_id = any(%s)"
        )
        keys = [ids.decode("ntf", one) for one in accepted]
        assert connection.execute(question, [keys]).fetchone() == (40,)


@pytest.mark.skipif(not may_mount(), reason=disk.NEEDS_ROOT)
def test_on_a_full_disk_nothing_is_accepted_that_is_not_kept(
    house: House, service: Service
) -> None:
    future = service.sending(60)
    disk.fill(house.pid, house.var_dir / "postgres", 3, meanwhile=lambda: time.sleep(0.1))
    accepted = future.result(90)
    assert service.arrive(accepted, AGAIN)
    assert service.doubled(accepted) == 0


def test_what_the_killed_worker_had_was_in_work_again_within_a_minute_and_is_settled(
    house: House, service: Service, killed: Killed
) -> None:
    settled = {"accepted", "delivered"}
    assert eventually(lambda: set(service.states(killed.accepted)) <= settled, SETTLED)
    assert len(service.handed_over(killed.accepted)) == len(killed.accepted)
    assert service.doubled(killed.accepted) <= killed.in_air
    with house.database() as connection:
        found = connection.execute(
            "select max(done_at) from batch where state = 'unknown' and ids && %s::bigint[]",
            [[ids.decode("ntf", one) for one in killed.accepted]],
        ).fetchone()
    assert found is not None
    assert found[0] - killed.at < timedelta(seconds=AGAIN)
