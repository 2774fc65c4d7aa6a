"""FCM: every row of the contract sheet, the message, the access token."""

import threading
from datetime import timedelta
from urllib.parse import parse_qs

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.channels.base import Outcome, Result
from app.channels.fcm import FcmConfig, FcmProvider
from app.channels.fcm_token import FcmToken
from tests.channels.messages import NOW, attempted, frozen_now, push, send
from tests.channels.scripted import Reply, json_reply
from tests.channels.scripted_h2 import H2Reply, h2_json

KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
GRANTED = json_reply(200, {"access_token": "ya29.one", "expires_in": 3600, "token_type": "Bearer"})
RENEWED = json_reply(200, {"access_token": "ya29.two", "expires_in": 3600})
TAKEN = h2_json(200, {"name": "projects/shop/messages/1"})
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def account(server, **changes):
    return {
        "project_id": "shop",
        "client_email": "sender@shop.iam.gserviceaccount.com",
        "private_key": PEM,
        "private_key_id": "key-1",
        "token_uri": f"{server.url}/token",
    } | changes


@pytest.fixture
def fcm(server, h2_server):
    server.script(GRANTED)
    return FcmProvider(FcmConfig(orjson.dumps(account(server)).decode(), h2_server.url), frozen_now)


def android(number=1, **changes):
    return push(number, platform="android", **changes)


def error(status, word="", code="", message="", *details):
    found = [*details]
    if code:
        found.append({"@type": FCM_ERROR, "errorCode": code})
    return h2_json(
        status, {"error": {"code": status, "message": message, "status": word, "details": found}}
    )


def test_a_notification_is_accepted_with_its_name(fcm, h2_server):
    h2_server.script(TAKEN)
    (result,) = send(fcm, android())
    assert (result.outcome, result.provider_id) == (Outcome.ACCEPTED, "projects/shop/messages/1")


def test_the_message_is_as_the_contract_asks(fcm, h2_server):
    h2_server.script(TAKEN)
    message = android(
        image="https://i.example/a.png",
        url="https://shop.example/sale",
        data={"item": "7"},
        expires_at=NOW + timedelta(minutes=5),
        sound="default",
    )
    send(fcm, message)
    request = h2_server.requests[0]
    assert request.path == "/v1/projects/shop/messages:send"
    assert request.headers["authorization"] == "Bearer ya29.one"
    assert request.json() == {
        "message": {
            "token": message.token,
            "notification": {
                "title": "Sale",
                "body": "Everything must go",
                "image": "https://i.example/a.png",
            },
            "data": {"item": "7", "url": "https://shop.example/sale", "nid": message.ref},
            "android": {
                "priority": "HIGH",
                "ttl": "300s",
                "notification": {"tag": message.ref, "sound": "default"},
            },
        }
    }


def test_the_life_never_exceeds_four_weeks(fcm, h2_server):
    h2_server.script(TAKEN)
    send(fcm, android(expires_at=NOW + timedelta(days=90)))
    assert h2_server.requests[0].json()["message"]["android"]["ttl"] == "2419200s"


LANE, ONE = "lane", "message"
REGISTRATION = "The registration token is not a valid FCM registration token"
FIELDS = {"@type": BAD_REQUEST, "fieldViolations": [{"field": "message.token"}]}

ROWS = [
    (error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", REGISTRATION), "recipient_dead", ONE),
    (error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", REGISTRATION, FIELDS), "rejected", ONE),
    (error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Bad data"), "rejected", ONE),
    (error(400, "INVALID_ARGUMENT", "", REGISTRATION), "rejected", ONE),
    (error(401, "UNAUTHENTICATED"), "config_error", LANE),
    (error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), "config_error", LANE),
    (error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), "recipient_dead", ONE),
    (error(403, "PERMISSION_DENIED"), "config_error", LANE),
    (error(404, "NOT_FOUND", "UNREGISTERED"), "recipient_dead", ONE),
    (error(404, "NOT_FOUND"), "config_error", LANE),
    (error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), "throttled", LANE),
    (error(429, "RESOURCE_EXHAUSTED"), "throttled", LANE),
    (error(500, "INTERNAL", "INTERNAL"), "retry", ONE),
    (error(503, "UNAVAILABLE", "UNAVAILABLE"), "retry", ONE),
    (error(400, "SOMETHING_NEW", "NEWER"), "rejected", ONE),
    (error(599, "SOMETHING_NEW"), "retry", ONE),
    (H2Reply(401, b"<html>"), "config_error", LANE),
    (H2Reply(403, b""), "config_error", LANE),
    (H2Reply(404, b"<html>"), "config_error", LANE),
    (H2Reply(418, b'{"error"'), "rejected", ONE),
    (H2Reply(429, b"<html>"), "throttled", LANE),
    (H2Reply(500, b"<html>"), "retry", ONE),
    (H2Reply(503, b'{"error": {"details": 5, "status": 7}}'), "retry", ONE),
    (H2Reply(400, b'{"error": {"details": [{"errorCode": []}]}}'), "rejected", ONE),
    (H2Reply(302, b""), "config_error", LANE),
]


