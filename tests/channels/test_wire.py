"""Each adapter against the sandbox, on the wire: accepted, and in the journal."""

from datetime import timedelta

import pytest

from app import clock
from app.channels.base import EmailShell, Outcome
from app.channels.registry import Registry
from app.settings import load
from tests.channels.messages import email, push, send, shell_emails, sms

ADDRESS = "+15005551234"


@pytest.fixture
def registry(sandbox):
    settings = load(
        {"HERALD_VAR_DIR": str(sandbox.var_dir), "HERALD_SECRET_KEY": "x", "EMAIL_PROVIDER": "smtp"}
    )
    return Registry(settings)


@pytest.fixture
def sendgrid(sandbox):
    settings = load({"HERALD_VAR_DIR": str(sandbox.var_dir), "HERALD_SECRET_KEY": "x"})
    return Registry(settings).provider("email", test=True)


def soon():
    return clock.now() + timedelta(minutes=5)


def sent(sandbox, provider):
    return {line["notification"]: line for line in sandbox.journal(provider=provider)}


def assert_handed_over(sandbox, provider, messages, results):
    assert {result.outcome for result in results} == {Outcome.ACCEPTED}
    assert all(result.provider_id for result in results)
    lines = sent(sandbox, provider)
    assert set(lines) == {message.ref for message in messages}
    assert len(sandbox.journal(provider=provider)) == len(messages)


def test_sendgrid_takes_single_mails(sandbox, sendgrid):
    messages = [email(number) for number in range(1, 6)]
    assert_handed_over(sandbox, "sendgrid", messages, send(sendgrid, *messages))


def test_sendgrid_takes_five_hundred_of_one_shell(sandbox, sendgrid):
    shell = EmailShell(
        "Hello -s0-",
        "<p>Hello -s0-</p>",
        "Hello -s0-",
        {"List-Unsubscribe": "<https://herald.example/u/-s0->"},
    )
    messages = shell_emails(500, shell)
    assert_handed_over(sandbox, "sendgrid", messages, send(sendgrid, *messages))


def test_sendgrid_sends_the_others_when_one_address_is_wrong(sandbox, sendgrid):
    messages = list(shell_emails(50))
    messages[7] = email(
        8, to="nobody", subject="", html="", text="", shell=messages[0].shell,
        substitutions={"-s0-": "x"},
    )  # fmt: skip
    results = send(sendgrid, *messages)
    assert results[7].outcome is Outcome.RECIPIENT_DEAD
    others = [result for place, result in enumerate(results) if place != 7]
    assert {result.outcome for result in others} == {Outcome.ACCEPTED}
    taken = [line for line in sandbox.journal(provider="sendgrid") if line["answer"] == "202"]
    assert len(taken) == 49


def test_smtp_takes_single_and_shared_mails(sandbox, registry):
    messages = [email(900, subject="Grüße", to_name="Zoë"), *shell_emails(60)]
    results = send(registry.provider("email"), *messages)
    assert_handed_over(sandbox, "smtp", messages, results)


def test_twilio_takes_texts(sandbox, registry):
    messages = [
        sms(number, to=f"+1500555{number:04}", expires_at=soon()) for number in range(30, 60)
    ]
    assert_handed_over(sandbox, "twilio", messages, send(registry.provider("sms"), *messages))


@pytest.mark.parametrize(("environment", "start"), [("production", "aa"), ("sandbox", "5bad5bad")])
def test_apns_takes_notifications(sandbox, registry, environment, start):
    messages = [
        push(
            number,
            environment=environment,
            token=start + f"{number:064x}",
            expires_at=soon(),
            image="https://i.example/a.png",
        )
        for number in range(1, 151)
    ]
    assert_handed_over(sandbox, "apns", messages, send(registry.provider("ios"), *messages))


def test_apns_devices_of_the_other_environment_are_reached_there(sandbox, registry):
    messages = [push(number, environment="sandbox") for number in range(1, 151)]
    results = send(registry.provider("ios"), *messages)
    assert {(result.outcome, result.environment) for result in results} == {
        (Outcome.ACCEPTED, "production")
    }


def test_fcm_takes_notifications(sandbox, registry):
    messages = [
        push(
            number, platform="android", token=f"t{number:0150}", expires_at=soon(), sound="default"
        )
        for number in range(1, 151)
    ]
    assert_handed_over(sandbox, "fcm", messages, send(registry.provider("android"), *messages))


@pytest.mark.parametrize(
    ("channel", "provider", "message"),
    [
        ("sms", "twilio", sms(1, to=ADDRESS)),
        ("ios", "apns", push(1)),
        ("android", "fcm", push(1, platform="android", token="t" * 150)),
        ("email", "smtp", email(1)),
    ],
)
def test_an_answer_lost_on_the_way_is_ambiguous_and_nothing_is_doubled(
    sandbox, registry, channel, provider, message
):
    sandbox.fault(provider, fault="accept_then_reset", span={"requests": 1})
    (result,) = send(registry.provider(channel), message)
    assert result.outcome is Outcome.AMBIGUOUS
    assert len(sandbox.journal(provider=provider)) == 1


def test_without_a_sandbox_a_test_asks_nobody(tmp_path):
    settings = load({"HERALD_VAR_DIR": str(tmp_path), "HERALD_SECRET_KEY": "x"})
    registry = Registry(settings)
    for channel, message in (("email", email()), ("sms", sms()), ("ios", push())):
        (result,) = send(registry.provider(channel, test=True), message)
        assert (result.outcome, result.code) == (Outcome.CONFIG_ERROR, "not_configured")


def test_a_provider_is_made_once(registry):
    assert registry.provider("sms") is registry.provider("sms")
    assert registry.provider("sms") is not registry.provider("sms", test=True)


def test_an_unknown_channel_is_a_mistake_of_ours(registry):
    with pytest.raises(KeyError):
        registry.provider("fax")
