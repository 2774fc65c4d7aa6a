"""A campaign's report against the rows it is about."""

from collections import Counter
from datetime import timedelta

from sqlalchemy import text

from app.analytics import reports
from app.analytics.progress import progress
from app.campaigns.models import Campaign
from app.sending import ledger, states
from app.sending.obstacles import Obstacle
from app.sending.states import Change
from app.tracking import engagement, fold
from app.tracking.engagement import Hit
from app.tracking.verdicts import Look
from tests.support.messages import World

SCANNER = Look("machine", "scanner")


def ran(world: World) -> Campaign:
    """Sixty e-mails, twenty texts: some delivered, bounced, failed, skipped, still open."""
    campaign = world.campaign(channels=["email", "sms"])
    plan = [("delivered", None)] * 40 + [("bounced", "mailbox_unknown")] * 5
    plan += [("failed", "gave_up")] * 3 + [("skipped", "opted_out")] * 7 + [("queued", None)] * 5
    for channel, statuses in (("email", plan), ("sms", [("accepted", None)] * 20)):
        for status, reason in statuses:
            world.message(
                world.contact(),
                channel=channel,
                status=status,
                reason=reason,
                campaign_id=campaign.id,
                accepted_at=world.now - timedelta(minutes=2),
            )
    return campaign


def keys(world: World, campaign: Campaign, status: str) -> list[int]:
    rows = world.session.scalars(
        text("select id from notification where campaign_id = :c and status = :s order by id"),
        {"c": campaign.id, "s": status},
    )
    return list(rows)


def rows_by_status(world: World, campaign: Campaign) -> Counter[str]:
    rows = world.session.execute(
        text("select status, count(*) from notification where campaign_id = :c group by 1"),
        {"c": campaign.id},
    )
    return Counter({row[0]: row[1] for row in rows})


def test_the_report_says_what_the_rows_say(world: World) -> None:
    campaign = ran(world)
    delivered = keys(world, campaign, "delivered")
    moved = [Change(key, "bounced", "mailbox_full", world.now) for key in delivered[:4]]
    states.move(world.session, moved, world.now)
    rows = rows_by_status(world, campaign)
    for _ in range(2):
        sheet = reports.report(world.session, campaign.id).book.all
        assert sheet.audience == sum(rows.values()) == 80
        assert (sheet.delivered, sheet.bounced, sheet.failed) == (36, 9, 3)
        assert (sheet.not_sent, sheet.open, sheet.accepted) == (7, 5, 20)
        ledger.fold(world.session)


def test_the_funnel_never_widens_and_names_its_bases(world: World) -> None:
    campaign = ran(world)
    opened = keys(world, campaign, "delivered")[:12]
    hits = [Hit(key, "opened", world.now, "pixel") for key in opened]
    engagement.record(world.session, hits, world.now)
    stages = {s.key: s for s in reports.report(world.session, campaign.id).funnel()}
    assert stages["audience"].value == 80
    assert (stages["sent"].value, stages["sent"].base) == (65, 80)
    assert (stages["delivered"].value, stages["delivered"].base) == (40, 45)
    assert stages["delivered"].base_words == "of email"
    assert (stages["opened"].value, stages["opened"].base) == (12, 40)
    assert all(stage.width <= 100 for stage in stages.values())


def test_the_funnels_of_the_channels_add_up_to_the_whole(world: World) -> None:
    campaign = ran(world)
    found = reports.report(world.session, campaign.id)
    whole = {stage.key: stage.value for stage in found.funnel()}
    parts: Counter[str] = Counter()
    for channel in found.book.channels:
        parts.update({stage.key: stage.value for stage in found.funnel(channel)})
    for key in ("audience", "sent", "delivered", "clicked", "opted_out"):
        assert parts[key] == whole[key]


def test_no_rate_is_given_below_twenty(world: World) -> None:
    campaign = world.campaign()
    world.message(world.contact(), campaign_id=campaign.id, status="delivered")
    assert all(s.rate is None for s in reports.report(world.session, campaign.id).funnel())


