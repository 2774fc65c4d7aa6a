"""A provider that stays in trouble is one incident, from the first seconds to the all-clear."""

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


def look(house: House, ahead: timedelta) -> None:
    """The watch's turn, some time from now."""
    with transaction() as session:
        watch.providers(session, house.engine, datetime.now(UTC) + ahead)


def test_a_hiccup_is_no_incident(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house)
    house.deliver_all()
    look(house, timedelta(seconds=5))
    assert incidents() == []


def test_the_outage_and_the_messages_lost_in_it_are_one_cause(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house)
    engine = with_attempts(house.engine, 1)
    house.deliver_all(engine)
    (lost,) = incidents()
    assert (lost.cause, "dead letters" in lost.detail) == ("sendgrid:failing:500", True)

    house.sandbox.reset()
    house.sandbox.fault("sendgrid", answer={"status": 503})
    house.probe_may_go("sendgrid")
    house.deliver_all(engine)
    look(house, timedelta(seconds=45))
    assert "sendgrid:failing:500" in {incident.cause for incident in incidents()}


def test_a_provider_that_takes_messages_again_ends_the_incident(house: House) -> None:
    house.sandbox.fault("sendgrid", answer={"status": 500})
    accept(house)
    house.deliver_all()
    look(house, timedelta(seconds=45))
    (noticed,) = incidents()
    assert (noticed.cause, noticed.severity) == ("sendgrid:failing:500", "critical")

    house.sandbox.reset()
    house.probe_may_go("sendgrid")
    house.deliver_all()
    look(house, timedelta(seconds=50))
    assert [found.resolved_at for found in incidents()] == [None], "too early to be sure"
    with transaction() as session:
        session.execute(
            Incident.__table__.update().values(last_at=datetime.now(UTC) - timedelta(minutes=2))
        )
    look(house, timedelta(seconds=59))
    assert all(found.resolved_at for found in incidents())


def test_a_few_failures_among_many_successes_are_no_incident(house: House) -> None:
    house.sandbox.fault("sendgrid", match={"to": "p1*"}, answer={"status": 500})
    accept(house)
    house.deliver_all()
    look(house, timedelta(seconds=45))
    assert incidents() == []
