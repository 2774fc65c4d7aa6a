"""The composer: every step saves, refuses what is wrong, and nothing is overwritten silently."""

from datetime import UTC, datetime

import pytest
from flask import Flask

from app.accounts import workspace
from app.accounts.workspace import Cap, Workspace
from app.audience.models import Contact
from app.db import transaction
from tests.console.workshop import Workshop, furnish
from tests.support.members import SignIn


def test_a_segment_is_added_and_dropped(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    answer = shop.post("_save", htmx=True, step="audience", add=f"include:{shop.segment}")
    assert "Remove Everyone" in answer.text
    assert "audience-changed" in answer.headers["HX-Trigger"]
    form = {"step": "audience", "include": shop.segment, "drop": f"include:{shop.segment}"}
    shop.post("_save", htmx=True, **form)
    assert shop.campaign().include_segments == []


def test_who_comes_second_is_told_and_overwrites_nothing(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("owner"))
    other = Workshop(app, signed_in("marketer"), shop.segment, shop.path)
    other.post("_save", htmx=True, step="review", name="Marketer's name", revision=1)
    answer = shop.post("_save", htmx=True, step="review", name="Owner's name", revision=1)
    assert answer.status_code == 409
    assert "Marketer changed this at" in answer.text
    assert shop.campaign().name == "Marketer's name"


def test_after_a_conflict_ones_own_words_can_be_kept_as_a_copy(
    app: Flask, signed_in: SignIn
) -> None:
    shop = furnish(app, signed_in("owner"))
    form = {"step": "content/email", "subject": "Mine", "html": "<p>Mine</p>", "revision": 0}
    copy = shop.post("_copy", **form).location
    assert copy.endswith("/content/email")
    assert "Mine" in shop.browser.get(copy).text
    assert shop.campaign().version_id is None


def test_the_count_adds_up_and_names_why(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"), people=3)
    shop.choose_audience()
    panel = shop.post("_audience", htmx=True).text
    assert 'id="receive" role="status">2<' in panel
    assert "Opted out of this topic" in panel
    assert shop.campaign().people == 3


def test_would_someone_get_it(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    shop.choose_audience()
    assert "<b>Yes.</b>" in shop.get("_would", would="p1@example.com").text
    refusal = shop.get("_would", would="p-0").text
    assert "<b>No.</b>" in refusal
    assert "opted out of this topic" in refusal
    assert "Nobody found" in shop.get("_would", would="nobody@example.com").text


def test_of_two_with_one_address_the_first_gets_it(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    with app.app_context(), transaction() as session:
        session.add(Contact(external_id="twin", email="p1@example.com"))
    shop.choose_audience()
    assert "same address" in shop.get("_would", would="twin").text
    assert "Same address as someone else" in shop.post("_audience", htmx=True).text


def test_channels_keep_their_order_and_move_up(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    order = ["email", "sms", "ios", "android"]
    shop.choose_audience(order=order, channels=["sms", "email"])
    assert shop.campaign().channels == ["email", "sms"]
    shop.choose_audience(order=order, channels=["sms", "email"], move="sms:up")
    assert shop.campaign().channels == ["sms", "email"]


def test_content_is_saved_checked_and_previewed(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    shop.choose_audience()
    answer = shop.write_letter(html="<p>Hello {{ firstname }}</p>")
    assert "Did you mean first_name" in answer.text
    assert "way out" in answer.text
    shop.write_letter()
    frame = shop.browser.get(f"{shop.path}/content/email/_preview")
    assert "<p" in frame.text
    assert frame.headers["Content-Security-Policy"].startswith("sandbox")


def test_push_is_written_once_for_both_phones(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    shop.choose_audience(channels=["ios", "android"])
    form = {"title": "Hello", "subtitle": "Only here", "body": "World", "same": "1"}
    shop.post("content/ios/_check", htmx=True, **form)
    page = shop.browser.get(f"{shop.path}/content/android").text
    assert "World" in page
    assert "Only here" not in page


@pytest.mark.usefixtures("clock")
def test_a_time_that_the_clocks_skip_offers_the_nearest(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    form = {"when": "at", "date": "2027-03-28", "time": "01:30", "zone": "Europe/London"}
    answer = shop.post("_plan", htmx=True, **form)
    assert answer.status_code == 422
    assert "The nearest time is 02:30" in answer.text
    assert shop.campaign().wall_time is None


def test_a_time_more_than_a_year_ahead_is_refused(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    form = {"when": "at", "date": "9999-12-31", "time": "23:59", "zone": "America/Los_Angeles"}
    answer = shop.post("schedule", **form)
    assert answer.status_code == 422
    assert "at most one year ahead" in answer.text
    assert shop.campaign().wall_time is None


def test_giving_up_wants_a_number_of_hours(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    answer = shop.post("schedule", when="now", expires="1", expires_hours="soon")
    assert answer.status_code == 422
    assert "whole number" in answer.text
    assert shop.post("schedule", when="now", expires="1", expires_hours="6").status_code == 303
    assert shop.campaign().expires_hours == 6


@pytest.mark.parametrize("typed", ["0", "-1", "1.5", "1000000000", "100001", "fast", "1e3", "٣"])
def test_a_speed_that_is_none_is_refused_and_nothing_is_saved(
    app: Flask, signed_in: SignIn, typed: str
) -> None:
    shop = furnish(app, signed_in("marketer"))
    answer = shop.post("_plan", htmx=True, when="now", rate=typed, expires="1", expires_hours="9")
    assert answer.status_code == 422
    assert "messages per second as a whole number" in answer.text
    assert 'href="#f-rate"' in answer.text
    assert (shop.campaign().rate, shop.campaign().expires_hours) == (None, None)


def test_speed_is_saved_and_said_in_the_review(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"), people=62)
    shop.choose_audience()
    assert shop.post("schedule", when="now", rate="2").status_code == 303
    assert shop.campaign().rate == 2
    assert 'value="2"' in shop.get("schedule").text
    review = shop.get("review").text
    assert "2 messages per second" in review
    assert "about 30 s for 61 messages" in review
    assert "importance" not in review
    shop.post("schedule", when="now", rate="")
    assert shop.campaign().rate is None
    assert "As fast as it goes" in shop.get("review").text


def test_a_speed_that_takes_longer_than_it_may_is_warned_of(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"), people=3_603)
    shop.choose_audience()
    shop.post("schedule", when="now", rate="1", expires="1", expires_hours="1")
    assert "Too slow to reach everybody" in shop.get("review").text
    shop.post("schedule", when="now", rate="2", expires="1", expires_hours="1")
    assert "Too slow to reach everybody" not in shop.get("review").text


def test_importance_is_asked_only_where_it_decides(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    assert 'name="importance"' not in shop.get("schedule").text
    let_the_more_important_win(app)
    assert 'name="importance"' in shop.get("schedule").text
    odd = shop.post("schedule", when="now", importance="utmost")
    assert (odd.status_code, "normal or high" in odd.text) == (422, True)
    assert shop.post("schedule", when="now", importance="high").status_code == 303
    assert shop.campaign().importance == "high"
    assert "High importance" in shop.get("review").text


def test_importance_stays_when_it_is_not_asked(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    shop.post("schedule", when="now", importance="high")
    shop.post("schedule", when="now", rate="7")
    assert (shop.campaign().importance, shop.campaign().rate) == ("high", 7)


def test_a_copy_keeps_speed_and_importance(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    shop.post("schedule", when="now", rate="7", importance="high")
    shop.path = shop.post("duplicate").location.removesuffix("/audience")
    assert (shop.campaign().rate, shop.campaign().importance) == (7, "high")


def let_the_more_important_win(app: Flask) -> None:
    """What a full cap does, as chosen in the settings."""
    chosen = Workspace(cap=Cap(3, 7, "priority"))
    with app.app_context(), transaction() as session:
        workspace.save(session, chosen, None, datetime(2026, 11, 22, tzinfo=UTC))


def test_a_test_goes_to_the_address_that_was_given(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    shop.choose_audience()
    shop.write_letter()
    form = {"test_channel": "email", "to": "me@example.com"}
    assert "On its way" in shop.post("test", htmx=True, **form).text
    refused = shop.post("test", htmx=True, **{**form, "to": "not an address"})
    assert refused.status_code == 422
