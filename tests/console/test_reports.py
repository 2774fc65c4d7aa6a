"""What people read on overview, analytics and reports adds up, and agrees from page to page."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from lxml import html
from sqlalchemy import update
from sqlalchemy.orm import Session

from app import clock, ids
from app.campaigns.models import Campaign
from app.tracking import engagement
from app.tracking.engagement import Hit
from app.tracking.verdicts import Look
from tests.support import messages
from tests.support.members import SignIn
from tests.support.messages import World

PLAN = {"delivered": 30, "bounced": 4, "accepted": 6, "failed": 2, "skipped": 5, "queued": 3}
REASONS = {"bounced": "mailbox_full", "failed": "gave_up", "skipped": "opted_out"}
SCANNER = Look("machine", "scanner")


@pytest.fixture
def world(session: Session) -> World:
    """As of now, because pages show the time until now."""
    return messages.world(session, clock.now())


@pytest.fixture
def campaign(world: World) -> Campaign:
    """Fifty messages: each status with its reason; ten opened, six clicked, one scanner."""
    launched = world.now - timedelta(minutes=40)
    made = world.campaign(launched_at=launched, people=50)
    keys = {
        status: [_message(world, made, status, launched) for _ in range(number)]
        for status, number in PLAN.items()
    }
    link = world.links[0].id
    hits = [Hit(key, "opened", world.now, "pixel") for key in keys["delivered"][:10]]
    hits += [Hit(k, "clicked", world.now, "link", link_id=link) for k in keys["delivered"][:6]]
    hits.append(Hit(keys["delivered"][9], "clicked", world.now, "link", SCANNER, link))
    engagement.record(world.session, hits, world.now)
    world.session.commit()
    return made


def _message(world: World, campaign: Campaign, status: str, at: Any) -> int:
    return world.message(
        world.contact(),
        status=status,
        reason=REASONS.get(status),
        campaign_id=campaign.id,
        accepted_at=at,
        handed_at=at,
    ).id


@pytest.fixture
def browser(app: Flask, signed_in: SignIn) -> Iterator[FlaskClient]:
    """An owner's."""
    return signed_in("owner")  # type: ignore[return-value]


def page(browser: FlaskClient, path: str, **headers: str) -> html.HtmlElement:
    answer = browser.get(path, headers=headers)
    assert answer.status_code == 200, answer.text[:500]
    return html.fromstring(answer.text)


def finish(world: World, campaign: Campaign) -> None:
    """All of it was sent nine days ago."""
    statement = update(Campaign).where(Campaign.id == campaign.id)
    ended = world.now - timedelta(days=9)
    world.session.execute(statement.values(status="sent", finished_at=ended))
    world.session.commit()


def numbers(text: str) -> list[int]:
    return [int(part.replace(",", "")) for part in re.findall(r"\d[\d,]*", text)]


def legend(tree: html.HtmlElement, region: str) -> dict[str, int]:
    items = tree.xpath(f"//*[@id='{region}']//ul[contains(@class, 'legend')]/li")
    return {
        item.text_content().strip().rsplit(" ", 1)[0]: numbers(item.findtext("b"))[0]
        for item in items
    }


def home(campaign: Campaign) -> str:
    return f"/campaigns/{ids.encode('cmp', campaign.id)}"


def test_the_parts_of_the_bar_are_the_audience(browser: FlaskClient, campaign: Campaign) -> None:
    tree = page(browser, home(campaign))
    parts = legend(tree, "live")
    assert parts == {"Delivered": 30, "Accepted": 6, "Failed": 6, "Not sent": 5, "Waiting": 3}
    sent, audience = numbers(
        tree.xpath("string(//*[@id='live']//div[contains(@class, 'lvtop')]/div)")
    )[:2]
    assert sum(parts.values()) == audience == 50
    assert sent == parts["Delivered"] + parts["Accepted"] + PLAN["bounced"]


def test_the_bar_is_as_long_as_its_parts(browser: FlaskClient, campaign: Campaign) -> None:
    tree = page(browser, home(campaign))
    styles = tree.xpath("//*[@id='live']//*[@role='progressbar']/i/@style")
    shares = [float(re.search(r"--v:\s*([\d.]+)", style)[1]) for style in styles]  # type: ignore[index]
    assert sum(shares) == pytest.approx(100 * (50 - PLAN["queued"]) / 50, abs=0.05)


