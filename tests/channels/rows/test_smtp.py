"""Contract §6: what each reply of a relay means at its stage, on the wire."""

from datetime import timedelta

import pytest

from app import clock
from app.channels.smtp import SmtpConfig, SmtpProvider
from tests.channels.messages import email, send, shell_emails
from tests.channels.rows.carriers import (
    ACCEPTED,
    AMBIGUOUS,
    CONFIG,
    DEAD,
    REJECTED,
    RETRY,
    carrier,
    seconds_until,
)


def row(stage, reply, outcome, concern=None):
    return pytest.param(stage, reply, outcome, concern, id=f"{reply} at {stage} -> {outcome}")


GONE = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")
ROWS = [
    row("ehlo", "421 4.3.2", RETRY),
    row("mail", "421 4.3.2", RETRY),
    row("rcpt", "421 4.7.0", RETRY),
    row("end", "421 4.3.0", RETRY),
    *[row("rcpt", reply, RETRY) for reply in ("450 4.7.1", "451 4.7.1", "452 4.2.2", "452 4.3.1")],
    row("end", "451 4.3.1", RETRY),
    row("auth", "454 4.7.0", RETRY),
    *[row("auth", f"{code} 5.7.8", CONFIG) for code in (530, 534, 535, 538)],
    row("ehlo", "554 5.7.1", CONFIG),
    *[row("rcpt", f"{code} {gone}", DEAD) for code in (550, 551, 553) for gone in GONE],
    *[row("rcpt", f"{code}", DEAD) for code in (550, 551, 553)],
    *[row("rcpt", f"{code}", REJECTED) for code in (552, 554)],
    row("rcpt", "552 5.2.2", REJECTED, "full"),
    row("rcpt", "550 5.2.1", REJECTED, "full"),
    row("end", "552 5.2.2", REJECTED, "full"),
    row("end", "552 5.3.4", REJECTED),
    row("end", "554 5.6.0", REJECTED),
    row("rcpt", "550 5.7.1", REJECTED, "policy"),
    row("end", "554 5.7.1", REJECTED, "policy"),
    row("end", "550 5.7.26", REJECTED, "policy"),
    *[row("rcpt", f"{code}", REJECTED, "adapter") for code in (555, 500, 501, 502, 503, 504)],
    row("end", "554", REJECTED),
    row("mail", "550 5.1.8", CONFIG),
]


@pytest.mark.parametrize(("stage", "reply", "outcome", "concern"), ROWS)
def test_row(sandbox, stage, reply, outcome, concern):
    code, _, enhanced = reply.partition(" ")
    words = {} if stage == "end" else {"stage": stage}
    sandbox.fault("smtp", answer={"status": int(code), "code": f"{enhanced} no".strip()}, **words)
    (result,) = send(carrier("smtp", sandbox), email())
    assert (result.outcome, result.concern) == (outcome, concern)
    assert result.detail
    assert sandbox.journal(answer="250") == []


def test_250_after_the_dot_is_accepted(sandbox):
    (result,) = send(carrier("smtp", sandbox), email())
    (line,) = sandbox.journal()
    assert (result.outcome, line["accepted"]) == (ACCEPTED, True)
    assert line["notification"] == email().ref


def test_a_reset_between_the_dot_and_the_reply_is_ambiguous(sandbox):
    sandbox.fault("smtp", fault="accept_then_reset")
    (result,) = send(carrier("smtp", sandbox), email())
    assert (result.outcome, result.code) == (AMBIGUOUS, "no_answer")
    assert len(sandbox.journal()) == 1


def test_silence_after_the_dot_is_ambiguous_within_its_deadline(sandbox):
    sandbox.fault("smtp", fault="delay", seconds=2)
    config = SmtpConfig(sandbox.credentials()["smtp_url"], end_s=0.3)
    (result,) = send(SmtpProvider(config), email())
    assert result.outcome is AMBIGUOUS
    assert result.duration_ms < 1500


@pytest.mark.parametrize("stage", ["mail", "rcpt"])
def test_a_break_before_the_content_has_sent_nothing(sandbox, stage):
    sandbox.fault("smtp", fault="reset", stage=stage)
    (result,) = send(carrier("smtp", sandbox), email())
    assert (result.outcome, result.code) == (RETRY, "broken_off")
    assert sandbox.journal(accepted=True) == []


@pytest.mark.parametrize(
    "address", ["smtps://127.0.0.1:{gate}", "smtp://127.0.0.1:9"], ids=["TLS fails", "refused"]
)
def test_a_relay_that_cannot_be_reached(sandbox, address):
    gate = sandbox.gate_url.rsplit(":", 1)[1]
    (result,) = send(SmtpProvider(SmtpConfig(address.format(gate=gate))), email())
    assert (result.outcome, result.code) == (RETRY, "unreachable")


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 300), (2, 600), (3, 1200), (4, 2400), (5, 4000), (9, 4000)]
)
def test_greylisting_waits_longer_each_time(sandbox, attempt, seconds):
    message = email(to="ann+deferred@example.org", attempt=attempt)
    (result,) = send(carrier("smtp", sandbox), message)
    assert seconds_until(result) == pytest.approx(seconds, abs=3)


def test_454_at_the_log_in_is_an_alert_only_when_it_lasts(sandbox):
    moments = iter([0, 0, 14, 14, 15, 15, 15])
    start = clock.now()
    smtp = SmtpProvider(
        SmtpConfig(sandbox.credentials()["smtp_url"]),
        lambda: start + timedelta(minutes=next(moments)),
    )
    sandbox.fault("smtp", stage="auth", answer={"status": 454, "code": "4.7.0 Later"})
    concerns = [send(smtp, email(number))[0].concern for number in range(3)]
    assert concerns == [None, None, "login_lasts"]


def test_a_refused_recipient_does_not_hold_the_others(sandbox):
    messages = [*shell_emails(5), email(6, to="ann+bounce@example.org")]
    outcomes = [result.outcome for result in send(carrier("smtp", sandbox), *messages)]
    assert (outcomes.count(ACCEPTED), outcomes.count(DEAD)) == (5, 1)
