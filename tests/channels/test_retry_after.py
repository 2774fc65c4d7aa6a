from datetime import timedelta

import pytest

from app.channels.retry_after import LONGEST, Wait, from_reset, from_retry_after
from tests.channels.messages import NOW

DAY_AWAY = NOW + LONGEST


@pytest.mark.parametrize(
    ("value", "until"),
    [
        ("120", NOW + timedelta(seconds=120)),
        ("0", NOW),
        (" 1.5 ", NOW + timedelta(seconds=1.5)),
        ("Tue, 10 Nov 2026 09:10:00 GMT", NOW + timedelta(minutes=10)),
        ("Tue, 10 Nov 2026 08:00:00 GMT", NOW),
        ("Sun, 10 Nov 2030 09:00:00 GMT", DAY_AWAY),
        ("90000", DAY_AWAY),
        ("-5", DAY_AWAY),
        ("9" * 400, DAY_AWAY),
        ("-" + "9" * 400, DAY_AWAY),
        ("", None),
        ("soon", None),
        ("Tue, 99 Nov 2026", None),
        ("١٢", None),
    ],
)
def test_a_wish_to_wait_is_read_and_bounded(value, until):
    assert from_retry_after(value, NOW) == Wait(until, absurd=until == DAY_AWAY)


@pytest.mark.parametrize(
    ("value", "until"),
    [
        (str(int(NOW.timestamp()) + 30), NOW + timedelta(seconds=30)),
        (str(int(NOW.timestamp()) - 30), NOW),
        ("99999999999999999999", DAY_AWAY),
        ("", None),
        ("later", None),
    ],
)
def test_a_reset_time_is_read_and_bounded(value, until):
    assert from_reset(value, NOW) == Wait(until, absurd=until == DAY_AWAY)