def test_failures_and_reasons_add_up_to_what_the_bar_says(
    browser: FlaskClient, campaign: Campaign
) -> None:
    tree = page(browser, home(campaign))
    parts = legend(tree, "live")
    for region, name in (("failures", "Failed"), ("not-sent", "Not sent")):
        rows = tree.xpath(f"//*[@id='{region}']//a[contains(@class, 'bar-row')]")
        values = [numbers(row.xpath("string(*[contains(@class, 'num')])"))[0] for row in rows]
        assert sum(values) == parts[name]


def test_a_next_channel_is_named_where_there_may_be_one(
    browser: FlaskClient, world: World, campaign: Campaign
) -> None:
    words = "string(//*[@id='failures'])"
    assert "or followed by the next channel" not in page(browser, home(campaign)).xpath(words)
    world.session.execute(
        update(Campaign).where(Campaign.id == campaign.id).values(strategy="first")
    )
    world.session.commit()
    said = page(browser, home(campaign)).xpath(words)
    assert said.count("In the dead letters, or followed by the next channel") == 1


def test_every_cause_leads_to_exactly_its_people(browser: FlaskClient, campaign: Campaign) -> None:
    tree = page(browser, home(campaign))
    for row in tree.xpath("//a[contains(@class, 'bar-row')]"):
        expected = numbers(row.xpath("string(*[contains(@class, 'num')])"))[0]
        people = page(browser, row.get("href"))
        assert len(people.xpath("//*[@id='results']//tbody/tr")) == expected


def test_the_groups_of_people_add_up_to_the_tab(browser: FlaskClient, campaign: Campaign) -> None:
    tree = page(browser, f"{home(campaign)}/people")
    groups = tree.xpath("//*[@id='results']//div[contains(@class, 'seg')]/a")[1:]
    assert sum(numbers(group.text_content())[-1] for group in groups) == 50
    [count] = tree.xpath("//nav[contains(@class, 'tabs')]//span[contains(@class, 'count')]")
    assert numbers(count.text_content()) == [50]


def test_people_are_paged_without_loss(browser: FlaskClient, campaign: Campaign) -> None:
    seen, path = 0, f"{home(campaign)}/people"
    while path:
        tree = page(browser, path)
        seen += len(tree.xpath("//*[@id='results']//tbody/tr"))
        path = next(iter(tree.xpath("//a[@rel='next']/@href")), "")
    assert seen == 50


def test_the_people_of_the_screen_are_those_of_the_file(
    browser: FlaskClient, campaign: Campaign
) -> None:
    answer = browser.get(f"{home(campaign)}/people.csv?show=failed")
    lines = answer.text.removeprefix("\ufeff").strip().splitlines()
    assert len(lines) == 1 + 6
    assert lines[0].startswith("message,person,channel")


def test_links_agree_with_the_funnel_and_show_machines_beside(
    browser: FlaskClient, campaign: Campaign
) -> None:
    tree = page(browser, home(campaign))
    [row] = tree.xpath("//*[@id='links']//tbody/tr")
    people, clicks, machines = [numbers(cell.text_content())[0] for cell in row.xpath("td")[2:5]]
    assert (people, clicks, machines) == (6, 6, 1)
    funnel = {
        item.xpath("string(div/span[1])").strip(): numbers(item.xpath("string(.//b)"))[0]
        for item in tree.xpath("//ol[contains(@class, 'funnel')]/li")
    }
    assert funnel["Clicked or tapped"] == people
    assert funnel["Opened"] == 10
    assert funnel["Messages"] == 50


def test_the_report_asks_again_while_it_runs_and_renews_the_page_at_the_end(
    browser: FlaskClient, world: World, campaign: Campaign
) -> None:
    tree = page(browser, home(campaign))
    [live] = tree.xpath("//*[@id='live']")
    assert live.get("hx-trigger") == "every 2s"
    finish(world, campaign)
    answer = browser.get(live.get("hx-get"), headers={"HX-Request": "true"})
    assert answer.headers["HX-Refresh"] == "true"
    assert "hx-trigger" not in answer.text


