"""The list of messages and the page of one."""

import json
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.accounts.models import AuditEntry
from app.db import transaction
from app.sending import copies, facts, rules
from app.sending.models import Attempt, Copy, Notification
from tests.console import log
from tests.support.members import SignIn

HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
def support(signed_in: SignIn) -> FlaskClient:
    return signed_in("support")


def keep_copy(app: Flask, public_id: str) -> None:
    """What delivering keeps of the message."""
    with app.app_context(), transaction() as session:
        key = log.key(public_id)
        row = session.scalars(select(Notification).where(Notification.id == key)).one()
        batch = session.scalar(select(Attempt.batch_id).where(Attempt.notification_id == key))
        some = facts.Some([key], row.channel, row.accepted_at, row.accepted_at)
        rows = facts.load(session, some, rules.current(session), row.accepted_at)
        session.add(Copy(batch_id=batch or 0, at=row.accepted_at, facts=copies.packed(rows)))


def audited(app: Flask) -> list[str]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_the_list_narrows_by_address_channel_and_status(app: Flask, support: FlaskClient) -> None:
    mail = log.message(app)
    text = log.message(app, "failed", channel="sms", address="+447700900412", reason="gave_up")
    page = support.get("/messages").text
    assert mail in page
    assert text in page
    assert "All tries used up" in page
    assert text not in support.get("/messages?channel=email").text
    assert mail not in support.get("/messages?status=failed").text
    assert mail in support.get("/messages?to=ann@example.com").text
    assert "No messages match" in support.get("/messages?to=nobody@example.com").text


def test_a_bare_address_is_found_in_any_age(app: Flask, support: FlaskClient) -> None:
    bare = log.message(app, contact_id=None, address="carl@example.com")
    assert bare in support.get("/messages?to=carl@example.com").text
    assert bare not in support.get("/messages?to=ann@example.com").text


def test_odd_filters_and_cursors_are_no_fault(support: FlaskClient) -> None:
    odd = "/messages?channel=fax&status=gone&when=x&from=2026-13-40&campaign=cmp_no&to=%00"
    assert support.get("/messages?from=0001-01-01&until=9999-12-31").status_code == 200
    assert support.get(odd).status_code == 200
    assert support.get("/messages?cursor=zzz").status_code == 422
    assert support.get("/messages/ntf_0000000000000").status_code == 404
    assert support.get("/messages/nonsense").status_code == 404


def test_the_verdict_comes_first_and_every_step_follows(app: Flask, support: FlaskClient) -> None:
    public_id = log.message(app)
    log.attempt(app, public_id, "retry", "503", detail="busy")
    log.attempt(app, public_id, number=2)
    log.event(app, public_id, "delivered")
    log.event(app, public_id, "opened", "machine")
    page = support.get(f"/messages/{public_id}").text
    assert "Delivered by e-mail on" in page
    assert "SendGrid did not take the first try (503)" in page
    assert "Attempt 1 not taken by SendGrid" in page
    assert "Opened by a machine" in page
    assert page.index("Attempt 1") < page.index("Attempt 2")


def test_a_lost_answer_shows_when_the_provider_was_asked_and_what_it_said(
    app: Flask, support: FlaskClient
) -> None:
    public_id = log.message(app, "unknown", channel="sms", provider="twilio")
    asked_at = datetime.now(UTC)
    log.attempt(app, public_id, "ambiguous", "no_answer", provider="twilio",
                asked_at=asked_at, unlisted=True)  # fmt: skip
    page = support.get(f"/messages/{public_id}").text
    assert "Twilio was asked about it" in page
    assert "It has no such message." in page


@pytest.mark.parametrize(
    ("status", "reason", "step"),
    [
        ("skipped", "opted_out", "Not sent again"),
        ("expired", "expired", "Not sent again"),
        ("cancelled", "cancelled", "Cancelled"),
    ],
)
def test_a_message_that_ends_after_a_lost_answer_is_not_called_unsent(
    app: Flask, support: FlaskClient, status: str, reason: str, step: str
) -> None:
    public_id = log.message(app, status, reason=reason, final_at=datetime.now(UTC))
    log.attempt(app, public_id, "ambiguous", "no_answer")
    page = support.get(f"/messages/{public_id}").text
    assert "It may have gone out." in page
    assert f">{step}<" in page
    assert "handed over" not in page


def test_raw_json_has_attempts_and_events_but_no_content(app: Flask, support: FlaskClient) -> None:
    public_id = log.message(app, data={"code": "9184"})
    log.attempt(app, public_id)
    page = support.get(f"/messages/{public_id}?view=json").text
    written = page.split('JSON">')[1].split("</pre>")[0].replace("&#34;", '"')
    document = json.loads(written)
    assert document["id"] == public_id
    assert document["attempts"][0]["code"] == "202"
    assert "9184" not in page


