"""The list of campaigns."""

from flask import Flask

from app.accounts.models import AuditEntry
from app.db import transaction
from tests.console.workshop import furnish
from tests.support.members import SignIn

FRAGMENT = {"HX-Request": "true"}


def test_a_new_campaign_is_a_draft_opened_at_its_audience(app: Flask, signed_in: SignIn) -> None:
    browser = signed_in("marketer")
    answer = browser.post("/campaigns/new", data={"name": "Autumn"})
    assert answer.status_code == 303
    assert answer.location.endswith("/audience")
    assert "Autumn" in browser.get("/campaigns?status=draft").text


def test_a_draft_opens_at_its_first_unfinished_step(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    assert shop.browser.get(shop.path).location.endswith("/audience")
    shop.choose_audience()
    assert shop.browser.get(shop.path).location.endswith("/content")
    shop.write_letter()
    assert shop.browser.get(shop.path).location.endswith("/review")


def test_search_finds_names_and_subjects(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("marketer"))
    shop.post("_save", htmx=True, step="review", name="Plum season")
    shop.write_letter(subject="Sweet and ripe")
    for word in ("plum", "ripe"):
        assert "Plum season" in shop.browser.get("/campaigns", query_string={"q": word}).text
    assert "No campaigns match" in shop.browser.get("/campaigns?q=apples").text


def test_an_unknown_filter_shows_the_list_all_the_same(signed_in: SignIn) -> None:
    browser = signed_in("viewer")
    for query in (
        "status=odd",
        "from=yesterday",
        "to=9999-12-31",
        "channel=pigeon",
        "from_row=x",
        "owner=mem_1",
    ):
        assert browser.get(f"/campaigns?{query}").status_code == 200


def test_a_viewer_looks_and_changes_nothing(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("owner"))
    viewer = signed_in("viewer")
    assert 'id="new-campaign"' not in viewer.get("/campaigns").text
    assert viewer.post("/campaigns/new").status_code == 403
    assert viewer.get(f"{shop.path}/audience").status_code == 403
    assert viewer.get(f"{shop.path}/review").status_code == 200
    assert viewer.post(f"{shop.path}/launch").status_code == 403


def test_several_are_archived_at_once_and_undo_brings_them_back(
    app: Flask, signed_in: SignIn
) -> None:
    shop = furnish(app, signed_in("owner"))
    public_id = shop.path.rpartition("/")[2]
    form = {"do": "archive", "id": public_id}
    answer = shop.browser.post("/campaigns/_bulk", data=form, headers=FRAGMENT)
    assert "undo" in answer.headers["HX-Trigger"]
    assert public_id not in shop.browser.get("/campaigns").text
    assert public_id in shop.browser.get("/campaigns?status=archived").text
    shop.browser.post("/campaigns/_unarchive", query_string={"id": public_id})
    assert public_id in shop.browser.get("/campaigns").text


def test_the_csv_has_what_the_page_has(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("owner"))
    shop.post("_save", htmx=True, step="review", name="=cmd()")
    lines = shop.browser.get("/campaigns.csv?status=draft").text.splitlines()
    assert lines[0].startswith("\ufeffid,name,status")
    assert "'=cmd()" in lines[1]
    assert len(shop.browser.get("/campaigns.csv?status=sent").text.splitlines()) == 1


def test_a_duplicate_is_a_draft_of_its_own(app: Flask, signed_in: SignIn) -> None:
    shop = furnish(app, signed_in("owner"))
    shop.choose_audience()
    shop.write_letter()
    copy = shop.browser.post(f"{shop.path}/duplicate").location
    assert copy.endswith("/audience")
    assert shop.path not in copy
    page = shop.browser.get(copy.replace("/audience", "/content/email")).text
    assert "Hello {{ first_name" in page
    with app.app_context(), transaction() as session:
        actions = [entry.action for entry in session.query(AuditEntry)]
    assert "campaign.duplicate" in actions
