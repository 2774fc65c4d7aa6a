"""A provider that keeps failing is one incident, from the first lost minute to the all-clear."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from app.alerts.models import Incident
from app.db import transaction
from app.sending import watch
from app.sending.requests import Recipient
from tests.support.sending import House, with_attempts

PEOPLE = 25


def accept(house: House) -> None:
    """One e-mail for each of some people."""
    for number in range(PEOPLE):
        house.accept(Recipient(email=f"p{number}@example.com"), data={"first_name": "Sam"})


def incidents() -> list[Incident]:
    """All there ever were."""
    with transaction() as session:
        return list(session.scalars(select(Incident)))


def look(ahead: timedelta) -> None:
    """The watch's turn, some time from now."""
    with transaction() as session:
        watch.providers(session, datetime.now(UTC) + ahead)


def test_the_minute_without_success_and_the_lost_messages_are_one_cause(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house)
    engine = with_attempts(house.engine, 2)
    house.deliver_all(engine)
    look(timedelta(seconds=45))
    (noticed,) = incidents()
    assert (noticed.cause, noticed.severity) == ("sendgrid:failing:500", "critical")

    house.sweep(datetime.now(UTC) + timedelta(minutes=1))
    house.deliver_all(engine)
    (lost,) = incidents()
    assert lost.id == noticed.id
    assert lost.count == noticed.count + PEOPLE
    assert "dead letters" in lost.detail


def test_a_provider_that_takes_messages_again_ends_the_incident(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house)
    house.deliver_all()
    look(timedelta(seconds=45))
    house.sandbox.reset()
    house.sweep(datetime.now(UTC) + timedelta(minutes=1))
    house.deliver_all()

    look(timedelta(seconds=50))
    assert [found.resolved_at for found in incidents()] == [None], "too early to be sure"
    look(timedelta(seconds=59))
    with transaction() as session:
        session.execute(
            Incident.__table__.update().values(last_at=datetime.now(UTC) - timedelta(minutes=2))
        )
    look(timedelta(seconds=59))
    assert all(found.resolved_at for found in incidents())


def test_a_few_failures_among_many_successes_are_no_incident(house: House) -> None:
    house.sandbox.fault("sendgrid", match={"to": "p1*"}, answer={"status": 500})
    accept(house)
    house.deliver_all()
    look(timedelta(seconds=45))
    assert incidents() == []
