"""The pages of templates: list, new, editor, preview, publish, versions, test."""

import re
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app import ids
from app.audience import contacts, topics
from app.console import content_stage
from app.content import drafts, templates
from app.content.models import Template
from app.db import transaction
from app.sending.models import Notification
from tests.support.members import SignIn

NOW = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
HTML = '<p>Hi {{ first_name|default("you") }}</p><a href="{{ unsubscribe_url }}">Stop</a>'
HTMX = {"HX-Request": "true"}


@pytest.fixture
def news(app: Flask) -> str:
    """A marketing template with a draft; the public id."""
    with app.app_context(), transaction() as session:
        fields = {"key": "letters", "name": "Letters", "klass": "marketing"}
        topic = topics.create(session, fields, NOW)
        template = templates.create(session, key="news", name="News", topic_id=topic.id, now=NOW)
        content = {"email": {"subject": "Hello", "preheader": "p", "html": HTML}}
        drafts.save(session, template, content, now=NOW)
        contacts.upsert(session, "u-1", {"first_name": "Amara", "last_name": "Okafor"}, NOW)
        return ids.encode("tpl", template.id)


@pytest.fixture
def owner(signed_in: SignIn) -> FlaskClient:
    return signed_in("owner")


def revision(page: str) -> str:
    found = re.search(r'name="rev" value="([^"]+)"', page)
    assert found
    return found[1]


def content_of(app: Flask, key: str = "news") -> dict[str, object]:
    with app.app_context(), transaction() as session:
        version = drafts.current(session, templates.by_key(session, key))
        return version.content if version else {}


def check(client: FlaskClient, public_id: str, rev: str, at: str = "email.html", **more: str):
    data = {"at": at, "rev": rev, **more}
    return client.post(f"/templates/{public_id}/_check", data=data, headers=HTMX)


def test_an_empty_list_says_what_a_template_is(owner: FlaskClient) -> None:
    assert "No templates yet" in owner.get("/templates").text


def test_the_list_shows_state_and_filters(owner: FlaskClient, news: str) -> None:
    page = owner.get("/templates").text
    assert "News" in page
    assert "Draft" in page
    assert "No templates match" in owner.get("/templates?q=zzz").text
    assert "News" in owner.get("/templates?topic=letters", headers=HTMX).text
    assert "Nothing is archived" in owner.get("/templates?state=archived").text


def test_a_new_template_opens_in_the_editor(app: Flask, owner: FlaskClient, news: str) -> None:
    form = {"name": "Order shipped", "topic": "letters", "start": "letter"}
    answer = owner.post("/templates/new", data=form)
    assert answer.status_code == 303, answer.text
    page = owner.get(answer.location).text
    assert "Order shipped" in page
    assert "Hello {{ first_name" in page
    assert content_of(app, "order-shipped")["email"]


def test_a_taken_key_and_a_missing_topic_are_told_beside_the_fields(
    owner: FlaskClient, news: str
) -> None:
    taken = owner.post("/templates/new", data={"name": "News", "key": "news", "topic": "letters"})
    assert (taken.status_code, "already a template" in taken.text) == (409, True)
    nothing = owner.post("/templates/new", data={"name": "", "topic": ""})
    assert nothing.status_code == 422
    assert "Choose a topic" in nothing.text


def test_typing_is_kept_checked_and_previewed(app: Flask, owner: FlaskClient, news: str) -> None:
    rev = revision(owner.get(f"/templates/{news}").text)
    answer = check(owner, news, rev, html=HTML + "<p>{{ frist_name }}</p>")
    assert answer.status_code == 200
    assert "Did you mean first_name?" in answer.text
    assert "editor-marks" in answer.headers["HX-Trigger"]
    assert "1 stops publishing" in answer.text
    assert "frist_name" in str(content_of(app))
    again = check(owner, news, revision(answer.text), html=HTML)
    assert "No problems" in again.text


