"""`python -m workers.main --lane bulk`: a process that sends one lane's messages.

Stops on SIGTERM or SIGINT: takes nothing new, finishes what is in the air, and ends within 30 s.
What it could not finish is taken up by another worker when its lease runs out.
"""

import argparse
import os
import signal
import threading
from typing import Final

# Read by dramatiq when it is imported: batches are big, so few are fetched ahead.
os.environ.setdefault("dramatiq_queue_prefetch", "2")

from dramatiq import Worker

from app import jobs
from app import log as logs
from workers import actors, process

STOP_MS: Final = 25_000
# How long an idle worker sleeps at most between looks at each queue. A code somebody waits for
# should not lie there for long; a campaign may. (20 ms was measured to cost 13 % of a core.)
IDLE_MS: Final = {"transactional": 50, "bulk": 250}
THREADS: Final = {"transactional": 8, "bulk": 6}

log = logs.get(__name__)


def queues(lane: str) -> set[str]:
    """What a worker of this lane listens to; the bulk worker also does the background work."""
    found = {f"{channel}.{lane}" for channel in jobs.CHANNELS}
    return found | {jobs.BACKGROUND} if lane == "bulk" else found


def main() -> None:
    """Run until a signal says stop."""
    arguments = argparse.ArgumentParser(description="Send one lane's messages.")
    arguments.add_argument("--lane", choices=sorted(IDLE_MS), required=True)
    lane = arguments.parse_args().lane
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    running = process.build()
    with running.app.app_context():
        broker = jobs.broker()
    actors.register(broker, running)
    worker = Worker(
        broker, queues=queues(lane), worker_timeout=IDLE_MS[lane], worker_threads=THREADS[lane]
    )
    worker.start()
    log.info("worker_started", lane=lane)
    stop.wait()
    worker.stop(timeout=STOP_MS)
    log.info("worker_stopped", lane=lane)


if __name__ == "__main__":
    main()
