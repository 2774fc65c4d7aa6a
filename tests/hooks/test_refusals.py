"""Reports that cannot be verified: one says nothing, many in a row are told."""

from flask.testing import FlaskClient
from sqlalchemy import text

from app.hooks.refusals import FEWEST
from tests.hooks.conftest import SendGridKey
from tests.hooks.test_webhooks import STATUS, post_events, post_form, sign
from tests.support.messages import World

WRONG = {"X-Twilio-Email-Event-Webhook-Signature": "AAAA"}
UNSIGNED = {"X-Twilio-Email-Event-Webhook-Signature": ""}


def post(client: FlaskClient, key: SendGridKey, times: int, **headers: str) -> None:
    for _ in range(times):
        post_events(client, key, [], **headers)


def told(world: World) -> list[tuple[str, int]]:
    world.session.rollback()
    rows = world.session.execute(text("select cause, count from incident order by id"))
    return [(row[0], row[1]) for row in rows]


def test_ten_in_a_row_open_one_alert(
    client: FlaskClient, world: World, sendgrid_keys: list[SendGridKey]
) -> None:
    post(client, sendgrid_keys[0], 1)
    post(client, sendgrid_keys[0], FEWEST - 1, **WRONG)
    assert told(world) == []
    post(client, sendgrid_keys[0], 5, **WRONG)
    assert told(world) == [("sendgrid:reports", FEWEST)]


def test_one_that_fits_shows_that_the_key_is_right(
    client: FlaskClient, world: World, sendgrid_keys: list[SendGridKey]
) -> None:
    for _ in range(2):
        post(client, sendgrid_keys[0], 1)
        post(client, sendgrid_keys[0], FEWEST - 1, **WRONG)
    assert told(world) == []


def test_the_sandboxs_key_says_nothing_about_the_providers(
    client: FlaskClient, world: World, sendgrid_keys: list[SendGridKey]
) -> None:
    post(client, sendgrid_keys[0], 1)
    post(client, sendgrid_keys[0], FEWEST - 1, **WRONG)
    post(client, sendgrid_keys[2], 1)
    post(client, sendgrid_keys[0], 1, **WRONG)
    assert told(world) == [("sendgrid:reports", FEWEST)]


def test_posts_without_a_signature_are_somebody_elses(
    client: FlaskClient, world: World, sendgrid_keys: list[SendGridKey]
) -> None:
    post(client, sendgrid_keys[0], 1)
    post(client, sendgrid_keys[0], 2 * FEWEST, **UNSIGNED)
    assert told(world) == []


def test_callbacks_of_texts_count_by_themselves(client: FlaskClient, world: World) -> None:
    fields = {"MessageStatus": "delivered"}
    for signature in (sign(STATUS, fields), *["AAAA"] * FEWEST):
        post_form(client, STATUS, fields, signature)
    assert told(world) == [("twilio:reports", FEWEST)]
