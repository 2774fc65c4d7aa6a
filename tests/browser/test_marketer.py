"""The marketer's whole path in Chromium: from a new campaign to the message of one person."""

from datetime import UTC, datetime

from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from app import ids
from app.audience.models import Contact
from app.campaigns.models import Campaign
from app.db import transaction
from app.sending.models import Notification
from tests.support.browser import signed_in
from tests.support.herald import Herald
from tests.support.processes import eventually

SLOW_MS = 60_000


def messages_of(campaign_id: int) -> list[Notification]:
    """Every message of a campaign."""
    with transaction() as session:
        wanted = select(Notification).where(Notification.campaign_id == campaign_id)
        return list(session.scalars(wanted))


def is_sent(campaign_id: int) -> bool:
    """Whether the books of the campaign are closed."""
    with transaction() as session:
        return session.get_one(Campaign, campaign_id).status == "sent"


def compose(page: Page) -> None:
    """Audience, content and schedule of a newsletter to everyone who reads German."""
    page.goto("/campaigns")
    page.get_by_role("button", name="New campaign").first.click()
    page.wait_for_url("**/audience")
    page.get_by_label("Campaign name").fill("Winter letter")
    page.get_by_label("Campaign name").press("Tab")
    page.get_by_role("button", name="Include a segment").click()
    page.locator("#picks-include").get_by_role("button", name="German speakers").click()
    expect(page.locator("#include-1, #lists li").first).to_contain_text("German speakers")
    page.get_by_label("Topic people opted in to").select_option("newsletter")
    expect(page.locator("#audience")).to_contain_text("Will receive")
    page.locator("#continue").click()
    page.wait_for_url("**/content/email")
    page.locator("#choose-template").click()
    page.locator("#picks-template").get_by_role("button", name="The Friday letter").click()
    expect(page.get_by_label("Subject", exact=False).first).not_to_have_value("")


def send_test(page: Page, address: str) -> None:
    """Send a test to an address."""
    page.locator("#send-test").click()
    dialog = page.locator("#test")
    dialog.locator("input[name=to]").fill(address)
    dialog.get_by_role("button", name="Send test").click()


def test_a_marketer_sends_a_campaign_and_support_finds_the_message(
    herald: Herald, browser: Browser
) -> None:
    context = signed_in(browser, herald, "marketer", viewport={"width": 1440, "height": 900})
    context.set_default_timeout(SLOW_MS)
    page = context.new_page()
    compose(page)
    send_test(page, "proof@example.com")
    assert eventually(
        lambda: any(line["to"] == "proof@example.com" for line in herald.journal()), 60
    )
    page.keyboard.press("Escape")
    page.locator("#continue").click()
    page.wait_for_url("**/schedule")
    page.locator("#continue").click()
    page.wait_for_url("**/review")
    page.locator("#launch").click()
    page.locator("#confirm-launch").get_by_role("button", name="Send now").click()
    page.wait_for_url(lambda url: "/review" not in url)
    key = ids.decode("cmp", page.url.rstrip("/").rsplit("/", 1)[-1])
    assert key is not None
    expect(page.get_by_text("Sent", exact=True).first).to_be_visible(timeout=2 * SLOW_MS)

    assert eventually(lambda: is_sent(key), 120)
    rows = messages_of(key)
    handed = {row.address for row in rows if row.status in ("accepted", "delivered", "bounced")}
    refs = {ids.encode("ntf", row.id) for row in rows}
    journal = [line["to"] for line in herald.journal() if line["notification"] in refs]
    assert len(journal) == len(set(journal)) == len(handed) > 100
    context.close()

    with transaction() as session:
        reached = next(row for row in rows if row.address in handed)
        person = session.get_one(Contact, reached.contact_id)
    support = signed_in(browser, herald, "support", viewport={"width": 1440, "height": 900})
    support.set_default_timeout(SLOW_MS)
    page = support.new_page()
    page.goto(f"/people?q={person.email}")
    page.wait_for_url("**/people/con_*")
    expect(page.locator("main")).to_contain_text("Winter letter")
    page.goto(f"/messages/{ids.encode('ntf', reached.id)}")
    expect(page.locator("main")).to_contain_text("SendGrid")
    support.close()
    assert datetime.now(UTC) > reached.accepted_at
