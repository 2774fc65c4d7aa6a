"""Was it a person?"""

from datetime import UTC, datetime, timedelta

import pytest

from app.tracking.verdicts import HUMAN, Look, in_burst, look, look_at_agent, settle

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
)
PEOPLE = [
    PHONE,
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/131.0.0.0 Safari/537.36"
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Linux; Android 12; CUBOT NOTE 20) AppleWebKit/537.36 Chrome/120.0 Mobile",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17126; Pro)",
]
MACHINES = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0) BingPreview/1.0b",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "BarracudaCentral/1.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/119.0.0.0 Safari/537.36",
    "python-requests/2.32.3",
    "curl/8.10.1",
    "Go-http-client/2.0",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
    ),
]


@pytest.mark.parametrize("agent", PEOPLE)
def test_browsers_and_mail_programs_are_people(agent: str) -> None:
    assert look("GET", agent, "") == HUMAN


@pytest.mark.parametrize("agent", MACHINES)
def test_scanners_previews_and_libraries_are_machines(agent: str) -> None:
    assert look("GET", agent, "") == Look("machine", "scanner")


def test_googles_picture_proxy_stands_for_a_person_and_is_flagged() -> None:
    agent = (
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
    )
    assert look_at_agent(agent) == Look("human", "image_proxy")


def test_apples_privacy_proxy_tells_nothing() -> None:
    assert look_at_agent("Mozilla/5.0") == Look("unclear", "apple_privacy")


def test_a_request_without_an_agent_is_unclear() -> None:
    assert look_at_agent("  ") == Look("unclear", "no_agent")


def test_a_head_request_is_a_machine() -> None:
    assert look("HEAD", PHONE, "") == Look("machine", "head")


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender", "Preview"])
def test_loading_ahead_of_time_is_a_machine(purpose: str) -> None:
    assert look("GET", PHONE, purpose) == Look("machine", "prefetch")


def test_within_two_seconds_of_the_hand_over_nobody_reads() -> None:
    assert settle(HUMAN, NOON + timedelta(seconds=1.9), NOON) == Look("machine", "too_soon")
    assert settle(HUMAN, NOON, None) == Look("machine", "too_soon")
    assert settle(HUMAN, NOON + timedelta(seconds=2), NOON) == HUMAN


def test_three_links_within_a_second_are_a_burst() -> None:
    clicks = [(NOON + timedelta(milliseconds=300 * link), link) for link in range(3)]
    assert in_burst(clicks) == {at for at, _ in clicks}


def test_the_same_link_three_times_is_no_burst() -> None:
    assert in_burst([(NOON + timedelta(milliseconds=100 * n), 7) for n in range(3)]) == set()


def test_links_read_one_after_the_other_are_no_burst() -> None:
    assert in_burst([(NOON + timedelta(seconds=n), n) for n in range(9)]) == set()
