"""One-click unsubscribe and the preference page."""

import json

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from app.audience import consent
from app.audience.models import Contact
from app.tracking.tokens import Tokens, for_contact
from tests.support.messages import World

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
FORMS = ["application/x-www-form-urlencoded", "multipart/form-data"]


def standing(world: World, contact: Contact, topic: str = "offers") -> dict[str, bool]:
    world.session.rollback()
    rows = {row.topic.key: row for row in consent.matrix(world.session, contact.id)}
    return {channel: one.opted_in for channel, one in rows[topic].channels.items()}


@pytest.mark.parametrize("kind", FORMS)
def test_one_click_unsubscribes_and_repeats_answer_the_same(
    client: FlaskClient, world: World, signers: Tokens, kind: str
) -> None:
    contact = world.contact()
    path = f"/u/{signers.unsubscribe.sign_id(world.message(contact).id)}"
    world.session.commit()
    for _ in range(3):
        answer = client.post(path, data=ONE_CLICK, content_type=kind)
        assert answer.status_code == 200
        assert "Location" not in answer.headers
        assert "Set-Cookie" not in answer.headers
    assert standing(world, contact) == {"email": False, "sms": True, "ios": True, "android": True}
    events = world.session.scalar(text("select count(*) from event where kind = 'unsubscribed'"))
    assert events == 1


def test_looking_never_unsubscribes(client: FlaskClient, world: World, signers: Tokens) -> None:
    contact = world.contact()
    message = world.message(contact).id
    paths = [
        f"/u/{signers.unsubscribe.sign_id(message)}",
        f"/p/{signers.preferences.sign_id(message)}",
    ]
    world.session.commit()
    for path in paths:
        for _ in range(25):
            assert client.get(path).status_code == 200
            assert client.head(path).status_code == 200
            client.get(path, headers={"Purpose": "prefetch"})
    assert all(standing(world, contact).values())
    assert world.session.scalar(text("select count(*) from consent_entry")) == 0


def test_the_page_names_topic_and_masks_the_address(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    contact = world.contact(email="amara.okafor@example.com")
    path = f"/u/{signers.unsubscribe.sign_id(world.message(contact).id)}"
    world.session.commit()
    page = client.get(path).text
    assert "Offers" in page
    assert "am···@example.com" in page
    assert "amara.okafor" not in page


def test_a_press_by_mistake_can_be_undone(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    contact = world.contact()
    path = f"/u/{signers.unsubscribe.sign_id(world.message(contact).id)}"
    world.session.commit()
    assert "You are unsubscribed" in client.post(path, data={"page": "1"}).text
    assert "still subscribed" in client.post(path, data={"undo": "1"}).text
    assert standing(world, contact)["email"]


def test_an_address_without_a_person_is_suppressed_for_marketing(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    message = world.message(None, address="somebody@example.com")
    path = f"/u/{signers.unsubscribe.sign_id(message.id)}"
    world.session.commit()
    assert client.post(path, data=ONE_CLICK).status_code == 200
    rows = world.session.execute(text("select address, reason, scope from suppression")).all()
    assert [tuple(row) for row in rows] == [("somebody@example.com", "unsubscribe", "marketing")]


def test_order_updates_cannot_be_unsubscribed(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    contact = world.contact()
    message = world.message(contact, topic_id=world.orders.id)
    path = f"/u/{signers.unsubscribe.sign_id(message.id)}"
    world.session.commit()
    assert "always sent" in client.get(path).text
    assert client.post(path, data=ONE_CLICK).status_code == 200
    assert standing(world, contact, "orders")["email"]


def test_a_link_of_a_person_stops_all_marketing(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    contact = world.contact()
    path = f"/u/{for_contact(signers.unsubscribe, contact.id)}"
    world.session.commit()
    assert client.post(path, data=ONE_CLICK).status_code == 200
    assert not any(standing(world, contact).values())
    assert all(standing(world, contact, "orders").values())


@pytest.mark.parametrize("token", ["x", "A" * 32, "%00", "a" * 5000])
def test_a_link_that_is_not_ours_is_not_found_and_changes_nothing(
    client: FlaskClient, world: World, token: str
) -> None:
    for path in (f"/u/{token}", f"/p/{token}"):
        assert client.get(path).status_code == 404
        assert client.post(path, data=ONE_CLICK).status_code == 404


def test_a_token_works_for_its_purpose_only(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    message = world.message(world.contact()).id
    world.session.commit()
    assert client.post(f"/u/{signers.track.sign_id(message)}").status_code == 404
    assert client.get(f"/p/{signers.unsubscribe.sign_id(message)}").status_code == 404


def test_the_preference_page_shows_what_holds_and_locks_what_is_always_sent(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    contact = world.contact(email="amara.okafor@example.com", phone="+447700900412")
    token = signers.preferences.sign_id(world.message(contact).id)
    world.session.commit()
    page = client.get(f"/p/{token}").text
    assert "amara.okafor@example.com" in page  # the link came to this address
    assert "+447700900412" not in page
    assert page.count('role="switch"') == 3
    assert page.count('aria-label="Always on"') == 6
    assert "Set-Cookie" not in client.get(f"/p/{token}").headers


def test_one_switch_saves_itself_and_offers_undo(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    contact = world.contact()
    token = signers.preferences.sign_id(world.message(contact).id)
    world.session.commit()
    name = f"{world.offers.id}:push"
    answer = client.post(f"/p/{token}/_set?set={name}", data={"on": f"{world.offers.id}:email"})
    toast = json.loads(answer.headers["HX-Trigger"])["toast"]
    assert toast["text"] == "Offers by app is off"
    assert standing(world, contact) == {"email": True, "sms": True, "ios": False, "android": False}
    client.post(toast["undo"])
    assert all(standing(world, contact).values())


def test_the_whole_form_works_without_scripts(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    contact = world.contact()
    token = signers.preferences.sign_id(world.message(contact).id)
    world.session.commit()
    topic = world.offers.id
    shown = [f"{topic}:email", f"{topic}:push", f"{topic}:sms"]
    answer = client.post(f"/p/{token}", data={"shown": shown, "on": [f"{topic}:sms"]})
    assert answer.status_code == 200
    assert standing(world, contact) == {"email": False, "sms": True, "ios": False, "android": False}


def test_stop_everything_spares_what_is_locked(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    contact = world.contact()
    token = signers.preferences.sign_id(world.message(contact).id)
    world.session.commit()
    assert client.post(f"/p/{token}", data={"stop": "1"}).status_code == 200
    assert not any(standing(world, contact).values())
    assert all(standing(world, contact, "orders").values())


def test_a_switch_of_a_locked_or_invented_topic_changes_nothing(
    client: FlaskClient, world: World, signers: Tokens
) -> None:
    contact = world.contact()
    token = signers.preferences.sign_id(world.message(contact).id)
    world.session.commit()
    for name in (f"{world.orders.id}:email", "999:email", "1:fax", "x", ""):
        assert client.post(f"/p/{token}/_set?set={name}").status_code in (200, 404)
    assert world.session.scalar(text("select count(*) from consent_entry")) == 0


def test_an_erased_person_is_gone(client: FlaskClient, world: World, signers: Tokens) -> None:
    contact = world.contact(erased_at=world.now)
    path = f"/p/{for_contact(signers.preferences, contact.id)}"
    world.session.commit()
    assert client.get(path).status_code == 404