def test_content_opens_with_a_reason_for_all_messages_of_the_person(
    app: Flask, support: FlaskClient
) -> None:
    public_id = log.message(app)
    log.attempt(app, public_id)
    keep_copy(app, public_id)
    url = f"/messages/{public_id}"
    assert "Parcel for Ann" not in support.get(url).text
    assert support.get(f"{url}/_content").status_code == 404
    refused = support.post(f"{url}/reason", data={"reason": "other"}, headers=HTMX)
    assert refused.status_code == 422
    assert "Say in a few words" in refused.text
    support.post(f"{url}/reason", data={"reason": "asked"})
    assert "Parcel for Ann" in support.get(url).text
    body = support.get(f"{url}/_content")
    assert "<p>Hi Ann</p>" in body.text
    assert body.headers["Content-Security-Policy"].startswith("sandbox;")
    assert audited(app).count("message.view") == 1
    other = log.message(app)
    assert "Give a reason" not in support.get(f"/messages/{other}").text


def test_marketers_find_messages_but_never_read_them(app: Flask, signed_in: SignIn) -> None:
    public_id = log.message(app)
    marketer = signed_in("marketer")
    page = marketer.get(f"/messages/{public_id}").text
    assert "What messages say is personal" in page
    assert "Send again" not in page
    assert marketer.get(f"/messages/{public_id}/_content").status_code == 403
    assert marketer.post(f"/messages/{public_id}/reason").status_code == 403


def test_developers_read_only_what_went_to_the_sandbox(app: Flask, signed_in: SignIn) -> None:
    real, test = log.message(app), log.message(app, test=True)
    for public_id in (real, test):
        log.attempt(app, public_id)
        keep_copy(app, public_id)
    developer = signed_in("developer")
    assert "Your role sees only what went to the sandbox" in developer.get(f"/messages/{real}").text
    assert "Parcel for Ann" in developer.get(f"/messages/{test}").text


def test_viewers_see_no_messages(app: Flask, signed_in: SignIn) -> None:
    viewer = signed_in("viewer")
    assert viewer.get("/messages").status_code == 403
    assert viewer.get(f"/messages/{log.message(app)}").status_code == 403


def test_a_waiting_message_is_polled_and_a_finished_one_is_not(
    app: Flask, support: FlaskClient
) -> None:
    waiting, done = log.message(app, "queued"), log.message(app)
    assert "every 3s" in support.get(f"/messages/{waiting}").text
    assert "every 3s" in support.get(f"/messages/{waiting}/_events?n=5", headers=HTMX).text
    assert "every 3s" not in support.get(f"/messages/{waiting}/_events?n=40", headers=HTMX).text
    assert "every 3s" not in support.get(f"/messages/{done}").text


def test_a_waiting_message_is_cancelled_once(app: Flask, support: FlaskClient) -> None:
    public_id = log.message(app, "queued")
    assert support.post(f"/messages/{public_id}/cancel").status_code == 303
    assert log.status_of(app, public_id) == "cancelled"
    assert "Cancelled on" in support.get(f"/messages/{public_id}").text
    assert support.post(f"/messages/{log.message(app)}/cancel").status_code == 409
    assert "message.cancel" in audited(app)


def test_sending_again_makes_a_message_that_names_the_old_one(
    app: Flask, support: FlaskClient
) -> None:
    public_id = log.message(app)
    answer = support.post(f"/messages/{public_id}/again")
    made = answer.location.rpartition("/")[2]
    assert made != public_id
    assert public_id in support.get(f"/messages/{made}").text
    assert made in support.get(f"/messages/{public_id}").text


def test_only_operators_retry_a_dead_letter(app: Flask, signed_in: SignIn) -> None:
    public_id = log.message(app, "failed", reason="gave_up")
    assert signed_in("support").post(f"/messages/{public_id}/retry").status_code == 403
    developer = signed_in("developer")
    assert "Dead letter" in developer.get(f"/messages/{public_id}").text
    developer.post(f"/messages/{public_id}/retry")
    assert log.status_of(app, public_id) == "queued"


def test_a_skipped_message_shows_the_gate_that_stood_against_it(
    app: Flask, support: FlaskClient
) -> None:
    public_id = log.message(app, "skipped", reason="no_address", address=None)
    page = support.get(f"/messages/{public_id}").text
    assert "Not sent: there is no address for this channel." in page
    assert "Would it go now?" in page
    assert "There is no address for this channel." in page


def test_of_nobody_nothing_else_is_asked(app: Flask, support: FlaskClient) -> None:
    nobody = log.message(app, "skipped", reason="unknown_contact", contact_id=None, address=None)
    page = support.get(f"/messages/{nobody}").text
    assert "No such person is known." in page
    assert "The person is known." not in page
    assert "answered well" not in page


def test_of_a_bare_address_nobody_is_said_to_be_known(app: Flask, support: FlaskClient) -> None:
    bare = log.message(app, "skipped", reason="expired", contact_id=None, address="c@example.com")
    page = support.get(f"/messages/{bare}").text
    assert "Only an address was given." in page
    assert "The device is registered." not in page


def test_what_a_carrier_answered_is_shown_with_its_code(app: Flask, support: FlaskClient) -> None:
    text = log.message(app, "bounced", channel="sms", reason="not_mobile")
    log.event(app, text, "failed", code="30005")
    assert "30005" in support.get(f"/messages/{text}").text
