"""Campaigns through the API: draft, launch, pause, resume, cancel, report."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app import ids
from app.accounts.models import AuditEntry
from app.audience.models import Segment
from app.campaigns import lifecycle
from app.campaigns.models import Campaign
from app.db import transaction
from tests.support.members import ApiClient

pytestmark = pytest.mark.usefixtures("shop")
EMAIL = {"subject": "Deals", "text": "Hi {{ first_name }}, {{ unsubscribe_url }}"}


@pytest.fixture
def everyone(app: Flask) -> str:
    with app.app_context(), transaction() as session:
        segment = Segment(name="Everyone", rule={"all": []})
        session.add(segment)
        session.flush()
        return ids.encode("seg", segment.id)


@pytest.fixture
def draft(everyone: str) -> dict[str, Any]:
    return {
        "name": "Spring deals",
        "topic": "deals",
        "content": {"email": EMAIL},
        "audience": {"segments": [everyone]},
    }


def pointers(answer: Any) -> dict[str, str]:
    return {error["pointer"]: error["code"] for error in answer.json["errors"]}


def test_a_campaign_is_drafted_launched_and_reported(
    api: ApiClient, app: Flask, draft: dict[str, Any], everyone: str
) -> None:
    made = api.call("POST", "/campaigns", draft)
    assert made.status_code == 201, made.text
    assert made.json["channels"] == ["email"]
    assert made.json["topic"] == "deals"
    assert made.json["audience"] == {"match": "any", "segments": [everyone], "exclude": []}
    path = f"/campaigns/{made.json['id']}"
    launched = api.call("POST", f"{path}/launch")
    assert (launched.status_code, launched.json["status"]) == (200, "launching"), launched.text
    assert api.call("POST", f"{path}/launch").status_code == 409
    assert api.call("GET", f"{path}/report").json["audience"] == 0
    assert api.call("GET", "/campaigns?status=launching").json["data"][0]["id"] == made.json["id"]
    with app.app_context(), transaction() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(e.actor, e.actor_kind, e.action) for e in entries] == [
        ("orders", "key", "campaign.create"),
        ("orders", "key", "campaign.launch"),
    ]


def test_a_draft_takes_topic_channels_and_content_from_a_template(
    api: ApiClient, everyone: str
) -> None:
    day = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"
    body = {
        "name": "Shipped",
        "template": "order-shipped",
        "audience": {"segments": [everyone]},
        "schedule": {"wall_time": f"{day}T18:00", "zone": "Asia/Tokyo"},
    }
    made = api.call("POST", "/campaigns", body).json
    assert (made["topic"], made["channels"]) == ("parcels", ["email", "sms"])
    assert made["schedule"]["send_at"] == f"{day}T09:00:00Z"


def test_speed_and_importance_are_drafted_and_shown(api: ApiClient, draft: dict[str, Any]) -> None:
    made = api.call("POST", "/campaigns", {**draft, "rate": 20, "importance": "high"})
    assert (made.json["rate"], made.json["importance"]) == (20, "high")
    plain = api.call("POST", "/campaigns", draft)
    assert (plain.json["rate"], plain.json["importance"]) == (None, "normal")
    wrong = api.call("POST", "/campaigns", {**draft, "rate": 0, "importance": "utmost"})
    assert (wrong.status_code, set(pointers(wrong))) == (422, {"/rate", "/importance"})


def test_launching_says_all_that_is_missing(api: ApiClient) -> None:
    made = api.call("POST", "/campaigns", {"name": "Empty"}).json
    answer = api.call("POST", f"/campaigns/{made['id']}/launch")
    assert answer.status_code == 422
    assert {"/audience/segments", "/topic", "/content/email"} <= set(pointers(answer))


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"name": ""}, "/name", "too_short"),
        ({"topic": "nothing"}, "/topic", "unknown_topic"),
        ({"template": "no-such", "content": None}, "/template", "unknown_template"),
        ({"template": "order-shipped"}, "/content", "excluded"),
        ({"audience": {"segments": ["seg_1"]}}, "/audience/segments/0", "invalid_id"),
        (
            {"audience": {"segments": ["seg_07k3mzq9x2d4b"]}},
            "/audience/segments",
            "unknown_segment",
        ),
        ({"channels": ["email", "email"]}, "/channels", "invalid_choice"),
        (
            {"schedule": {"wall_time": "2027-03-28T01:30", "zone": "Europe/London"}},
            "/schedule/wall_time",
            "skipped_by_dst",
        ),
        (
            {"schedule": {"wall_time": "9999-12-31T23:59", "zone": "America/Los_Angeles"}},
            "/schedule/wall_time",
            "too_far_ahead",
        ),
        (
            {"schedule": {"wall_time": "2027-01-01T00:00+05:00", "zone": "UTC"}},
            "/schedule/wall_time",
            "invalid_time",
        ),
        (
            {"schedule": {"wall_time": "", "zone": "UTC"}},
            "/schedule/wall_time",
            "invalid_time",
        ),
        (
            {"schedule": {"wall_time": "2027-01-01T09:00", "zone": ""}},
            "/schedule/zone",
            "unknown_zone",
        ),
        (
            {"schedule": {"wall_time": "2027-03-27T01:30", "zone": "Mars"}},
            "/schedule/zone",
            "unknown_zone",
        ),
        ({"expires_hours": 0}, "/expires_hours", "out_of_range"),
        ({"content": {"sms": {"body": "x" * 10_001}}}, "/content/sms/body", "too_long"),
    ],
)
def test_a_wrong_draft_is_named(
    api: ApiClient, draft: dict[str, Any], change: dict[str, Any], pointer: str, code: str
) -> None:
    body = {name: value for name, value in {**draft, **change}.items() if value is not None}
    answer = api.call("POST", "/campaigns", body)
    assert answer.status_code == 422, answer.text
    assert pointers(answer).get(pointer) == code, answer.text
    assert api.call("GET", "/campaigns").json["data"] == []


def test_pause_resume_and_cancel_follow_the_state(
    api: ApiClient, app: Flask, draft: dict[str, Any]
) -> None:
    public_id = api.call("POST", "/campaigns", draft).json["id"]
    path = f"/campaigns/{public_id}"
    assert api.call("POST", f"{path}/pause").status_code == 409
    with app.app_context(), transaction() as session:
        campaign = lifecycle.by_public_id(session, public_id)
        campaign.status, campaign.launched_at = "sending", datetime.now(UTC)
    assert api.call("POST", f"{path}/pause").json["status"] == "paused"
    assert api.call("POST", f"{path}/resume").json["status"] == "sending"
    assert api.call("POST", f"{path}/cancel").json["status"] == "cancelled"
    assert api.call("POST", f"{path}/resume").status_code == 409


def test_the_same_key_drafts_once(api: ApiClient, app: Flask, draft: dict[str, Any]) -> None:
    keyed = {"Idempotency-Key": "spring"}
    first = api.call("POST", "/campaigns", draft, **keyed)
    second = api.call("POST", "/campaigns", draft, **keyed)
    assert (first.status_code, first.data) == (second.status_code, second.data)
    with app.app_context(), transaction() as session:
        assert len(session.scalars(select(Campaign)).all()) == 1


def test_a_reader_may_look_and_not_act(
    api: ApiClient, make_key: Callable[..., str], draft: dict[str, Any]
) -> None:
    reader = ApiClient(api.client, make_key("read"))
    public_id = api.call("POST", "/campaigns", draft).json["id"]
    assert reader.call("GET", f"/campaigns/{public_id}").status_code == 200
    assert reader.call("POST", f"/campaigns/{public_id}/launch").status_code == 403
    assert reader.call("GET", "/campaigns/cmp_nothing").status_code == 404


def test_a_test_key_cannot_launch(app: Flask, make_key: Callable[..., str]) -> None:
    client = ApiClient(app.test_client(), make_key("campaigns", test=True))
    campaign = client.call("POST", "/campaigns", {"name": "Rehearsal"}).json["id"]
    assert client.call("POST", f"/campaigns/{campaign}/launch").status_code == 403
