"""`python -m workers.main --lane bulk`: a process that sends one lane's messages.

Stops on SIGTERM or SIGINT: takes nothing new, finishes what is in the air, and ends within 30 s.
What it could not finish is taken up by another worker when its lease runs out. With `--processes`
it has helpers (`workers.helpers`), which are workers like itself.
"""

import argparse
import gc
import signal
import sys
import threading
import time
from typing import Final

from dramatiq import Worker

from app import jobs, priority
from app import log as logs
from workers import actors, process
from workers.broker import WAIT_SECONDS, WorkerBroker
from workers.helpers import Helpers

STOP_MS: Final = 25_000
LAST_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.5
THREADS: Final = {"transactional": 16, "bulk": 6}
# Messages of one queue that a process takes at a time: a slow provider cannot take all threads,
# and of the big batches few wait in memory.
TAKEN: Final = {"transactional": 8, "bulk": 4}

# A campaign has time: where processes share a machine, what somebody waits for goes first.
NICENESS: Final = {"transactional": 0, "bulk": 10}

log = logs.get(__name__)


def queues(lane: str) -> set[str]:
    """What a worker of this lane listens to; the bulk worker also does the background work."""
    found = {f"{channel}.{lane}" for channel in jobs.CHANNELS}
    return found | {jobs.BACKGROUND} if lane == "bulk" else found


def main() -> None:
    """Run until a signal says stop."""
    arguments = argparse.ArgumentParser(description="Send one lane's messages.")
    arguments.add_argument("--lane", choices=sorted(THREADS), required=True)
    arguments.add_argument("--processes", type=int, choices=range(1, 33), default=1)
    given = arguments.parse_args()
    lane = given.lane
    stop = threading.Event()
    priority.give_way(NICENESS[lane])
    app = process.prepare()
    # Before there is any thread or connection, which a fork would break.
    helpers = Helpers.fork(given.processes - 1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    running = process.build(app)
    if not process.ready(running, stop):
        helpers.stop(STOP_MS / 1000)
        return
    found = running.settings
    broker = jobs.connect(found.redis_url, found.queue_prefix(), WorkerBroker)
    actors.register(broker, running)
    worker = Worker(
        broker,
        queues=queues(lane),
        worker_timeout=int(WAIT_SECONDS * 1000),
        worker_threads=_threads(lane, given.processes),
    )
    worker.queue_prefetch = TAKEN[lane]
    _spare_the_collector()
    worker.start()
    log.info("worker_started", lane=lane)
    while not stop.wait(LOOK_SECONDS) and not helpers.lost():
        pass
    ends = time.monotonic() + STOP_MS / 1000
    helpers.ask_to_stop()
    running.leases.stop_beginning()
    worker.stop(timeout=STOP_MS)
    # This one may be idle while they wait for the answers of a slow provider.
    helpers.stop(max(0.0, ends - time.monotonic()) + LAST_SECONDS)
    log.info("worker_stopped", lane=lane)
    if not stop.is_set():
        # A helper died. Whoever started this process starts it again, with all of them.
        sys.exit(1)


def _threads(lane: str, processes: int) -> int:
    """Of one process; together they have as many as one alone."""
    return -(-THREADS[lane] // processes)


def _spare_the_collector() -> None:
    """What was built at the start lives for ever: do not look through it again and again.

    A batch makes tens of thousands of short-lived objects, nearly all without cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


if __name__ == "__main__":
    main()
