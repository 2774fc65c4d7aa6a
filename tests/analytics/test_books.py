"""Balance sheets add up, whatever happened."""

import random

import pytest

from app.analytics.books import book
from app.sending.status import STATUSES


def test_the_parts_of_a_sheet_are_its_audience() -> None:
    rolled = random.Random(3)
    totals = {
        (channel, status, ""): rolled.randrange(1000)
        for channel in ("email", "sms", "ios", "android")
        for status in STATUSES
    }
    sheet = book(totals).all
    parts = sheet.accepted + sheet.delivered + sheet.bounced
    assert sheet.sent == parts
    assert sheet.audience == sum(totals.values())
    assert sheet.audience == parts + sheet.failed + sheet.not_sent + sheet.open
    assert sheet.settled + sheet.open == sheet.audience


def test_a_status_that_nobody_knows_is_not_lost_silently() -> None:
    with pytest.raises(KeyError):
        book({("email", "invented", ""): 1})


def test_causes_of_failures_and_of_not_sending_add_up_to_their_sheet() -> None:
    found = book(
        {
            ("email", "bounced", "mailbox_full"): 3,
            ("email", "failed", "gave_up"): 2,
            ("sms", "skipped", "opted_out"): 7,
            ("sms", "expired", "expired"): 1,
            ("email", "delivered", ""): 90,
        }
    )
    assert sum(cause.messages for cause in found.failures()) == found.all.undelivered == 5
    assert sum(number for _, _, number in found.not_sent()) == found.all.not_sent == 8
    assert found.failures()[0].reason == "mailbox_full"


def test_push_is_reached_when_it_is_accepted_because_nobody_confirms_it() -> None:
    found = book(
        {
            ("email", "delivered", ""): 80,
            ("email", "accepted", ""): 20,
            ("ios", "accepted", ""): 50,
        }
    )
    assert found.reached == 80 + 50
    assert found.confirmed_of == 100


def test_a_relay_that_confirms_nothing_has_its_accepted_as_base() -> None:
    found = book({("email", "accepted", ""): 20, ("email", "bounced", ""): 1})
    assert (found.reached, found.confirmed_of) == (20, 0)
