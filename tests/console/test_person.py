"""The page of one person and what staff do for them."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.accounts.models import AuditEntry
from app.audience import consent, contacts, devices, segments, topics
from app.audience.consent import Choice
from app.audience.models import Contact, Device, Preference, Suppression
from app.db import transaction
from tests.console import log
from tests.support.members import SignIn

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
def support(signed_in: SignIn) -> FlaskClient:
    return signed_in("support")


@pytest.fixture
def ann(app: Flask) -> str:
    return log.ann_id(app)


def topic_id(app: Flask, key: str) -> int:
    with app.app_context(), transaction() as session:
        return topics.by_key(session, key).id


def preferences(app: Flask) -> dict[str, bool]:
    with app.app_context(), transaction() as session:
        rows = session.scalars(select(Preference)).all()
        return {f"{row.topic_id}:{row.channel}": row.opted_in for row in rows}


def give_device(app: Flask) -> None:
    with app.app_context(), transaction() as session:
        person = contacts.by_external_id(session, "u-ann")
        devices.register(session, person.id, "ios", "ab" * 32, "app", "production", NOW)


def test_the_page_shows_who_they_are_and_where_they_are_reached(
    app: Flask, support: FlaskClient, ann: str
) -> None:
    give_device(app)
    with app.app_context(), transaction() as session:
        change = {"timezone": "Asia/Tokyo", "attributes": {"plan": "plus"}, "tags": ["vip"]}
        contacts.upsert(session, "u-ann", change, NOW)
    page = support.get(f"/people/{ann}").text
    for words in ("ann@example.com", "+447700900412", "iPhone", "Tokyo,", "plus", "vip"):
        assert words in page
    assert "Parcels" in page


def test_the_history_goes_on_by_25_and_keeps_its_filters(
    app: Flask, support: FlaskClient, ann: str
) -> None:
    start = datetime.now(UTC)
    made = [log.message(app, accepted_at=start - timedelta(days=n)) for n in reversed(range(27))]
    text = log.message(app, "skipped", channel="sms", reason="opted_out")
    page = support.get(f"/people/{ann}?channel=email").text
    assert text not in page
    assert made[26] in page
    assert made[0] not in page
    found = re.search(r'hx-get="([^"]+/history\?[^"]+)"', page)
    assert found
    more = found[1].replace("&amp;", "&")
    rest = support.get(more, headers=HTMX).text
    assert made[0] in rest
    assert made[26] not in rest
    assert "27 messages" in rest
    assert "not sent: opted out of this topic" in support.get(f"/people/{ann}").text


def test_opting_out_needs_nothing_and_opting_in_a_note(
    app: Flask, support: FlaskClient, ann: str
) -> None:
    deals = f"{topic_id(app, 'deals')}:email"
    url = f"/people/{ann}/preferences"
    assert support.post(url, data={"shown": deals}).status_code == 303
    assert preferences(app) == {deals: False}
    refused = support.post(url, data={"shown": deals, "on": deals}, headers=HTMX)
    assert refused.status_code == 422
    assert "say how you know" in refused.text
    support.post(url, data={"shown": deals, "on": deals, "note": "asked on the phone"})
    assert preferences(app) == {deals: True}
    assert "asked on the phone" in support.get(f"/people/{ann}").text


def test_what_the_form_did_not_show_stays(app: Flask, support: FlaskClient, ann: str) -> None:
    deals = topic_id(app, "deals")
    with app.app_context(), transaction() as session:
        person = contacts.by_external_id(session, "u-ann").id
        consent.write(session, [(person, Choice(deals, "sms", False))], "stop", {}, NOW)
    support.post(f"/people/{ann}/preferences", data={"shown": f"{deals}:email"})
    assert preferences(app) == {f"{deals}:sms": False, f"{deals}:email": False}


def test_an_address_is_suppressed_and_lifted_with_a_note(
    app: Flask, support: FlaskClient, ann: str
) -> None:
    support.post(f"/people/{ann}/suppress", data={"kind": "email", "note": "asked"})
    with app.app_context(), transaction() as session:
        assert session.scalars(select(Suppression.address)).all() == ["ann@example.com"]
    assert "Suppressed" in support.get(f"/people/{ann}").text
    assert support.post(f"/people/{ann}/lift", data={"kind": "email"}).status_code == 422
    support.post(f"/people/{ann}/lift", data={"kind": "email", "note": "works again"})
    with app.app_context(), transaction() as session:
        assert session.scalars(select(Suppression)).all() == []
        actions = session.scalars(select(AuditEntry.action)).all()
    assert {"contact.suppress", "suppression.remove"} <= set(actions)


def test_a_device_is_forgotten_only_for_its_owner(
    app: Flask, support: FlaskClient, ann: str
) -> None:
    give_device(app)
    page = support.get(f"/people/{ann}").text
    url = page.split("/devices/")[1].split("/remove")[0]
    assert support.post(f"/people/{ann}/devices/dev_0000000000000/remove").status_code == 404
    support.post(f"/people/{ann}/devices/{url}/remove")
    with app.app_context(), transaction() as session:
        assert session.scalars(select(Device)).all() == []


def test_support_sends_a_service_template_with_its_values(
    app: Flask, support: FlaskClient, ann: str
) -> None:
    url = f"/people/{ann}/send"
    form = {"template": "order-shipped", "channel": "email"}
    refused = support.post(url, data=form, headers=HTMX)
    assert refused.status_code == 422
    assert "order.number" in refused.text
    odd = support.post(url, data={**form, "data": "{"}, headers=HTMX)
    assert "not JSON" in odd.text
    sent = support.post(url, data={**form, "data": '{"order": {"number": 7}}'})
    assert sent.location.startswith("/messages/ntf_")
    unknown = support.post(url, data={"template": "gone"}, headers=HTMX)
    assert "Choose a template" in unknown.text


def test_the_data_of_a_person_is_one_document(app: Flask, signed_in: SignIn, ann: str) -> None:
    log.message(app, data={"code": "4711"})
    answer = signed_in("owner").get(f"/people/{ann}/data.json")
    document = json.loads(answer.data)
    assert document["person"]["email"] == "ann@example.com"
    assert document["messages"][0]["data"] == {"code": "4711"}
    assert "attachment" in answer.headers["Content-Disposition"]


def test_erasing_wants_the_address_typed_and_leaves_no_name(
    app: Flask, signed_in: SignIn, ann: str
) -> None:
    owner = signed_in("owner")
    public_id = log.message(app)
    assert owner.post(f"/people/{ann}/erase", data={"typed": "yes"}).status_code == 422
    owner.post(f"/people/{ann}/erase", data={"typed": "ann@example.com"})
    page = owner.get(f"/people/{ann}").text
    assert "This person was erased" in page
    assert "ann@example.com" not in page
    assert public_id in page
    assert owner.post(f"/people/{ann}/send").status_code == 409


def test_segments_are_worked_out_for_this_person(app: Flask, signed_in: SignIn, ann: str) -> None:
    with app.app_context(), transaction() as session:
        for name, value in (("Anns", "Ann"), ("Bobs", "Bob")):
            rule = {"field": "first_name", "op": "is", "value": value}
            segments.create(session, {"name": name, "rule": rule}, None, NOW)
    page = signed_in("owner").get(f"/people/{ann}/_segments", headers=HTMX).text
    assert "Anns" in page
    assert "Bobs" not in page


def test_who_may_only_find_people_gets_no_buttons(app: Flask, signed_in: SignIn, ann: str) -> None:
    developer = signed_in("developer")
    page = developer.get(f"/people/{ann}").text
    assert "ann@example.com" in page
    assert "More actions" not in page
    assert developer.post(f"/people/{ann}/suppress", data={"kind": "email"}).status_code == 403
    assert signed_in("support").get(f"/people/{ann}/data.json").status_code == 403
    assert signed_in("viewer").get(f"/people/{ann}").status_code == 403


def test_an_unknown_person_is_not_found(app: Flask, support: FlaskClient) -> None:
    assert support.get("/people/con_0000000000000").status_code == 404
    with app.app_context(), transaction() as session:
        assert session.scalars(select(Contact)).all()
