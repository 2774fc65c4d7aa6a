"""The actors: one per channel, and the background work. Each calls one verb of `app`."""

import time
from collections.abc import Callable
from datetime import datetime

from dramatiq import Broker, actor
from sqlalchemy.orm import Session

from app import clock, jobs
from app.audience import attribute_indexes, imports
from app.campaigns import fanout, lifecycle, waiting
from app.db import transaction
from app.sending import dead_letters
from app.sending.dead_letters import Cause
from app.tracking import receipts
from workers.process import Process

# Lower comes first: a webhook or a fan-out is short and should not wait behind a campaign.
QUICK, SENDING = 0, 10
# Twilio posts one by one: what comes within this time is applied together.
GATHER_SECONDS = 0.1


def register(broker: Broker, process: Process) -> None:
    """Declare every actor with this broker."""
    _sending(broker, process)
    _background(broker, process)
    _dead_letters(broker, process)
    _discarding(broker, process)


def _sending(broker: Broker, process: Process) -> None:
    @actor(broker=broker, queue_name="email.bulk", priority=SENDING)
    def deliver_email(batch_id: int) -> None:
        process.deliver(batch_id)

    @actor(broker=broker, queue_name="sms.bulk", priority=SENDING)
    def deliver_sms(batch_id: int) -> None:
        process.deliver(batch_id)

    @actor(broker=broker, queue_name="ios.bulk", priority=SENDING)
    def deliver_ios(batch_id: int) -> None:
        process.deliver(batch_id)

    @actor(broker=broker, queue_name="android.bulk", priority=SENDING)
    def deliver_android(batch_id: int) -> None:
        process.deliver(batch_id)


def _background(broker: Broker, process: Process) -> None:
    @actor(broker=broker, queue_name="background", priority=QUICK)
    def fan_out(campaign_id: int) -> None:
        more = True
        while more:
            with process.app.app_context(), transaction() as session:
                more = fanout.next_chunk(session, campaign_id, clock.now())

    @actor(broker=broker, queue_name="background", priority=QUICK)
    def cancel_rest(campaign_id: int) -> None:
        while True:
            with process.app.app_context(), transaction() as session:
                if not lifecycle.cancel_some(session, campaign_id, clock.now()):
                    return

    @actor(broker=broker, queue_name="background", priority=QUICK)
    def apply_receipts() -> None:
        time.sleep(GATHER_SECONDS)
        with process.app.app_context():
            jobs.begun("apply_receipts")
        # What is committed from now on asks again: it is gathered, not picked up one by one.
        more = True
        while more:
            with process.app.app_context(), transaction() as session:
                more = receipts.apply(session, clock.now()).more

    @actor(broker=broker, queue_name="background", priority=SENDING)
    def import_people(import_id: int) -> None:
        with process.app.app_context():
            imports.run(import_id)

    @actor(broker=broker, queue_name="background", priority=SENDING)
    def index_attributes() -> None:
        with process.app.app_context():
            attribute_indexes.ensure_used()


def _discarding(broker: Broker, process: Process) -> None:
    @actor(broker=broker, queue_name="background", priority=QUICK)
    def discard_waiting() -> None:
        with process.app.app_context():
            jobs.begun("discard_waiting")
        more = True
        while more:
            with process.app.app_context(), transaction() as session:
                more = waiting.discard_some(session, clock.now())


def _dead_letters(broker: Broker, process: Process) -> None:
    @actor(broker=broker, queue_name="background", priority=QUICK)
    def retry_dead_letters(key: str, after: int, up_to: int) -> None:
        _by_chunks(process, dead_letters.retry_some, key, after, up_to)

    @actor(broker=broker, queue_name="background", priority=QUICK)
    def discard_dead_letters(key: str, after: int, up_to: int) -> None:
        _by_chunks(process, dead_letters.discard_some, key, after, up_to)


def _by_chunks(
    process: Process,
    step: Callable[[Session, Cause, int, int, datetime], int | None],
    key: str,
    after: int,
    up_to: int,
) -> None:
    """All dead letters of a cause between two keys, a chunk per transaction."""
    cause = dead_letters.parse(key)
    reached: int | None = after
    while cause is not None and reached is not None:
        with process.app.app_context(), transaction() as session:
            reached = step(session, cause, reached, up_to, clock.now())
