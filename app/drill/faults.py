"""What can go wrong, done on purpose. Each fault lasts a while and mends itself at its end.

A fault answers which messages were in the air when processes were killed or stopped: only those may
arrive twice.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import psycopg
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from app.drill import disk
from app.drill.air import NOTHING, Air, stopped_in_the_air
from app.drill.house import BULK, SCHEDULER, TRANSACTIONAL, WEB, House
from app.servers.process import open_log

Fault = Callable[[House], Air]
DISK_FULL: Final = "disk-full"
_POSTGRES: Final = "postgres -D"
_FULL_SECONDS: Final = 10.0
_NEXT_LOG: Final = "select pg_logical_emit_message(false, 'drill', 'full'), pg_switch_wal()"


def _kill_worker(house: House) -> Air:
    """One after the other, then both at once, each time in the middle of their calls."""
    in_air = NOTHING
    for victims in ((BULK,), (TRANSACTIONAL,), (BULK, TRANSACTIONAL)):
        pids = [pid for words in victims for pid in house.wait_for(words)]
        with stopped_in_the_air(house, pids) as more:
            in_air += more
            for pid in pids:
                _kill(pid)
        time.sleep(3)
    return in_air


def _pause_worker(house: House) -> Air:
    """Longer than its lease: others take over, and then it wakes up."""
    with stopped_in_the_air(house, house.wait_for(BULK)) as in_air:
        time.sleep(40)
    return in_air


def _kill_web(house: House) -> Air:
    for _ in range(2):
        for pid in house.wait_for(WEB):
            _kill(pid)
        time.sleep(4)
    return NOTHING


def _flush_redis(house: House) -> Air:
    for _ in range(5):
        _redis(house, "flushall")
        time.sleep(0.7)
    return NOTHING


def _stop_redis(house: House) -> Air:
    (pid, *_) = house.wait_for("valkey")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(8)
    _kill(pid)
    return NOTHING


def _restart_postgres(house: House) -> Air:
    """As `pg_ctl stop -m immediate`, while answers are on their way; the keeper starts it again."""
    workers = house.wait_for(BULK) + house.wait_for(TRANSACTIONAL)
    (pid, *_) = house.wait_for(_POSTGRES)
    with stopped_in_the_air(house, workers) as in_air:
        os.kill(pid, signal.SIGQUIT)
    time.sleep(6)
    return in_air


def _provider(answer: Mapping[str, object], seconds: float) -> Fault:
    def inject(house: House) -> Air:
        house.control("faults", {}, "DELETE")  # the first rule that fits decides
        house.control("faults", {"provider": "*", "for": {"seconds": seconds}, **answer})
        time.sleep(seconds)
        house.calm()
        return NOTHING

    return inject


def _shuffle_webhooks(house: House) -> Air:
    house.control("events", {"shuffle": True, "duplicate": 3, "batch": 50, "delay_s": 0})
    time.sleep(10)
    house.calm()
    return NOTHING


def _three_schedulers(house: House) -> Air:
    """Two more beside the first, which dies."""
    environ = house.environ | {
        "DATABASE_URL": house.facts["database_url"],
        "REDIS_URL": house.facts["redis_url"],
        "HERALD_PUBLIC_URL": house.facts["web_url"],
        "SANDBOX_URL": house.facts["sandbox_url"],
    }
    command = [sys.executable, "-m", SCHEDULER]
    with open_log(house.var_dir / "log" / "more-schedulers.log") as output:
        others = [
            subprocess.Popen(command, env=environ, stdout=output, stderr=output) for _ in range(2)
        ]
    try:
        time.sleep(6)
        for pid in house.pids(SCHEDULER):
            _kill(pid)
        time.sleep(6)
    finally:
        for other in others:
            other.terminate()
            other.wait(30)
    return NOTHING


def _disk_full(house: House) -> Air:
    """Not a byte is left where PostgreSQL keeps its data.

    First its tables cannot grow, then its write-ahead log: that one it does not survive.
    """
    log_at = time.monotonic() + _FULL_SECONDS / 2

    def meanwhile() -> None:
        if time.monotonic() > log_at:
            with suppress(psycopg.Error), house.database() as connection:
                connection.execute(_NEXT_LOG)

    disk.fill(house.pid, house.var_dir / "postgres", _FULL_SECONDS, meanwhile)
    return NOTHING


def _random(house: House) -> Air:
    quick = [name for name in FAULTS if name not in ("random", "pause-worker", DISK_FULL)]
    chosen = random.sample(quick, 3)  # chance guards nothing here
    return sum((FAULTS[name](house) for name in chosen), NOTHING)


FAULTS: Final[Mapping[str, Fault]] = {
    "kill-worker": _kill_worker,
    "pause-worker": _pause_worker,
    "kill-web": _kill_web,
    "flush-redis": _flush_redis,
    "stop-redis": _stop_redis,
    "restart-postgres": _restart_postgres,
    "provider-500": _provider({"answer": {"status": 500}}, 15),
    "provider-429": _provider({"answer": {"status": 429, "headers": {"Retry-After": "3"}}}, 10),
    "provider-blackhole": _provider({"fault": "delay", "seconds": 20}, 20),
    "provider-reset": _provider({"fault": "accept_then_reset"}, 10),
    "shuffle-webhooks": _shuffle_webhooks,
    "three-schedulers": _three_schedulers,
    DISK_FULL: _disk_full,
    "random": _random,
}


def _redis(house: House, command: str) -> None:
    """As soon as it answers: the fault before this one may have stopped it."""
    patient = Retry(ConstantBackoff(0.25), 120)
    with redis.Redis.from_url(house.facts["redis_url"], retry=patient) as client:
        client.execute_command(command)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
