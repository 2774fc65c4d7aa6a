"""Queues, dead letters, alerts and providers."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape
from sqlalchemy import select

from app import ids
from app.accounts.models import AuditEntry
from app.alerts import incidents
from app.alerts.models import Incident
from app.db import transaction
from app.sending import engine, pace
from app.sending.models import LaneState, Notification, ProviderAccount
from tests.console import log
from tests.support.members import SignIn

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.usefixtures("shop")
CAUSE = "email:sendgrid:gave_up:500"


@pytest.fixture
def developer(signed_in: SignIn) -> FlaskClient:
    return signed_in("developer")


def dead(app: Flask, count: int) -> list[str]:
    made = []
    for _ in range(count):
        public_id = log.message(app, "failed", reason="gave_up", provider="sendgrid", attempts=8)
        log.attempt(app, public_id, "retry", "500", detail="Internal error")
        made.append(public_id)
    return made


def paused(app: Flask) -> list[str]:
    with app.app_context(), transaction() as session:
        rows = session.scalars(select(LaneState).where(LaneState.paused_at.is_not(None)))
        return [f"{row.channel}.{row.lane}" for row in rows]


def actions(app: Flask) -> list[str]:
    with app.app_context(), transaction() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_all_eight_queues_are_listed_and_polled(app: Flask, developer: FlaskClient) -> None:
    log.attempt(app, log.message(app), done_at=datetime.now(UTC) - timedelta(seconds=5))
    page = developer.get("/queues").text
    for channel in ("email", "sms", "ios", "android"):
        assert f"{channel}.transactional" in page
        assert f"{channel}.bulk" in page
    assert "every 5s" in developer.get("/queues/_table", headers=HTMX).text


def test_a_queue_is_paused_and_resumed(app: Flask, developer: FlaskClient) -> None:
    answer = developer.post("/queues/email.bulk/pause", headers=HTMX)
    assert "Paused by Developer" in answer.text
    assert "is paused" in answer.headers["HX-Trigger"]
    assert paused(app) == ["email.bulk"]
    developer.post("/queues/email.bulk/resume")
    assert paused(app) == []
    assert [a for a in actions(app) if a.startswith("queue")] == ["queue.pause", "queue.resume"]
    assert developer.post("/queues/fax.bulk/pause").status_code == 404


def test_who_only_looks_gets_no_buttons_and_no_way_in(app: Flask, signed_in: SignIn) -> None:
    (public_id,) = dead(app, 1)
    for role in ("support", "viewer"):
        client = signed_in(role)
        assert "Pause the queue" not in client.get("/queues").text
        page = client.get(f"/dead-letters/{CAUSE}").text
        assert public_id in page
        assert "Retry 1" not in page
        assert client.post("/queues/email.bulk/pause").status_code == 403
        assert client.post(f"/dead-letters/{CAUSE}/all", data={"do": "retry"}).status_code == 403
        assert client.get("/providers").status_code == 403
    assert "ann@example.com" not in client.get(f"/dead-letters/{CAUSE}").text
    assert signed_in("marketer").get("/queues").status_code == 403


def test_dead_letters_stand_by_cause_with_the_next_step(app: Flask, developer: FlaskClient) -> None:
    assert "Nothing given up" in developer.get("/dead-letters").text
    dead(app, 2)
    page = developer.get("/dead-letters").text
    assert "All tries used up, Email" in page
    assert "SendGrid: 500 Internal error" in page
    assert "Retry once it works again" in page
    assert "2 messages given up" in page


def test_selected_letters_are_retried_and_discarded(app: Flask, developer: FlaskClient) -> None:
    first, second, third = dead(app, 3)
    url = f"/dead-letters/{CAUSE}/_bulk"
    developer.post(url, data={"id": [first], "do": "retry"})
    developer.post(url, data={"id": [second, "nonsense"], "do": "discard"})
    assert log.status_of(app, first) == "queued"
    assert log.status_of(app, second) == "failed"
    page = developer.get(f"/dead-letters/{CAUSE}").text
    assert third in page
    assert second not in page
    assert {"message.retry", "message.discard"} <= set(actions(app))
    assert "Try again" in developer.get(f"/messages/{second}").text
    developer.post(f"/messages/{second}/retry")
    assert log.status_of(app, second) == "queued"


def test_a_whole_cause_is_retried(app: Flask, developer: FlaskClient) -> None:
    made = dead(app, 3)
    developer.post("/dead-letters/_bulk", data={"id": CAUSE})
    assert {log.status_of(app, public_id) for public_id in made} == {"queued"}
    gone = developer.post(f"/dead-letters/{CAUSE}/all", data={"do": "retry"})
    assert gone.status_code == 404


def test_discarding_all_wants_the_number_typed(app: Flask, developer: FlaskClient) -> None:
    dead(app, 2)
    url = f"/dead-letters/{CAUSE}/all"
    assert developer.post(url, data={"do": "discard", "typed": "3"}).status_code == 422
    developer.post(url, data={"do": "discard", "typed": "2"})
    with app.app_context(), transaction() as session:
        kept = session.scalars(select(Notification.discarded_at)).all()
    assert len(kept) == 2
    assert None not in kept


def test_odd_causes_are_not_found(developer: FlaskClient) -> None:
    for key in ("nonsense", "email:sendgrid:opted_out:1", "a:b:c"):
        assert developer.get(f"/dead-letters/{key}").status_code == 404
    assert developer.post("/dead-letters/_bulk").status_code == 422


def test_an_alert_is_acknowledged_and_closed(app: Flask, developer: FlaskClient) -> None:
    with app.app_context(), transaction() as session:
        detail = "503 from 40 calls"
        key = incidents.open_or_count(
            session, "twilio:failing", "twilio keeps failing", detail, {}, NOW
        )
    public_id = ids.encode("inc", key)
    page = developer.get("/alerts").text
    assert "Twilio keeps failing" in page
    assert "status page" in page
    assert "Nobody was told yet" in page
    assert "Twilio keeps failing" in developer.get("/queues").text
    developer.post(f"/alerts/{public_id}/acknowledge", data={"from": "queues"})
    assert "by Developer" in developer.get("/alerts").text
    developer.post(f"/alerts/{public_id}/close")
    assert "Nothing is wrong" in developer.get("/alerts").text
    assert "Twilio keeps failing" in developer.get("/alerts?state=resolved").text
    with app.app_context(), transaction() as session:
        incident = session.get(Incident, key)
        assert incident
        assert incident.acknowledged_by
    assert developer.post("/alerts/inc_0000000000000/close").status_code == 404


def test_providers_that_are_missing_say_which_setting_they_want(developer: FlaskClient) -> None:
    page = developer.get("/providers").text
    for name in ("SENDGRID_API_KEY", "TWILIO_ACCOUNT_SID", "APNS_KEY", "FCM_SERVICE_ACCOUNT"):
        assert name in page
    assert "http://herald.test/hooks/sendgrid" in page


@pytest.fixture
def carried(app: Flask) -> Iterator[Flask]:
    """SendGrid carries e-mail, and a mail server steps in."""
    before = app.config["HERALD"]
    chosen = replace(
        before.providers,
        sendgrid_api_key="SG.key",
        email_second="smtp",
        smtp_url="smtp://relay.example.com:587",
    )
    app.config["HERALD"] = replace(before, providers=chosen)
    engine.init_app(app, app.config["HERALD"])
    yield app
    app.config["HERALD"] = before
    engine.init_app(app, before)


def trouble(app: Flask, provider: str = "sendgrid") -> None:
    with app.app_context(), transaction() as session:
        found = ProviderAccount(
            provider=provider,
            open_since=NOW,
            cause="failing",
            code="503",
            detail="Service Unavailable",
            probe_at=NOW + timedelta(days=900),
        )
        session.add(found)


def next_try(app: Flask, provider: str = "sendgrid") -> datetime | None:
    with app.app_context(), transaction() as session:
        return session.get_one(ProviderAccount, provider).probe_at


def rates(app: Flask) -> dict[str, int]:
    with app.app_context(), transaction() as session:
        return pace.rates(session, [pace.of_provider("sendgrid"), pace.of_provider("smtp")])


def test_a_provider_in_trouble_says_why_and_who_steps_in(
    carried: Flask, developer: FlaskClient
) -> None:
    page = developer.get("/providers").text
    assert "While it fails, e-mail would go by Mail server." in page
    assert "Steps in while SendGrid fails." in page
    assert "Try now" not in page
    trouble(carried)
    page = developer.get("/providers").text
    assert "It keeps failing." in page
    assert "503 Service Unavailable" in page
    assert "While it fails, e-mail goes by Mail server." in page
    assert "Carries e-mail now, while SendGrid fails." in page
    trouble(carried, "smtp")
    assert "What would go this way waits. Nothing is lost." in developer.get("/providers").text


def test_the_card_of_a_provider_in_trouble_looks_again_until_it_is_well(
    carried: Flask, developer: FlaskClient
) -> None:
    asks = 'hx-get="/providers/sendgrid/state"'
    assert asks not in developer.get("/providers").text
    trouble(carried)
    assert asks in developer.get("/providers").text
    state = developer.get("/providers/sendgrid/state", headers={"HX-Request": "true"}).text
    assert asks in state
    assert "It keeps failing." in state
    assert re.search(r'id="state-smtp"[^>]*hx-swap-oob="morph"', state)
    assert "Carries e-mail now, while SendGrid fails." in state
    with carried.app_context(), transaction() as session:
        session.delete(session.get_one(ProviderAccount, "sendgrid"))
    state = developer.get("/providers/sendgrid/state", headers={"HX-Request": "true"}).text
    assert "hx-get" not in state
    assert "Steps in while SendGrid fails." in state
    assert developer.get("/providers/sendgrid/state").headers["Location"] == "/providers"
    assert developer.get("/providers/carrier-pigeon/state").status_code == 404


def test_trying_now_moves_the_next_try_and_is_written_down(
    carried: Flask, developer: FlaskClient
) -> None:
    assert developer.post("/providers/sendgrid/try-now").status_code == 409
    trouble(carried)
    answer = developer.post("/providers/sendgrid/try-now", follow_redirects=True)
    assert "Nothing waits for SendGrid. The next message tries it." in answer.text
    found = next_try(carried)
    assert found is not None
    assert found <= datetime.now(UTC)
    assert "provider.try" in actions(carried)
    assert developer.post("/providers/carrier-pigeon/try-now").status_code == 404


def test_a_limit_of_a_provider_is_set_changed_and_removed(
    carried: Flask, developer: FlaskClient
) -> None:
    developer.post("/providers/sendgrid/limit", data={"rate": "100"})
    developer.post("/providers/smtp/limit", data={"rate": "100000"})
    assert rates(carried) == {"provider:sendgrid": 100, "provider:smtp": 100_000}
    assert 'value="100"' in developer.get("/providers").text
    answer = developer.post("/providers/sendgrid/limit", data={"rate": " "}, follow_redirects=True)
    assert "No limit for SendGrid." in answer.text
    assert rates(carried) == {"provider:smtp": 100_000}
    assert actions(carried).count("provider.change") == 3
    assert developer.post("/providers/carrier-pigeon/limit").status_code == 404


@pytest.mark.parametrize("typed", ["0", "-1", "1.5", "1000000000", "100001", "many", '"><b>'])
def test_a_limit_that_is_none_is_refused_at_its_field(
    carried: Flask, developer: FlaskClient, typed: str
) -> None:
    answer = developer.post("/providers/smtp/limit", data={"rate": typed})
    assert answer.status_code == 422
    assert "Enter messages per second as a whole number from 1 to 100,000" in answer.text
    assert 'href="#f-rate-smtp"' in answer.text
    assert f'value="{escape(typed)}"' in answer.text
    assert rates(carried) == {}


def test_who_may_not_change_providers_changes_no_limit(
    carried: Flask, signed_in: SignIn, developer: FlaskClient
) -> None:
    trouble(carried)
    for role in ("marketer", "support", "viewer"):
        client = signed_in(role)
        assert client.post("/providers/sendgrid/limit", data={"rate": "5"}).status_code == 403
        assert client.post("/providers/sendgrid/try-now").status_code == 403
    del developer.environ_base["HTTP_X_CSRFTOKEN"]
    assert developer.post("/providers/sendgrid/limit", data={"rate": "5"}).status_code == 400
    assert rates(carried) == {}


def test_a_provider_test_is_a_message_like_any_other(app: Flask, developer: FlaskClient) -> None:
    answer = developer.post("/providers/email/test", data={"to": "me@example.com"})
    assert answer.location.startswith("/messages/ntf_")
    assert "me@example.com" in developer.get(answer.location).text
    assert "provider.test" in actions(app)
    odd = developer.post("/providers/sms/test", data={"to": "12"}, headers=HTMX)
    assert odd.status_code == 422
    assert "Not sent" in odd.text
    assert developer.post("/providers/fax/test").status_code == 404