def test_a_draft_leads_to_where_it_is_made(browser: FlaskClient, world: World) -> None:
    draft = world.campaign(status="draft", launched_at=None)
    world.session.commit()
    assert browser.get(home(draft)).headers["Location"] == f"{home(draft)}/audience"


def test_the_overview_says_the_same_as_the_report(browser: FlaskClient, campaign: Campaign) -> None:
    tree = page(browser, "/?period=24h")
    figures = tree.xpath("//*[@id='kpis']//span[@class='fig']/text()")
    assert figures == ["40", "75.0%", "33.3%", "20.0%", "0.0%"]
    assert sum(legend(tree, "deliveries").values()) == 40
    totals = [
        numbers(row.xpath("string(td[last()])"))[0]
        for row in tree.xpath("//*[@id='deliveries']//tbody/tr")
    ]
    assert sum(totals) == 40
    [row] = tree.xpath("//*[@id='recent']//tbody/tr")
    assert numbers(row.xpath("string(td[3])")) == [40]


def test_another_period_answers_only_what_depends_on_it(
    browser: FlaskClient, campaign: Campaign
) -> None:
    answer = browser.get("/?period=7d", headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert 'id="kpis"' in answer.text
    assert answer.text.count("hx-swap-oob") == 2


def test_what_is_being_sent_is_shown_until_it_is_sent(
    browser: FlaskClient, world: World, campaign: Campaign
) -> None:
    assert "40" in page(browser, "/_now", **{"HX-Request": "true"}).text_content()
    finish(world, campaign)
    assert "No campaign is being sent" in browser.get("/_now", headers={"HX-Request": "true"}).text


def test_analytics_agree_with_the_overview_on_every_tab(
    browser: FlaskClient, campaign: Campaign
) -> None:
    for path in ("/analytics", "/analytics/engagement", "/analytics/deliverability"):
        tree = page(browser, f"{path}?period=7d")
        assert tree.xpath("//*[@id='kpis']//span[@class='fig']/text()")[0] == "40"
    rows = tree.xpath("//*[@id='channels']//tbody/tr")
    columns = [
        [numbers(cell.text_content() or "0") or [0] for cell in row.xpath("td")[1:]] for row in rows
    ]
    parts = [sum(column[i][0] for column in columns[:-1]) for i in range(4)]
    assert parts == [cell[0] for cell in columns[-1]] == [40, 30, 4, 2]


def test_a_channel_narrows_analytics(browser: FlaskClient, campaign: Campaign) -> None:
    tree = page(browser, "/analytics?period=7d&channel=sms")
    assert tree.xpath("//*[@id='kpis']//span[@class='fig']/text()")[0] == "0"


def test_the_exported_spans_add_up(browser: FlaskClient, campaign: Campaign) -> None:
    answer = browser.get("/analytics/export.csv?period=7d")
    rows = [line.split(",") for line in answer.text.removeprefix("\ufeff").strip().splitlines()[1:]]
    assert len(rows) == 7 * 4
    assert sum(int(row[2]) for row in rows) == 40
    assert sum(int(row[3]) for row in rows) == 30


@pytest.mark.parametrize("tab", ["sent-content", "activity", "people"])
def test_every_tab_has_the_same_head(browser: FlaskClient, campaign: Campaign, tab: str) -> None:
    tree = page(browser, f"{home(campaign)}/{tab}")
    assert tree.xpath("string(//h1)") == campaign.name


def test_the_mail_is_shown_in_a_cage(browser: FlaskClient, campaign: Campaign) -> None:
    answer = browser.get(f"{home(campaign)}/_mail")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_a_viewer_sees_numbers_but_no_names_and_no_files(
    signed_in: SignIn, campaign: Campaign
) -> None:
    viewer = signed_in("viewer")
    assert viewer.get(home(campaign)).status_code == 200
    people = viewer.get(f"{home(campaign)}/people")
    assert "Amara" not in people.text
    assert "example.com" in people.text
    assert "person1@example.com" not in people.text
    assert viewer.get(f"{home(campaign)}/people.csv").status_code == 403


def test_an_unknown_campaign_is_not_found(browser: FlaskClient) -> None:
    for path in ("", "/people", "/_live", "/links.csv"):
        assert browser.get(f"/campaigns/cmp_0000000000000{path}").status_code == 404