def test_a_save_on_an_old_revision_is_refused_and_nothing_is_lost(
    app: Flask, owner: FlaskClient, news: str
) -> None:
    rev = revision(owner.get(f"/templates/{news}").text)
    check(owner, news, rev, html=HTML + "first")
    answer = check(owner, news, rev, html=HTML + "second")
    assert answer.status_code == 409
    assert "Not saved" in answer.text
    assert "first" in str(content_of(app))


def test_it_works_without_scripts(app: Flask, owner: FlaskClient, news: str) -> None:
    rev = revision(owner.get(f"/templates/{news}?at=sms").text)
    form = {"at": "sms.body", "rev": rev, "body": "Hi. STOP to end", "go": "ios"}
    answer = owner.post(f"/templates/{news}", data=form)
    assert answer.status_code == 303
    assert "at=ios" in answer.location
    assert content_of(app)["sms"] == {"body": "Hi. STOP to end"}


def test_wrong_sample_data_is_told_and_not_kept(app: Flask, owner: FlaskClient, news: str) -> None:
    rev = revision(owner.get(f"/templates/{news}").text)
    answer = check(owner, news, rev, html="<p>new</p>", sample_data='{"a": }')
    assert answer.status_code == 422
    assert "The sample data is not JSON. Line 1" in answer.text
    assert "new" not in str(content_of(app))


def test_every_part_of_every_channel_opens(owner: FlaskClient, news: str) -> None:
    looks = ("", "&width=desktop", "&width=text", "&state=locked&theme=dark")
    for at in ("email.html", "email.text", "email.subject", "sms", "ios", "android"):
        for look in looks:
            assert owner.get(f"/templates/{news}?at={at}{look}").status_code == 200


def test_the_preview_is_a_real_persons_and_cannot_run_anything(
    owner: FlaskClient, news: str
) -> None:
    answer = owner.get(f"/templates/{news}/_preview")
    assert "Hi Amara" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")


def test_a_light_preview_is_light_on_a_dark_screen() -> None:
    html = (
        '<meta name="color-scheme" content="light dark">'
        "<style>@media (prefers-color-scheme: dark) { p { color: white } }</style>"
    )
    light, dark = content_stage.themed(html, "light"), content_stage.themed(html, "dark")
    assert 'content="light"' in light
    assert "(max-width:0)" in light
    assert 'content="dark"' in dark
    assert "(min-width:0)" in dark


def test_a_viewer_previews_as_a_made_up_person_and_changes_nothing(
    signed_in: SignIn, news: str
) -> None:
    viewer = signed_in("viewer")
    assert "Amara" not in viewer.get(f"/templates/{news}").text
    assert "Hi Alex" in viewer.get(f"/templates/{news}/_preview").text
    for path in ("", "/_check", "/publish", "/test", "/discard", "/archive", "/duplicate"):
        assert viewer.post(f"/templates/{news}{path}").status_code == 403
    assert viewer.get(f"/templates/{news}/_people").status_code == 403
    assert viewer.get("/templates/new").status_code == 403


def test_people_are_found_to_preview_as(owner: FlaskClient, news: str) -> None:
    answer = owner.get(f"/templates/{news}/_people?q=okafor", headers=HTMX)
    assert "Amara Okafor" in answer.text
    assert "Nobody matches" in owner.get(f"/templates/{news}/_people?q=zzzz", headers=HTMX).text


def test_publishing_makes_a_version_and_says_so(app: Flask, owner: FlaskClient, news: str) -> None:
    rev = revision(owner.get(f"/templates/{news}").text)
    answer = owner.post(f"/templates/{news}/publish", data={"rev": rev, "at": "email.html"})
    assert answer.status_code == 303
    assert "Live v1" in owner.get(f"/templates/{news}").text
    assert "Version 1" in owner.get(f"/templates/{news}/versions").text


def test_errors_and_old_revisions_do_not_get_published(owner: FlaskClient, news: str) -> None:
    rev = revision(owner.get(f"/templates/{news}").text)
    answer = check(owner, news, rev, html="<p>no way out</p>")
    broken = {"rev": revision(answer.text), "at": "email.html"}
    refused = owner.post(f"/templates/{news}/publish", data=broken)
    assert refused.status_code == 422
    assert "Marketing mail needs a way out" in refused.text
    assert owner.post(f"/templates/{news}/publish", data={"rev": rev}).status_code == 409


