"""What can go wrong, done on purpose. Each fault lasts a while and mends itself at its end.

A fault answers how many messages were in the air when processes were killed or stopped: only those
may arrive twice.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Final

import redis

from app.drill.house import BULK, TRANSACTIONAL, WEB, House

Fault = Callable[[House], int]
_DB: Final = "select coalesce(sum(cardinality(ids)), 0) from batch where state = 'dispatching'"


def _kill_worker(house: House) -> int:
    """Both workers, one after the other, in the middle of their calls."""
    in_air = 0
    for words in (BULK, TRANSACTIONAL, BULK):
        for pid in house.pids(words):
            os.kill(pid, signal.SIGSTOP)  # so that what is in the air can be counted
            in_air += _in_the_air(house)
            os.kill(pid, signal.SIGKILL)
        time.sleep(3)
    return in_air


def _pause_worker(house: House) -> int:
    """Longer than its lease: others take over, and then it wakes up."""
    (pid, *_) = house.pids(BULK)
    os.kill(pid, signal.SIGSTOP)
    in_air = _in_the_air(house)
    time.sleep(40)
    os.kill(pid, signal.SIGCONT)
    return in_air


def _kill_web(house: House) -> int:
    for _ in range(2):
        for pid in house.pids(WEB):
            _kill(pid)
        time.sleep(4)
    return 0


def _flush_redis(house: House) -> int:
    for _ in range(5):
        _redis(house, "flushall")
        time.sleep(0.7)
    return 0


def _stop_redis(house: House) -> int:
    (pid, *_) = house.pids("valkey")
    os.kill(pid, signal.SIGSTOP)
    time.sleep(8)
    _kill(pid)
    return 0


def _restart_postgres(house: House) -> int:
    """As `pg_ctl stop -m immediate`; the keeper starts it again."""
    in_air = _in_the_air(house)
    (pid, *_) = house.pids("postgres")
    os.kill(pid, signal.SIGQUIT)
    time.sleep(6)
    return in_air


def _provider(answer: Mapping[str, object], seconds: float) -> Fault:
    def inject(house: House) -> int:
        house.control(
            "faults", {"provider": "*", "match": {}, "for": {"seconds": seconds}, **answer}
        )
        time.sleep(seconds)
        return 0

    return inject


def _shuffle_webhooks(house: House) -> int:
    house.control("events", {"shuffle": True, "duplicate": 3, "batch": 50, "delay_s": 0})
    time.sleep(10)
    return 0


def _three_schedulers(house: House) -> int:
    """Two more beside the first, which dies."""
    environ = house.environ | {
        "DATABASE_URL": house.facts["database_url"],
        "REDIS_URL": house.facts["redis_url"],
        "HERALD_PUBLIC_URL": house.facts["web_url"],
        "SANDBOX_URL": house.facts["sandbox_url"],
    }
    command = [sys.executable, "-m", "workers.scheduler"]
    others = [subprocess.Popen(command, env=environ) for _ in range(2)]
    time.sleep(6)
    for pid in house.pids("workers.scheduler"):
        _kill(pid)
    time.sleep(6)
    for other in others:
        other.terminate()
        other.wait(30)
    return 0


def _random(house: House) -> int:
    quick = [name for name in FAULTS if name not in ("random", "pause-worker")]
    chosen = random.sample(quick, 3)  # chance guards nothing here
    return sum(FAULTS[name](house) for name in chosen)


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
    "random": _random,
}


def _in_the_air(house: House) -> int:
    with house.database() as connection:
        row = connection.execute(_DB).fetchone()
    return int(row[0]) if row else 0


def _redis(house: House, command: str) -> None:
    with redis.Redis.from_url(house.facts["redis_url"]) as client:
        client.execute_command(command)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
