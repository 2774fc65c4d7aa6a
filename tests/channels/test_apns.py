"""APNs: every row of the contract sheet, the headers, the provider token, the guard."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.channels.apns import ApnsConfig, ApnsProvider
from app.channels.apns_token import ApnsToken
from app.channels.base import Outcome, Result
from app.channels.token_guard import TokenGuard
from tests.channels.messages import NOW, attempted, frozen_now, push, send
from tests.channels.scripted_h2 import H2Reply, h2_json

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()


def provider(server, key=PEM, now=frozen_now):
    config = ApnsConfig(
        key, "KEY1234567", "TEAM123456", "com.example.shop", server.url, f"{server.url}/dev"
    )
    return ApnsProvider(config, now)


def reason(status, word, **more):
    return h2_json(status, {"reason": word, **more})


def test_a_notification_is_accepted(h2_server):
    h2_server.script(H2Reply(200, headers=(("apns-id", "id-1"),)))
    (result,) = send(provider(h2_server), push())
    assert (result.outcome, result.provider_id) == (Outcome.ACCEPTED, "id-1")


def test_headers_and_payload_are_as_the_contract_asks(h2_server):
    message = push(
        subtitle="Today",
        image="https://i.example/a.png",
        url="https://shop.example/sale",
        data={"aps": "mine", "item": "7"},
        expires_at=NOW + timedelta(minutes=5),
        badge=0,
        sound="default",
    )
    send(provider(h2_server), message)
    request = h2_server.requests[0]
    assert request.path == f"/3/device/{message.token}"
    wanted = {
        "apns-topic": "com.example.shop",
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-expiration": str(int(NOW.timestamp()) + 300),
        "apns-collapse-id": message.ref,
    }
    assert {name: request.headers[name] for name in wanted} == wanted
    assert request.json() == {
        "aps": {
            "alert": {"title": "Sale", "subtitle": "Today", "body": "Everything must go"},
            "badge": 0,
            "sound": "default",
            "mutable-content": 1,
        },
        "image": "https://i.example/a.png",
        "url": "https://shop.example/sale",
        "item": "7",
        "nid": message.ref,
    }


def test_the_apns_id_belongs_to_the_attempt(h2_server):
    send(provider(h2_server), push(1), push(1), push(1, attempt=2))
    first, again, second = (request.headers["apns-id"] for request in h2_server.requests)
    assert first == again != second
    assert [len(part) for part in first.split("-")] == [8, 4, 4, 4, 12]


def test_the_environment_chooses_the_host(h2_server):
    send(provider(h2_server), push(1), push(2, environment="sandbox"))
    paths = sorted(request.path for request in h2_server.requests)
    assert [path.startswith("/dev/") for path in paths] == [False, True]


@pytest.mark.parametrize(
    ("app", "topic"),
    [
        ("com.example.other", "com.example.other"),
        ("shop", "com.example.shop"),
        ("", "com.example.shop"),
        ("com.example\r\nx: y", "com.example.shop"),
    ],
)
def test_an_app_named_by_its_bundle_id_is_the_topic(h2_server, app, topic):
    send(provider(h2_server), push(app=app))
    assert h2_server.requests[0].headers["apns-topic"] == topic


def test_a_strange_device_token_stays_in_its_place(h2_server):
    send(provider(h2_server), push(token="../../x y"))
    assert h2_server.requests[0].path == "/3/device/..%2F..%2Fx%20y"


LANE, ONE = "lane", "message"
ROWS = [
    (400, "BadDeviceToken", Outcome.RECIPIENT_DEAD, ONE),
    (400, "DeviceTokenNotForTopic", Outcome.RECIPIENT_DEAD, ONE),
    *[
        (400, word, Outcome.REJECTED, ONE)
        for word in (
            "MissingDeviceToken",
            "BadMessageId",
            "BadPriority",
            "BadExpirationDate",
            "BadCollapseId",
            "DuplicateHeaders",
            "InvalidPushType",
            "PayloadEmpty",
        )
    ],
    *[
        (400, word, Outcome.CONFIG_ERROR, LANE)
        for word in ("BadTopic", "MissingTopic", "TopicDisallowed")
    ],
    (400, "IdleTimeout", Outcome.RETRY, ONE),
    *[
        (403, word, Outcome.CONFIG_ERROR, LANE)
        for word in (
            "ExpiredProviderToken",
            "InvalidProviderToken",
            "MissingProviderToken",
            "UnrelatedKeyIdInToken",
            "BadEnvironmentKeyIdInToken",
            "BadEnvironmentKeyInToken",
            "BadCertificate",
            "BadCertificateEnvironment",
            "Forbidden",
        )
    ],
    (404, "BadPath", Outcome.CONFIG_ERROR, LANE),
    (405, "MethodNotAllowed", Outcome.CONFIG_ERROR, LANE),
    (410, "Unregistered", Outcome.RECIPIENT_DEAD, ONE),
    (410, "ExpiredToken", Outcome.RECIPIENT_DEAD, ONE),
    (413, "PayloadTooLarge", Outcome.REJECTED, ONE),
    (429, "TooManyRequests", Outcome.THROTTLED, ONE),
    (429, "TooManyProviderTokenUpdates", Outcome.THROTTLED, LANE),
    (500, "InternalServerError", Outcome.RETRY, ONE),
    (503, "ServiceUnavailable", Outcome.RETRY, ONE),
    (503, "Shutdown", Outcome.RETRY, ONE),
]


@pytest.mark.parametrize(("status", "word", "outcome", "scope"), ROWS)
def test_every_row_of_the_contract(h2_server, status, word, outcome, scope):
    h2_server.script(reason(status, word))
    (result,) = send(provider(h2_server), push())
    assert (result.outcome, result.scope, result.code) == (outcome, scope, word)


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (400, Outcome.REJECTED, "400"),
        (403, Outcome.CONFIG_ERROR, "403"),
        (404, Outcome.CONFIG_ERROR, "404"),
        (410, Outcome.REJECTED, "410"),
        (418, Outcome.REJECTED, "418"),
        (429, Outcome.THROTTLED, "429"),
        (500, Outcome.RETRY, "500"),
        (599, Outcome.RETRY, "599"),
        (302, Outcome.CONFIG_ERROR, "302"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"reason": ["x"]}', b'{"reason"'])
def test_a_reason_nobody_knows_follows_the_general_rule(h2_server, status, outcome, code, body):
    h2_server.script(H2Reply(status, body))
    (result,) = send(provider(h2_server), push())
    assert (result.outcome, result.code) == (outcome, code)


def test_unregistered_says_since_when(h2_server):
    moment = datetime(2026, 11, 1, tzinfo=UTC)
    h2_server.script(reason(410, "Unregistered", timestamp=int(moment.timestamp() * 1000)))
    (result,) = send(provider(h2_server), push())
    assert result.registered_before == moment


@pytest.mark.parametrize("timestamp", ["soon", None, 1e300, -1e300, True])
def test_a_strange_timestamp_is_survived(h2_server, timestamp):
    h2_server.script(reason(410, "Unregistered", timestamp=timestamp))
    (result,) = send(provider(h2_server), push())
    assert result.outcome is Outcome.RECIPIENT_DEAD


@pytest.mark.parametrize(
    "reply",
    [
        H2Reply(action="internal"),
        H2Reply(action="close"),
        H2Reply(action="reset"),
        H2Reply(200, b"<html>It works</html>"),
        H2Reply(204),
    ],
)
def test_no_usable_answer_is_ambiguous(h2_server, reply):
    h2_server.script(reply)
    (result,) = send(provider(h2_server), push())
    assert result.outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize("action", ["refuse", "goaway"])
def test_a_stream_apple_did_not_process_is_tried_again_later(h2_server, action):
    h2_server.script(H2Reply(), H2Reply(action=action))
    apns = provider(h2_server)
    send(apns, push(1))
    (result,) = send(apns, push(2))
    assert (result.outcome, result.code) == (Outcome.RETRY, "refused_stream")


def test_retry_after_is_respected(h2_server):
    h2_server.script(
        h2_json(503, {"reason": "ServiceUnavailable"}, ("retry-after", "60")), H2Reply()
    )
    (result,) = send(provider(h2_server), push())
    assert result.not_before == NOW + timedelta(seconds=60)


def test_a_payload_above_the_limit_never_leaves(h2_server):
    fits, grows = push(1, body="x" * 3900), push(2, body="x" * 4096)
    first, second = send(provider(h2_server), fits, grows)
    assert first.outcome is Outcome.ACCEPTED
    assert (second.outcome, second.code) == (Outcome.REJECTED, "payload_too_large")
    assert len(h2_server.requests) == 1


class TestProviderToken:
    def test_it_is_signed_and_shared(self, h2_server):
        send(provider(h2_server), *[push(number) for number in range(1, 6)])
        tokens = {request.headers["authorization"] for request in h2_server.requests}
        scheme, _, token = tokens.pop().partition(" ")
        assert (scheme, tokens) == ("bearer", set())
        assert jwt.get_unverified_header(token)["kid"] == "KEY1234567"
        claims = jwt.decode(
            token, KEY.public_key(), algorithms=["ES256"], options={"verify_iat": False}
        )
        assert claims == {"iss": "TEAM123456", "iat": int(NOW.timestamp())}

    def test_it_is_renewed_after_45_minutes(self):
        times = [NOW]
        token = ApnsToken(PEM, "K", "T", lambda: times[-1])
        first = token.current()
        times.append(NOW + timedelta(minutes=45))
        assert token.current() == first
        times.append(NOW + timedelta(minutes=46))
        assert token.current() != first

    def test_an_expired_one_is_renewed_once_and_its_messages_go_out_again(self, h2_server):
        h2_server.script(reason(403, "ExpiredProviderToken"), H2Reply())
        apns = provider(h2_server)
        results = send(apns, *[push(number) for number in range(1, 6)])
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        assert len({request.headers["authorization"] for request in h2_server.requests}) == 2

    def test_a_second_expiry_stops_the_lane(self, h2_server):
        h2_server.script(reason(403, "ExpiredProviderToken"))
        results = send(provider(h2_server), *[push(number) for number in range(1, 6)])
        assert {result.outcome for result in results} == {Outcome.CONFIG_ERROR}
        tokens = {request.headers["authorization"] for request in h2_server.requests}
        assert len(tokens) == 2

    def test_it_is_not_renewed_twice_within_20_minutes(self):
        times = [NOW]
        token = ApnsToken(PEM, "K", "T", lambda: times[-1])
        renewed = token.renewed(token.current())
        times.append(NOW + timedelta(minutes=19))
        assert isinstance(token.renewed(renewed), Result)
        times.append(NOW + timedelta(minutes=21))
        assert isinstance(token.renewed(renewed), str)

    def test_too_many_updates_hold_it_for_20_minutes(self, h2_server):
        h2_server.script(reason(429, "TooManyProviderTokenUpdates"))
        results = send(provider(h2_server), *[push(number) for number in range(1, 6)])
        assert {result.outcome for result in attempted(results)} == {Outcome.THROTTLED}
        assert results[0].not_before == NOW + timedelta(minutes=20)
        assert len(h2_server.requests) == 1

    def test_a_key_that_is_none_stops_the_lane(self, h2_server):
        (result,) = send(provider(h2_server, key="not a key"), push())
        assert (result.outcome, result.scope) == (Outcome.CONFIG_ERROR, "lane")


class TestGuard:
    def test_a_few_bad_tokens_are_the_devices_own(self, h2_server):
        h2_server.script(*[H2Reply()] * 30, *[reason(400, "BadDeviceToken")] * 5)
        results = send(provider(h2_server), *[push(number) for number in range(1, 36)])
        assert [result.outcome for result in results].count(Outcome.RECIPIENT_DEAD) == 5

    def test_more_than_a_fifth_is_our_environment_and_no_device_is_lost(self, h2_server):
        h2_server.script(*[H2Reply()] * 30, *[reason(400, "DeviceTokenNotForTopic")] * 10)
        results = send(provider(h2_server), *[push(number) for number in range(1, 41)])
        outcomes = [result.outcome for result in results]
        assert outcomes.count(Outcome.CONFIG_ERROR) == 10
        assert Outcome.RECIPIENT_DEAD not in outcomes

    def test_it_remembers_the_last_hundred_across_sends(self, h2_server):
        h2_server.script(reason(400, "BadDeviceToken"))
        apns = provider(h2_server)
        results = [send(apns, push(number))[0] for number in range(1, 25)]
        assert results[0].outcome is Outcome.RECIPIENT_DEAD
        assert results[-1].outcome is Outcome.CONFIG_ERROR

    def test_old_answers_are_forgotten(self):
        guard = TokenGuard()
        guard.saw(bad=100, good=0)
        assert guard.doubtful()
        guard.saw(bad=0, good=90)
        assert not guard.doubtful()

    def test_one_environment_says_nothing_of_the_other(self, h2_server):
        h2_server.script(reason(400, "BadDeviceToken"))
        apns = provider(h2_server)
        send(apns, *[push(number) for number in range(1, 40)])
        (result,) = send(apns, push(99, environment="sandbox"))
        assert result.outcome is Outcome.RECIPIENT_DEAD