def test_clicks_on_links_are_shown_beside_those_of_machines(world: World) -> None:
    campaign = ran(world)
    first, second = keys(world, campaign, "delivered")[:2]
    link = world.links[0].id
    engagement.record(
        world.session,
        [
            Hit(first, "clicked", world.now, "link", link_id=link),
            Hit(first, "clicked", world.now, "link", link_id=link),
            Hit(second, "clicked", world.now, "link", link_id=link),
            Hit(second, "clicked", world.now, "link", SCANNER, link_id=world.links[1].id),
        ],
        world.now,
    )
    rows = {row.url: row for row in reports.links(world.session, campaign.id)}
    shop = rows["https://shop.example/a"]
    assert (shop.people, shop.clicks, shop.machine) == (2, 3, 0)
    other = rows["https://shop.example/b"]
    assert (other.people, other.clicks, other.machine) == (0, 0, 1)
    found = reports.report(world.session, campaign.id).all
    assert (found.clicked, found.clicks, found.machine_clicks) == (2, 3, 1)
    assert sum(row.clicks for row in rows.values()) == found.clicks


def test_the_timeline_begins_at_the_launch_and_leaves_no_slot_out(world: World) -> None:
    campaign = ran(world)
    key = keys(world, campaign, "delivered")[0]
    hits = [Hit(key, "opened", world.now + timedelta(minutes=m), "pixel") for m in (1, 2, 27)]
    engagement.record(world.session, hits, world.now)
    fold.fold(world.session)
    line = reports.timeline(world.session, campaign.id, world.now, "Asia/Kolkata")
    assert line.unit == "minute"
    assert [f"{time:%H:%M}" for time in line.times] == [
        "14:30", "14:35", "14:40", "14:45", "14:50", "14:55",
    ]  # fmt: skip
    assert list(line.opened) == [2, 0, 0, 0, 0, 1]
    assert sum(line.opened) == reports.report(world.session, campaign.id).all.opens


def test_a_day_with_a_clock_change_has_all_its_hours(world: World) -> None:
    campaign = ran(world)
    launched = world.now.replace(month=10, day=24, hour=20)
    key = keys(world, campaign, "delivered")[0]
    hits = [Hit(key, "opened", launched + timedelta(hours=h), "pixel") for h in (1, 15)]
    world.session.execute(text("update notification set handed_at = :at"), {"at": launched})
    engagement.record(world.session, hits, world.now)
    line = reports.timeline(world.session, campaign.id, launched, "Europe/London")
    assert (line.unit, len(line.times), sum(line.opened)) == ("hour", 16, 2)


def test_progress_is_whole_only_when_everything_is_settled(world: World) -> None:
    campaign = ran(world)
    found = reports.report(world.session, campaign.id)
    soon = world.now + timedelta(seconds=50)
    running = progress(found.book.all, "sending", campaign.launched_at, None, soon)
    assert running.percent == 93
    assert running.speed == 1.3
    assert running.done_at == soon + timedelta(seconds=5 / 1.3)


def test_later_the_speed_is_that_of_the_last_half_minute(world: World) -> None:
    campaign = ran(world)
    sheet = reports.report(world.session, campaign.id).book.all
    late = world.now + timedelta(hours=2)
    running = progress(sheet, "sending", campaign.launched_at, None, late, lately=0.5)
    assert (running.speed, running.done_at) == (0.5, late + timedelta(seconds=10))


def test_nobody_knows_when_it_is_done_while_something_stands_in_its_way(world: World) -> None:
    campaign = ran(world)
    sheet = reports.report(world.session, campaign.id).book.all
    waits = [Obstacle("SendGrid keeps failing.")]
    late = world.now + timedelta(hours=2)
    running = progress(sheet, "sending", campaign.launched_at, None, late, lately=0.5, waits=waits)
    assert running.done_at is None


def test_a_report_as_data_balances(world: World) -> None:
    campaign = ran(world)
    found = reports.report(world.session, campaign.id)
    data = reports.as_data(found, reports.links(world.session, campaign.id))
    assert data["audience"] == sum(
        data[name] for name in ("accepted", "delivered", "bounced", "failed", "not_sent", "open")
    )
    assert data["audience"] == sum(part["audience"] for part in data["channels"].values())
