"""Contract §2: what each event of SendGrid's means, signed and posted over a real wire."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.db import transaction
from tests.tracking.rows.conftest import Town

ANN = "ann@example.org"
HARD = {"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user"}
POLICY = {"type": "bounce", "status": "5.7.1", "reason": "550 5.7.1 refused"}
FULL = {"type": "bounce", "status": "5.2.2", "reason": "552 5.2.2 full"}


def dropped(reason: str) -> dict[str, str]:
    return {"reason": reason, "status": "5.0.0"}


Row = tuple[str, dict[str, Any], str, str | None, tuple[str, str] | None, bool]
ROWS: dict[str, Row] = {
    "deferred -> pending": ("deferred", {}, "accepted", None, None, False),
    "delivered": ("delivered", {}, "delivered", None, None, False),
    "bounce 5.1.1 -> suppress": (
        "bounce", HARD, "bounced", "mailbox_unknown", ("bounce", "all"), False),
    "bounce 5.7.1 -> about us": ("bounce", POLICY, "bounced", "refused", None, False),
    "bounce 5.2.2 -> soft": ("bounce", FULL, "bounced", "mailbox_full", None, False),
    "blocked -> temporary": ("blocked", {}, "bounced", "blocked", None, False),
    "dropped Bounced Address": (
        "dropped", dropped("Bounced Address"), "bounced", "provider_dropped",
        ("bounce", "all"), False),
    "dropped Invalid": (
        "dropped", dropped("Invalid"), "bounced", "provider_dropped", ("invalid", "all"), False),
    "dropped Unsubscribed Address": (
        "dropped", dropped("Unsubscribed Address"), "bounced", "provider_dropped",
        ("unsubscribe", "marketing"), False),
    "dropped Spam Reporting Address": (
        "dropped", dropped("Spam Reporting Address"), "bounced", "provider_dropped",
        ("complaint", "marketing"), False),
    "dropped Invalid SMTPAPI header -> alert": (
        "dropped", dropped("Invalid SMTPAPI header"), "bounced", "provider_dropped", None, True),
    "dropped Spam Content -> alert": (
        "dropped", dropped("Spam Content"), "bounced", "provider_dropped", None, True),
    "dropped Recipient List over Package Quota -> alert": (
        "dropped", dropped("Recipient List over Package Quota"), "bounced", "provider_dropped",
        None, True),
    "spamreport -> no marketing": (
        "spamreport", {}, "accepted", None, ("complaint", "marketing"), False),
    "unsubscribe": ("unsubscribe", {}, "accepted", None, ("unsubscribe", "marketing"), False),
    "group_unsubscribe": (
        "group_unsubscribe", {"asm_group_id": 7}, "accepted", None,
        ("unsubscribe", "marketing"), False),
    "open": ("open", {"useragent": "Mozilla/5.0"}, "accepted", None, None, False),
    "an event nobody has heard of": ("teleported", {}, "accepted", None, None, False),
}  # fmt: skip


@pytest.mark.parametrize("row", list(ROWS.values()), ids=list(ROWS))
def test_row(town: Town, row: Row) -> None:
    event, fields, status, reason, suppression, alert = row
    message = town.hears(town.mail(), event, fields=fields)
    assert (message.status, message.reason) == (status, reason)
    assert town.suppressed().get(ANN) == suppression
    assert bool(town.incidents()) is alert


def test_processed_proves_that_a_lost_mail_was_taken(town: Town) -> None:
    town.house.sandbox.fault("sendgrid", fault="accept_then_reset", span={"requests": 1})
    key = town.mail()
    assert town.house.message(key).status == "unknown"
    assert town.hears(key, "processed").status == "accepted"


def test_an_asynchronous_bounce_after_delivered_still_suppresses(town: Town) -> None:
    key = town.mail()
    town.hears(key, "delivered")
    message = town.hears(key, "bounce", fields=HARD)
    assert (message.status, town.suppressed()[ANN]) == ("bounced", ("bounce", "all"))


def test_delivered_after_a_bounce_changes_nothing(town: Town) -> None:
    key = town.mail()
    town.hears(key, "bounce", fields=HARD)
    assert town.hears(key, "delivered").status == "bounced"


def test_a_mailbox_that_is_full_three_times_in_30_days_is_suppressed(town: Town) -> None:
    for times in range(1, 4):
        town.hears(town.mail(), "bounce", fields=FULL)
        assert (ANN in town.suppressed()) is (times == 3)


def test_a_mailbox_that_was_full_long_ago_counts_anew(town: Town) -> None:
    for _ in range(2):
        town.hears(town.mail(), "bounce", fields=FULL)
    with transaction() as session:
        session.execute(
            text("update event set at = :at"), {"at": datetime.now(UTC) - timedelta(days=31)}
        )
    town.hears(town.mail(), "bounce", fields=FULL)
    assert town.suppressed() == {}


def test_group_resubscribe_lifts_only_what_came_from_that_group(town: Town) -> None:
    key = town.mail()
    town.hears(key, "group_unsubscribe", fields={"asm_group_id": 7})
    town.hears(key, "group_resubscribe", fields={"asm_group_id": 8})
    assert ANN in town.suppressed()
    town.hears(key, "group_resubscribe", fields={"asm_group_id": 7})
    assert town.suppressed() == {}


def test_an_event_told_twice_counts_once(town: Town) -> None:
    key = town.mail()
    town.hears(key, "delivered", times=3)
    with transaction() as session:
        assert session.scalar(text("select count(*) from event")) == 1