def test_versions_are_compared_and_brought_back(app: Flask, owner: FlaskClient, news: str) -> None:
    rev = revision(owner.get(f"/templates/{news}").text)
    owner.post(f"/templates/{news}/publish", data={"rev": rev})
    rev = revision(owner.get(f"/templates/{news}").text)
    check(owner, news, rev, html=HTML.replace("Hi", "Dear"))
    page = owner.get(f"/templates/{news}/versions/0").text
    assert "Dear" in page
    assert 'class="del"' in page
    answer = owner.post(f"/templates/{news}/versions/1/restore")
    assert answer.status_code == 303
    assert "Hi" in str(content_of(app))
    assert owner.get(f"/templates/{news}/versions/7").status_code == 404


def test_a_test_message_goes_the_way_of_every_message(
    app: Flask, owner: FlaskClient, news: str
) -> None:
    form = {"at": "email.html", "to": "me@herald.example"}
    answer = owner.post(f"/templates/{news}/test", data=form, headers=HTMX)
    assert "On its way to me@herald.example" in answer.text
    with app.app_context(), transaction() as session:
        row = session.scalars(select(Notification)).one()
        assert (row.origin, row.channel, row.address) == ("test", "email", "me@herald.example")
        assert row.data is not None
        assert row.data["first_name"] == "Amara"


def test_a_test_to_a_wrong_address_or_without_content_is_refused(
    owner: FlaskClient, news: str
) -> None:
    wrong = (("email.html", "nobody"), ("sms.body", "12"), ("ios.push", "a b"))
    for at, to in (*wrong, ("sms.body", "+447700900412")):
        form = {"at": at, "to": to}
        answer = owner.post(f"/templates/{news}/test", data=form, headers=HTMX)
        assert answer.status_code == 422
        assert "Not sent." in answer.text


def test_words_of_one_push_are_copied_to_the_other(
    app: Flask, owner: FlaskClient, news: str
) -> None:
    rev = revision(owner.get(f"/templates/{news}?at=ios").text)
    check(owner, news, rev, "ios.push", title="Hi", body="x", data="order: 7")
    owner.post(f"/templates/{news}/_copy", data={"from": "ios", "to": "android"})
    assert content_of(app)["android"] == {"title": "Hi", "body": "x", "data": {"order": "7"}}


def test_details_are_changed_archived_and_brought_back(
    app: Flask, owner: FlaskClient, news: str
) -> None:
    form = {"name": "The news", "key": "the-news", "topic": "letters", "description": ""}
    assert owner.post(f"/templates/{news}/details", data=form).status_code == 303
    refused = owner.post(f"/templates/{news}/details", data={**form, "key": "No key"}, headers=HTMX)
    assert refused.status_code == 422
    assert owner.post(f"/templates/{news}/archive").status_code == 303
    assert "The news" in owner.get("/templates?state=archived").text
    owner.post(f"/templates/{news}/restore")
    owner.post(f"/templates/{news}/duplicate")
    with app.app_context(), transaction() as session:
        keys = set(session.scalars(select(Template.key)))
    assert keys == {"the-news", "the-news-copy"}


def test_an_unknown_template_is_not_found(owner: FlaskClient) -> None:
    assert owner.get("/templates/tpl_0000000000000").status_code == 404
    assert owner.get("/templates/nonsense").status_code == 404


def test_hostile_words_are_shown_as_text(owner: FlaskClient, news: str) -> None:
    rev = revision(owner.get(f"/templates/{news}?at=sms").text)
    hostile = "</textarea><script>alert(1)</script> STOP"
    answer = check(owner, news, rev, "sms.body", body=hostile)
    assert "<script>alert" not in answer.text
    assert "<script>alert" not in owner.get(f"/templates/{news}?at=sms").text
