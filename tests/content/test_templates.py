"""Drafts, versions that never change, and frozen content."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audience.models import Topic
from app.content import drafts, lookup, templates, variables
from app.content.models import Link, Template, TemplateVersion
from app.content.problems import CannotCompile
from app.content.versions import compiled
from app.errors import Conflict, Invalid, NotFound

HTML = '<p>Hi</p><a href="https://a.example/">A</a><a href="{{ unsubscribe_url }}">Stop</a>'
CONTENT: dict[str, Any] = {
    "email": {"subject": "Hello", "preheader": "p", "html": HTML},
    "sms": {"body": "Hi. Reply STOP to opt out."},
}


@pytest.fixture
def topic(session: Session, now: datetime) -> Topic:
    topic = Topic(key="letters", name="Letters", klass="marketing", created_at=now)
    session.add(topic)
    session.flush()
    return topic


@pytest.fixture
def template(session: Session, topic: Topic, now: datetime) -> Template:
    return templates.create(session, key="news", name="News", topic_id=topic.id, now=now)


def test_a_template_is_written_published_and_written_again(
    session: Session, template: Template, now: datetime
) -> None:
    draft = drafts.save(session, template, CONTENT, seen="new", now=now)
    first = drafts.publish(session, template, klass="marketing", now=now)
    assert (first.id, first.number, first.state) == (draft.id, 1, "published")
    changed = {**CONTENT, "sms": {"body": "Bye. Reply STOP to opt out."}}
    drafts.save(session, template, changed, now=now)
    assert drafts.live(session, template) == first
    assert first.content["sms"]["body"].startswith("Hi")
    second = drafts.publish(session, template, klass="marketing", now=now)
    assert second.number == 2
    assert [version.number for version in drafts.published(session, template)] == [2, 1]
    assert drafts.numbered(session, template, 1).content["sms"]["body"].startswith("Hi")


def test_publishing_writes_down_where_links_lead(
    session: Session, template: Template, now: datetime
) -> None:
    drafts.save(session, template, CONTENT, now=now)
    version = drafts.publish(session, template, klass="marketing", now=now)
    links = session.execute(
        select(Link.number, Link.url, Link.label).where(Link.version_id == version.id)
    ).all()
    assert [tuple(link) for link in links] == [(1, "https://a.example/", "A")]
    assert compiled(session, version.id) is compiled(session, version.id)
    assert compiled(session, version.id).channels == ("email", "sms")


def test_a_save_on_an_old_revision_is_a_conflict(
    session: Session, template: Template, now: datetime
) -> None:
    seen = drafts.revision(drafts.save(session, template, CONTENT, now=now))
    drafts.save(session, template, CONTENT, seen=seen, now=now + timedelta(seconds=1))
    with pytest.raises(Conflict):
        drafts.save(session, template, CONTENT, seen=seen, now=now + timedelta(seconds=2))
    with pytest.raises(Conflict):
        drafts.publish(session, template, klass="marketing", seen=seen, now=now)


def test_errors_stop_publishing_and_are_all_reported(
    session: Session, template: Template, now: datetime
) -> None:
    content = {"email": {"subject": "{{ frist_name }}", "html": "<p>x</p>"}, "sms": {"body": "Hi"}}
    drafts.save(session, template, content, now=now)
    with pytest.raises(CannotCompile) as refused:
        drafts.publish(session, template, klass="marketing", now=now)
    rules = {problem.rule for problem in refused.value.problems}
    assert rules == {"unknown_variable", "no_unsubscribe", "no_opt_out"}
    assert drafts.live(session, template) is None


def test_nothing_new_cannot_be_published(
    session: Session, template: Template, now: datetime
) -> None:
    with pytest.raises(Conflict):
        drafts.publish(session, template, klass="marketing", now=now)


def test_a_draft_can_be_thrown_away(session: Session, template: Template, now: datetime) -> None:
    drafts.save(session, template, CONTENT, now=now)
    first = drafts.publish(session, template, klass="marketing", now=now)
    drafts.save(session, template, {"sms": {"body": "x"}}, now=now)
    drafts.discard(session, template, now)
    assert drafts.current(session, template) == first


@pytest.mark.parametrize("key", ["", "Order", "a--b", "1a", "a_b", "a" * 65, "-a", "é"])
def test_a_key_that_is_no_slug_is_refused(
    session: Session, topic: Topic, now: datetime, key: str
) -> None:
    with pytest.raises(Invalid) as refused:
        templates.create(session, key=key, name="News", topic_id=topic.id, now=now)
    assert refused.value.by_field().keys() == {"key"}


def test_a_key_is_used_once(
    session: Session, template: Template, topic: Topic, now: datetime
) -> None:
    with pytest.raises(Conflict):
        templates.create(session, key="news", name="Other", topic_id=topic.id, now=now)


def test_a_key_is_suggested_from_the_name() -> None:
    assert templates.suggest_key("3 Order shipped!") == "order-shipped"


def test_templates_are_listed_searched_and_paged(
    session: Session, template: Template, topic: Topic, now: datetime
) -> None:
    drafts.save(session, template, CONTENT, now=now)
    for number in range(3):
        templates.create(session, key=f"t{number}", name=f"T {number}", topic_id=topic.id, now=now)
    first = templates.list_(session, limit=2)
    rest = templates.list_(session, limit=2, cursor=first.next_cursor)
    names = [item.template.key for page in (first, rest) for item in page.items]
    assert names == ["t2", "t1", "t0", "news"]
    assert rest.next_cursor is None
    [news] = templates.list_(session, query="NEW").items
    assert (news.channels, news.has_draft, news.live_number) == (("email", "sms"), True, None)
    assert not templates.list_(session, topic_id=topic.id + 1).items
    assert not templates.list_(session, query="100%").items


def test_a_copy_has_the_newest_content_and_a_free_key(
    session: Session, template: Template, now: datetime
) -> None:
    drafts.save(session, template, CONTENT, now=now)
    drafts.publish(session, template, klass="marketing", now=now)
    drafts.save(session, template, {"sms": {"body": "newest"}}, now=now)
    first = templates.duplicate(session, template, now=now)
    second = templates.duplicate(session, template, now=now)
    assert (first.key, second.key) == ("news-copy", "news-copy-2")
    draft = drafts.current(session, first)
    assert draft is not None
    assert draft.content == {"sms": {"body": "newest"}}


def test_the_api_finds_the_live_version_by_key_also_after_a_change(
    session: Session, template: Template, now: datetime
) -> None:
    assert lookup.by_keys(session, ["news"])["news"].version_id is None
    drafts.save(session, template, CONTENT, now=now)
    version = drafts.publish(session, template, klass="marketing", now=now)
    session.commit()
    lookup.cache.shared().invalidate("template", ["news"])
    assert lookup.by_keys(session, ["news", "other"])["news"].version_id == version.id
    templates.archive(session, template, now)
    session.commit()
    lookup.cache.shared().invalidate("template", ["news"])
    assert lookup.by_keys(session, ["news"]) == {}


def test_the_same_content_is_frozen_once(session: Session, now: datetime) -> None:
    first = drafts.freeze(session, CONTENT, None, now)
    again = {"sms": CONTENT["sms"], "email": dict(reversed(CONTENT["email"].items()))}
    assert drafts.freeze(session, again, None, now) == first
    assert drafts.freeze(session, {"sms": {"body": "Other"}}, None, now) != first
    assert session.get_one(TemplateVersion, first).state == "frozen"


@pytest.mark.parametrize(
    ("content", "pointers"),
    [
        ({}, {"email/"}),
        ({"fax": {}}, {"fax"}),
        ({"email": {"subject": 1, "body": "x"}}, {"email/subject", "email/body"}),
        ({"email": {"html": "x"}}, {"email/subject"}),
        ({"sms": {"body": "{{ a"}}, {"sms/body"}),
        ({"sms": {"body": "\x00"}}, {"sms/body"}),
        ({"ios": {"title": "x", "data": {"t": "1", "b": 2}}}, {"ios/data/t", "ios/data/b"}),
        ({"sms": "text"}, {"sms"}),
    ],
)
def test_content_of_a_wrong_shape_is_refused_with_pointers(
    session: Session, now: datetime, content: dict[str, Any], pointers: set[str]
) -> None:
    with pytest.raises(Invalid) as refused:
        drafts.freeze(session, content, None, now)
    assert refused.value.by_field().keys() == pointers


def test_required_data_is_told_before_anything_is_sent(session: Session, now: datetime) -> None:
    body = (
        "{{ first_name }} {{ order.id }} {{ note|default('') }}{% if gift %}{{ gift.x }}{% endif %}"
    )
    version = compiled(session, drafts.freeze(session, {"sms": {"body": body}}, None, now))
    assert variables.missing(version, {}) == ["order.id"]
    assert variables.missing(version, {"order": {"id": 1}}) == []


def test_a_version_that_is_not_there_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        compiled(session, 987654321)