@pytest.mark.parametrize(("reply", "outcome", "scope"), ROWS)
def test_every_row_of_the_contract(fcm, h2_server, reply, outcome, scope):
    h2_server.script(reply)
    (result,) = send(fcm, android())
    assert (result.outcome.value, result.scope) == (outcome, scope)
    assert result.detail


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (h2_json(429, {}, ("retry-after", "120")), 120),
        (h2_json(429, {}), 60),
        (h2_json(503, {}, ("retry-after", "30")), 30),
        (h2_json(503, {}), 10),
    ],
)
def test_the_pause_is_theirs_or_the_least_one(fcm, h2_server, reply, seconds):
    h2_server.script(reply)
    (result,) = send(fcm, android())
    assert result.not_before == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "reply",
    [
        H2Reply(200, b"<html>It works</html>"),
        H2Reply(200, b'{"name": "proj'),
        H2Reply(200, b'{"name": 7}'),
        H2Reply(200, b""),
        H2Reply(action="close"),
        H2Reply(action="reset"),
        H2Reply(action="internal"),
    ],
)
def test_no_usable_answer_is_ambiguous(fcm, h2_server, reply):
    h2_server.script(reply)
    (result,) = send(fcm, android())
    assert result.outcome is Outcome.AMBIGUOUS


def test_a_payload_above_the_limit_never_leaves(fcm, h2_server):
    (result,) = send(fcm, android(body="x" * 4096))
    assert (result.code, h2_server.requests) == ("payload_too_large", [])


class TestAccessToken:
    def test_it_is_asked_for_as_google_wants_it(self, fcm, server, h2_server):
        h2_server.script(TAKEN)
        send(fcm, android())
        form = parse_qs(server.requests[0].body.decode())
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        assertion = form["assertion"][0]
        assert jwt.get_unverified_header(assertion)["kid"] == "key-1"
        claims = jwt.decode(
            assertion,
            KEY.public_key(),
            algorithms=["RS256"],
            audience=f"{server.url}/token",
            options={"verify_iat": False, "verify_exp": False},
        )
        issued = int(NOW.timestamp())
        assert (claims["iat"], claims["exp"]) == (issued, issued + 3600)
        assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"

    def test_one_is_enough_for_many_sends(self, fcm, server, h2_server):
        h2_server.script(TAKEN)
        for number in range(1, 4):
            send(fcm, android(number))
        assert len(server.requests) == 1

    def test_a_refused_one_is_renewed_once(self, fcm, server, h2_server):
        server.script(GRANTED, RENEWED)
        h2_server.script(error(401, "UNAUTHENTICATED"), TAKEN)
        results = send(fcm, *[android(number) for number in range(1, 6)])
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        bearers = {request.headers["authorization"] for request in h2_server.requests}
        assert bearers == {"Bearer ya29.one", "Bearer ya29.two"}

    @pytest.mark.parametrize(
        ("reply", "outcome"),
        [
            (Reply(400, b'{"error": "invalid_grant"}'), Outcome.CONFIG_ERROR),
            (Reply(401, b"<html>"), Outcome.CONFIG_ERROR),
            (Reply(500, b""), Outcome.RETRY),
            (Reply(503, b""), Outcome.RETRY),
            (Reply(200, b"<html>"), Outcome.RETRY),
            (Reply(200, b'{"access_token": ""}'), Outcome.RETRY),
            (Reply(ending="reset_before"), Outcome.RETRY),
        ],
    )
    def test_without_one_nothing_is_sent(self, fcm, server, h2_server, reply, outcome):
        server.script(reply)
        results = send(fcm, android(1), android(2))
        assert {result.outcome for result in attempted(results)} == {outcome}
        assert h2_server.requests == []

    @pytest.mark.parametrize(
        "changes", [{"private_key": "no key"}, {"token_uri": None}, {"client_email": 5}]
    )
    def test_an_account_that_cannot_be_read_stops_the_lane(self, server, h2_server, changes):
        config = FcmConfig(orjson.dumps(account(server, **changes)).decode(), h2_server.url)
        (result,) = send(FcmProvider(config, frozen_now), android())
        assert (result.outcome, result.scope) == (Outcome.CONFIG_ERROR, "lane")

    def test_text_that_is_no_account_stops_the_lane(self, h2_server):
        (result,) = send(FcmProvider(FcmConfig("nonsense", h2_server.url), frozen_now), android())
        assert (result.outcome, result.scope) == (Outcome.CONFIG_ERROR, "lane")

    def test_it_is_refreshed_five_minutes_early(self, server):
        server.script(GRANTED, RENEWED)
        times = [NOW]
        token = FcmToken(account(server), lambda: times[-1])
        assert token.current() == "ya29.one"
        times.append(NOW + timedelta(minutes=54))
        assert token.current() == "ya29.one"
        times.append(NOW + timedelta(minutes=56))
        assert token.current() == "ya29.two"

    def test_a_failed_early_refresh_leaves_the_old_one_in_use(self, server):
        server.script(GRANTED, Reply(503))
        times = [NOW]
        token = FcmToken(account(server), lambda: times[-1])
        token.current()
        times.append(NOW + timedelta(minutes=56))
        assert token.current() == "ya29.one"
        times.append(NOW + timedelta(minutes=60))
        assert isinstance(token.current(), Result)

    def test_many_threads_ask_once(self, server):
        server.script(Reply(200, GRANTED.body, delay_s=0.2))
        token = FcmToken(account(server), frozen_now)
        found = []
        threads = [threading.Thread(target=lambda: found.append(token.current())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (set(found), len(server.requests)) == ({"ya29.one"}, 1)
