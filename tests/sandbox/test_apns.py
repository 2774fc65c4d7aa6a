"""The iOS wire answers as APNs does, over HTTP/2."""

import pytest

from app.sandbox import credentials
from tests.sandbox.calls import DEVICE, apns_token, send_ios
from tests.support.sandbox import SandboxHandle

APNS_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def test_a_push_is_accepted_over_http_2(sandbox: SandboxHandle) -> None:
    answer = send_ios(sandbox, apns_id=APNS_ID)
    assert (answer.status, answer.body, answer.version) == (200, b"", 3)
    assert answer.headers["apns-id"] == APNS_ID
    line = sandbox.journal()[0]
    assert (line["channel"], line["to"], line["notification"]) == ("ios", DEVICE, "ntf_1")


@pytest.mark.parametrize(
    ("prefix", "status", "reason"),
    [
        ("00000400", 400, "BadDeviceToken"),
        ("00000410", 410, "Unregistered"),
        ("0000041e", 410, "ExpiredToken"),
        ("00000429", 429, "TooManyRequests"),
        ("00000503", 503, "ServiceUnavailable"),
    ],
)
def test_magic_devices_have_their_answer(
    sandbox: SandboxHandle, prefix: str, status: int, reason: str
) -> None:
    answer = send_ios(sandbox, device=prefix + DEVICE[8:])
    assert (answer.status, answer.json()["reason"]) == (status, reason)
    assert ("timestamp" in answer.json()) is (status == 410)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"authorization": ""}, "MissingProviderToken"),
        ({"authorization": "bearer abc"}, "InvalidProviderToken"),
        ({"apns_topic": ""}, "MissingTopic"),
        ({"apns_topic": "not a bundle id"}, "TopicDisallowed"),
        ({"apns_push_type": "shout"}, "InvalidPushType"),
        ({"apns_priority": "7"}, "BadPriority"),
        ({"apns_push_type": "background", "apns_priority": "10"}, "BadPriority"),
        ({"apns_expiration": "soon"}, "BadExpirationDate"),
        ({"apns_collapse_id": "x" * 65}, "BadCollapseId"),
        ({"apns_id": "7"}, "BadMessageId"),
    ],
)
def test_a_faulty_header_has_its_reason(
    sandbox: SandboxHandle, headers: dict[str, str], reason: str
) -> None:
    assert send_ios(sandbox, **headers).json()["reason"] == reason


def test_an_old_provider_token_is_expired(sandbox: SandboxHandle) -> None:
    old = f"bearer {apns_token(sandbox, age=3700)}"
    answer = send_ios(sandbox, authorization=old)
    assert (answer.status, answer.json()["reason"]) == (403, "ExpiredProviderToken")


def test_another_team_is_refused(sandbox: SandboxHandle) -> None:
    other = f"bearer {apns_token(sandbox, iss='OTHERTEAM1')}"
    assert send_ios(sandbox, authorization=other).json()["reason"] == "InvalidProviderToken"


def test_a_payload_over_4096_bytes_is_too_large(sandbox: SandboxHandle) -> None:
    answer = send_ios(sandbox, payload={"aps": {"alert": "x" * 4096}})
    assert (answer.status, answer.json()["reason"]) == (413, "PayloadTooLarge")


def test_a_device_belongs_to_one_environment(sandbox: SandboxHandle) -> None:
    development = "5bad5bad" + DEVICE[8:]
    assert send_ios(sandbox, device=development).json()["reason"] == "BadDeviceToken"
    assert send_ios(sandbox, device=development, door="apns-sandbox").status == 200
    assert send_ios(sandbox, door="apns-sandbox").json()["reason"] == "BadDeviceToken"


def test_the_topic_is_the_one_in_the_credentials(sandbox: SandboxHandle) -> None:
    assert sandbox.credentials()["apns_topic"] == credentials.APNS_TOPIC
