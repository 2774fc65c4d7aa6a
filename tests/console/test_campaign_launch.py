"""Review and launch: errors block, large sends are typed, what is on its way can be stopped."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from app.accounts.models import AuditEntry
from app.campaigns import clockwork
from app.console import campaign_review
from app.db import transaction
from app.sending.models import Pace
from tests.console.workshop import Workshop, furnish
from tests.support.members import SignIn

DAY = datetime.now(UTC) + timedelta(days=30)
FUTURE = {"when": "at", "date": f"{DAY:%Y-%m-%d}", "time": "09:00", "zone": "Europe/London"}


@pytest.fixture
def shop(app: Flask, signed_in: SignIn) -> Workshop:
    """A draft that may be launched; two people would get it."""
    made = furnish(app, signed_in("marketer"))
    made.choose_audience()
    made.write_letter()
    return made


def actions(app: Flask) -> list[str]:
    with app.app_context(), transaction() as session:
        return [entry.action for entry in session.query(AuditEntry).order_by(AuditEntry.id)]


def test_an_empty_draft_cannot_be_launched(app: Flask, signed_in: SignIn) -> None:
    empty = furnish(app, signed_in("marketer"))
    page = empty.get("review").text
    assert "Choose at least one segment" in page
    answer = empty.post("launch", number="0")
    assert answer.status_code == 422
    assert empty.campaign().status == "draft"


def test_launching_leads_to_the_report_and_is_written_down(app: Flask, shop: Workshop) -> None:
    assert "Send to 2 people" in shop.get("review").text
    answer = shop.post("launch", number="2")
    assert answer.status_code == 303
    assert answer.location == shop.path
    assert shop.campaign().status == "launching"
    assert "campaign.launch" in actions(app)
    assert shop.browser.get(f"{shop.path}/audience").location == shop.path


def test_a_launch_of_something_that_was_changed_is_refused(shop: Workshop) -> None:
    answer = shop.post("launch", number="2", revision=1)
    assert answer.status_code == 409
    assert shop.campaign().status == "draft"


def test_an_audience_that_grew_is_looked_at_again(app: Flask, signed_in: SignIn) -> None:
    crowd = furnish(app, signed_in("marketer"), people=40)
    crowd.choose_audience()
    crowd.write_letter()
    answer = crowd.post("launch", number="2")
    assert answer.status_code == 422
    assert "39 people would get it now, not 2" in answer.text


def test_over_a_thousand_the_number_is_typed(app: Flask, signed_in: SignIn) -> None:
    many = campaign_review.TYPED_FROM + 2
    crowd = furnish(app, signed_in("marketer"), people=many)
    crowd.choose_audience()
    crowd.write_letter()
    number = str(many - 1)
    assert crowd.post("launch", number=number).status_code == 422
    assert crowd.post("launch", number=number, typed="1,001").status_code == 303


def test_a_scheduled_campaign_can_be_unscheduled(app: Flask, shop: Workshop) -> None:
    assert shop.post("schedule", **FUTURE).status_code == 303
    assert f"Schedule for {DAY:%a} {DAY.day} {DAY:%b %Y}, 09:00" in shop.get("review").text
    shop.post("launch", number="2")
    assert shop.campaign().status == "scheduled"
    assert shop.browser.get(shop.path).location.endswith("/review")
    shop.post("unschedule")
    assert shop.campaign().status == "draft"
    assert {"campaign.schedule", "campaign.unschedule"} <= set(actions(app))
    shop.write_letter(subject="Changed after all")
    assert "Changed after all" in shop.get("content/email").text


def test_cancelling_wants_the_number_typed(shop: Workshop) -> None:
    shop.post("launch", number="2")
    assert shop.post("cancel", number="2", typed="").status_code == 422
    assert shop.post("cancel", number="2", typed="2").status_code == 303
    assert shop.campaign().status == "cancelled"


def limits(app: Flask) -> list[int]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(Pace.rate)))


def test_the_speed_of_what_is_on_its_way_is_changed_at_once(app: Flask, shop: Workshop) -> None:
    shop.post("schedule", when="now", rate="20")
    shop.post("launch", number="2")
    assert limits(app) == [20]
    assert shop.post("rate", rate="5").status_code == 303
    assert (limits(app), shop.campaign().rate) == ([5], 5)
    shop.post("rate", rate="")
    assert (limits(app), shop.campaign().rate) == ([], None)
    with app.app_context(), transaction() as session:
        changed = session.query(AuditEntry).filter_by(action="campaign.change").all()
    told = [entry.detail["messages per second"] for entry in changed]
    assert told == [{"from": 20, "to": 5}, {"from": 5, "to": None}]


@pytest.mark.parametrize("typed", ["0", "-1", "1.5", "1000000000", "fast"])
def test_a_wrong_speed_changes_nothing_and_is_named(app: Flask, shop: Workshop, typed: str) -> None:
    shop.post("schedule", when="now", rate="20")
    shop.post("launch", number="2")
    answer = shop.post("rate", htmx=True, rate=typed)
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#error-rate")
    assert "messages per second as a whole number" in answer.text
    assert shop.post("rate", rate=typed).status_code == 422
    assert limits(app) == [20]


def test_only_what_is_on_its_way_has_a_speed_to_change(app: Flask, shop: Workshop) -> None:
    assert shop.post("rate", rate="5").status_code == 409
    shop.post("schedule", when="now", rate="20")
    shop.post("launch", number="2")
    shop.post("cancel", number="2", typed="2")
    assert shop.post("rate", rate="5").status_code == 409
    assert limits(app) == [], "a cancelled campaign leaves no limit behind"


def test_nothing_is_posted_without_the_form_token(app: Flask, shop: Workshop) -> None:
    del shop.browser.environ_base["HTTP_X_CSRFTOKEN"]
    assert shop.post("rate", rate="1").status_code == 400
    assert shop.post("launch", number="2").status_code == 400
    assert shop.campaign().status == "draft"


@pytest.fixture
def missed(app: Flask, shop: Workshop) -> Workshop:
    """A scheduled campaign that was found two hours after its time."""
    shop.post("schedule", **FUTURE)
    shop.post("launch", number="2")
    with app.app_context(), transaction() as session:
        found = shop.campaign()
        clockwork.start_due(session, (found.send_at or found.created_at) + timedelta(hours=2))
    return shop


def test_a_campaign_that_missed_its_time_says_so_and_offers_three_ways(missed: Workshop) -> None:
    page = missed.get("review").text
    assert "Missed its time" in page
    for way in ("send-late", "reschedule", "cancel"):
        assert f'action="{missed.path}/{way}"' in page
    assert f"{missed.path}/unschedule" not in page
    assert "Missed its time" in missed.browser.get("/campaigns").text


def test_it_is_sent_late_once_and_written_down(app: Flask, missed: Workshop) -> None:
    assert missed.post("send-late", number="70").status_code == 422, "the count was another one"
    assert missed.post("send-late", number="2").status_code == 303
    assert missed.campaign().status == "launching"
    assert missed.post("send-late", number="2").status_code == 409
    assert actions(app)[-1] == "campaign.launch"


def test_a_new_time_is_chosen_in_the_composer(missed: Workshop) -> None:
    answer = missed.post("reschedule")
    assert answer.location == f"{missed.path}/schedule"
    assert (missed.campaign().status, missed.campaign().late_since) == ("draft", None)


def test_it_is_cancelled_instead(missed: Workshop) -> None:
    missed.post("cancel")
    assert (missed.campaign().status, missed.campaign().late_since) == ("cancelled", None)


def test_who_may_not_launch_may_not_decide(missed: Workshop, signed_in: SignIn) -> None:
    viewer = signed_in("viewer")
    page = viewer.get(f"{missed.path}/review").text
    assert "Missed its time" in page
    assert "send-late" not in page
    for way in ("send-late", "reschedule"):
        assert viewer.post(f"{missed.path}/{way}").status_code == 403
