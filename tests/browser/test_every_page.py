"""Every page of the console in a real browser: opens, obeys its policy, and passes axe-core."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import func, select

from app import ids
from app.audience.models import Contact, Segment, Topic
from app.campaigns.models import Campaign
from app.content.models import Template
from app.db import transaction
from app.sending.models import Notification
from tests.support.browser import serious, signed_in
from tests.support.herald import Herald

THEMES = ("light", "dark")
WIDTH = 390  # of a phone
LISTS = (
    "/",
    "/analytics",
    "/campaigns",
    "/templates",
    "/people",
    "/people/import",
    "/segments",
    "/topics",
    "/suppressions",
    "/messages",
    "/queues",
    "/dead-letters",
    "/alerts",
    "/providers",
    "/drill",
    "/hold",
    "/api-keys",
    "/audit",
    "/settings",
)


@pytest.fixture(scope="module")
def singles(herald: Herald) -> list[str]:
    """One page of each kind of thing."""
    with transaction() as session:
        campaign = session.scalars(select(Campaign.id).order_by(Campaign.id.desc())).first()
        template = session.scalars(select(Template.id).order_by(Template.id)).first()
        segment = session.scalars(select(Segment.id).order_by(Segment.id.desc())).first()
        person = session.scalars(select(Contact.id).order_by(Contact.id)).first()
        message = session.scalars(
            select(Notification.id).order_by(Notification.id.desc()).limit(1)
        ).first()
    assert None not in (campaign, template, segment, person, message)
    return [
        f"/campaigns/{ids.encode('cmp', campaign or 0)}",
        f"/templates/{ids.encode('tpl', template or 0)}",
        f"/segments/{ids.encode('seg', segment or 0)}",
        f"/people/{ids.encode('con', person or 0)}",
        f"/messages/{ids.encode('ntf', message or 0)}",
    ]


@pytest.fixture(scope="module", params=THEMES)
def window(
    request: pytest.FixtureRequest, browser: Browser, herald: Herald
) -> Iterator[BrowserContext]:
    """The owner's window, light and dark."""
    context = signed_in(browser, herald, "owner", color_scheme=request.param)
    yield context
    context.close()


def visit(window: BrowserContext, path: str) -> tuple[Page, list[str]]:
    """Open a page; answers it with what its console complained about."""
    page = window.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 200, f"{path} answers {answer.status}"
    page.wait_for_load_state("networkidle")
    return page, complaints


@pytest.mark.parametrize("path", LISTS)
def test_a_list_opens_without_a_complaint_and_fits_a_phone(
    window: BrowserContext, path: str
) -> None:
    page, complaints = visit(window, path)
    found = serious(page)
    page.set_viewport_size({"width": WIDTH, "height": 844})
    needed = width(page)
    page.close()
    assert (complaints, found) == ([], [])
    assert needed <= WIDTH


@pytest.mark.parametrize("place", range(5))
def test_a_single_thing_opens_without_a_complaint(
    window: BrowserContext, singles: list[str], place: int
) -> None:
    page, complaints = visit(window, singles[place])
    found = serious(page)
    page.close()
    assert (complaints, found) == ([], [])


def test_no_card_collapses_while_a_long_page_arrives(window: BrowserContext) -> None:
    page, _ = visit(window, "/settings/workspace")
    heights = []
    for _ in range(12):
        page.reload()
        heights.append(page.locator("#general").evaluate("card => card.offsetHeight"))
    page.close()
    assert min(heights) > 200


def test_without_scripts_a_chart_is_its_table(
    browser: Browser, herald: Herald, window: BrowserContext
) -> None:
    known = window.storage_state()
    still = browser.new_context(base_url=herald.url, storage_state=known, java_script_enabled=False)
    page, _ = visit(still, "/analytics")
    assert page.locator(".chart-table").first.is_visible()
    assert page.locator("[data-chart]").first.is_hidden()
    still.close()


@pytest.fixture(scope="module")
def phone(browser: Browser, herald: Herald) -> Iterator[BrowserContext]:
    """The owner's phone."""
    context = signed_in(browser, herald, "owner", viewport={"width": WIDTH, "height": 844})
    yield context
    context.close()


@pytest.fixture(scope="module")
def messages(herald: Herald) -> list[str]:
    """The newest message of each state, as each has other steps, and one that a system asked for.

    The latter names its request, the longest word of all.
    """
    with transaction() as session:
        topic = session.scalars(select(Topic.key).where(Topic.klass == "transactional")).first()
        newest = session.scalars(select(func.max(Notification.id)).group_by(Notification.status))
        found = [ids.encode("ntf", number) for number in newest]
    content = {"email": {"subject": "Hello", "html": "<p>Hello</p>", "text": "Hello"}}
    body = {"topic": topic, "content": content, "to": {"email": "caller@example.com"}}
    status, answer, _ = herald.call("POST", "/notifications", herald.key(), body)
    assert status == 202
    return [f"/messages/{one}" for one in (*found, answer["notifications"][0]["id"])]


def test_no_single_thing_is_wider_than_a_phone(
    phone: BrowserContext, singles: list[str], messages: list[str]
) -> None:
    tabs = [f"{singles[0]}/{tab}" for tab in ("people", "sent-content", "activity")]
    wider = {}
    for path in (*singles, *tabs, *messages):
        page, _ = visit(phone, path)
        if width(page) > WIDTH:
            wider[path] = width(page)
        page.close()
    assert wider == {}


def width(page: Page) -> int:
    """How wide a page is, with all that sticks out."""
    return int(page.evaluate("document.documentElement.scrollWidth"))


def test_the_focus_stays_where_a_queue_was_paused(window: BrowserContext) -> None:
    page, _ = visit(window, "/queues")
    for before, after in (("Pause", "Resume"), ("Resume", "Pause")):
        page.get_by_role("button", name=f"{before} sms.bulk").focus()
        page.keyboard.press("Enter")
        if before == "Pause":
            page.get_by_role("button", name="Pause the queue").press("Enter")
        page.wait_for_selector(f"[aria-label='{after} sms.bulk']:focus")
    page.close()


def test_fields_wait_for_the_box_they_belong_to(window: BrowserContext) -> None:
    page, _ = visit(window, "/settings/workspace")
    box, field = page.locator("#quiet"), page.locator("[name=quiet_start]")
    assert field.is_enabled() == box.is_checked()
    box.set_checked(not box.is_checked())
    assert field.is_enabled() == box.is_checked()
    page.close()


def test_signing_in_is_for_everyone(browser: Browser, herald: Herald) -> None:
    for theme in THEMES:
        context = browser.new_context(base_url=herald.url, color_scheme=theme)
        page, complaints = visit(context, "/signin")
        assert (complaints, serious(page)) == ([], [])
        context.close()


def test_every_entry_of_the_menu_leads_somewhere(window: BrowserContext) -> None:
    page, _ = visit(window, "/")
    hrefs = page.locator("nav a[href^='/']").evaluate_all("all => all.map(a => a.pathname)")
    page.close()
    assert {path for path in LISTS if not re.search(r"import|hold", path)} <= set(hrefs)
