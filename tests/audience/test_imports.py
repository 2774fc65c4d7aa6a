"""Importing people: what is stored, what is refused, and what an import may never do."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from app.audience import consent, contacts, erasure, imports, suppressions, topics
from app.audience.consent import Choice
from app.audience.import_mapping import guess
from app.audience.imports import ImportResult
from app.audience.models import Contact, Import
from app.audience.suppressions import Entry
from app.db import transaction
from app.errors import Conflict, Invalid


@pytest.fixture
def people(app: Flask, tmp_path: Path, now: datetime) -> Iterator["People"]:
    with app.app_context():
        yield People(tmp_path, now)


class People:
    """A folder for files, and what came of them."""

    def __init__(self, folder: Path, now: datetime) -> None:
        self.folder, self.now = folder, now

    def file(self, text: str) -> Path:
        path = self.folder / "people.csv"
        path.write_text(text, encoding="utf-8", newline="")
        return path

    def load(self, text: str, mapping: dict[str, str] | None = None) -> ImportResult:
        return imports.import_file(self.file(text), mapping, self.now)

    def last(self) -> Import:
        with transaction() as session:
            return imports.page(session).items[0]

    def all(self) -> list[Contact]:
        with transaction() as session:
            return list(session.scalars(select(Contact).order_by(Contact.id)))

    def refused(self) -> list[str]:
        return list(imports.refusals_csv(self.last().id))

    def topic(self, key: str, default: bool = True) -> int:
        fields = {"key": key, "name": key, "klass": "marketing", "opted_in_by_default": default}
        with transaction() as session:
            return topics.create(session, fields, self.now).id

    def opted_in(self, contact: Contact, key: str, channel: str = "email") -> bool:
        with transaction() as session:
            rows = consent.matrix(session, contact.id)
        return next(row for row in rows if row.topic.key == key).channels[channel].opted_in


def test_people_are_created_with_everything_the_file_says(people: People) -> None:
    result = people.load(
        "User ID;E-Mail;Mobile;First name;Surname;Language;Country;Time zone;Tags;Plan;Orders\n"
        "u-1;Ada@EXAMPLE.com;07911 123456;Ada;Lovelace;en_gb;UK;Europe/London;vip, beta;plus;7\n"
    )
    ada = people.all()[0]
    assert result == ImportResult(1, 1, 0)
    assert (ada.external_id, ada.email, ada.phone) == ("u-1", "Ada@example.com", "+447911123456")
    assert (ada.first_name, ada.last_name, ada.locale) == ("Ada", "Lovelace", "en-GB")
    assert (ada.country, ada.timezone, ada.tags) == ("GB", "Europe/London", ["beta", "vip"])
    assert ada.attributes == {"plan": "plus", "orders": 7}


def test_refused_rows_come_back_with_line_column_and_reason(people: People) -> None:
    result = people.load(
        "email,phone,country\n"
        "ada@example.com,,\n"
        "not an address,,\n"
        "bob@example.com,020 7946 0958,GB\n"
        "cyd@example.com,,Atlantis\n"
        ",,DE\n"
        "too,many,cells,here\n"
        "nul\x00@example.com,,\n"
    )
    lines = people.refused()
    assert result == ImportResult(7, 1, 6)
    assert lines[0] == "line,column,reason,email,phone,country\r\n"
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["3", "email"],
        ["4", "phone"],
        ["5", "country"],
        ["6", ""],
        ["7", ""],
        ["8", "email"],
    ]


def test_the_csv_of_refused_rows_runs_no_formula(people: People) -> None:
    people.load('email,first_name\nbad,"=HYPERLINK(""http://x"")"\n')
    assert "\"'=HYPERLINK" in people.refused()[1]


def test_the_same_file_again_changes_nothing_and_adds_nobody(people: People) -> None:
    text = "email,first_name\nada@example.com,Ada\nbob@example.com,Bob\n"
    people.load(text)
    before = [contact.updated_at for contact in people.all()]
    assert people.load(text) == ImportResult(2, 2, 0)
    assert (people.last().created, people.last().updated) == (0, 2)
    assert [contact.updated_at for contact in people.all()] == before


def test_who_is_meant_by_id_then_mail_then_phone(people: People) -> None:
    people.load("id,email,phone\nu-1,ada@example.com,\n,bob@example.com,\n,,+447911123456\n")
    people.load(
        "id,email,phone,first_name\n"
        "u-1,new@example.com,,Ada\n"
        "u-2,BOB@example.com,,Bob\n"
        ",,+447911123456,Cyd\n"
    )
    found = [(c.external_id, c.email, c.first_name) for c in people.all()]
    assert found == [
        ("u-1", "new@example.com", "Ada"),
        ("u-2", "BOB@example.com", "Bob"),
        (None, None, "Cyd"),
    ]


def test_two_ids_with_one_address_are_two_people(people: People) -> None:
    people.load("email\nfamily@example.com\n")
    people.load("id,email\nu-1,family@example.com\nu-2,family@example.com\n")
    assert [contact.external_id for contact in people.all()] == ["u-1", "u-2"]


def test_an_address_of_several_people_is_refused_without_an_id(people: People) -> None:
    people.load("id,email\nu-1,family@example.com\nu-2,family@example.com\n")
    assert people.load("email,first_name\nfamily@example.com,X\n") == ImportResult(1, 0, 1)
    assert "2 people have this e-mail address" in people.refused()[1]


def test_the_same_person_twice_in_a_file_is_one_person(people: People) -> None:
    result = people.load(
        "email,first_name,tags\nada@example.com,Ada,a\nADA@example.com,,b\nada@example.com,Adah,\n"
    )
    assert result == ImportResult(3, 3, 0)
    assert [(c.first_name, c.tags) for c in people.all()] == [("Adah", ["a", "b"])]


def test_empty_cells_clear_nothing_and_attributes_are_merged(people: People) -> None:
    people.load("email,first_name,plan\nada@example.com,Ada,plus\n")
    people.load("email,first_name,city\nada@example.com,,Leith\n")
    ada = people.all()[0]
    assert (ada.first_name, ada.attributes) == ("Ada", {"plan": "plus", "city": "Leith"})


def test_an_import_never_undoes_an_opt_out(people: People) -> None:
    offers = people.topic("offers")
    people.load("email\nada@example.com\nbob@example.com\n")
    ada, _ = people.all()
    with transaction() as session:
        choice = Choice(offers, "email", False)
        consent.set_preferences(session, ada.id, [choice], "preference page", {}, people.now)
        entry = Entry("email", "bob@example.com", "complaint", "marketing")
        suppressions.add(session, [entry], "test", people.now)
    people.load("email,topic:offers\nada@example.com,yes\nbob@example.com,yes\n")
    assert not people.opted_in(ada, "offers")
    with transaction() as session:
        assert suppressions.check(session, "email", ["bob@example.com"])
    assert people.last().opt_outs_kept == 2


def test_an_import_never_opts_in(people: People) -> None:
    people.topic("news", default=False)
    people.load("email,topic:news\nada@example.com,yes\n")
    assert not people.opted_in(people.all()[0], "news")


def test_a_file_may_opt_people_out(people: People) -> None:
    people.topic("offers")
    people.topic("news")
    people.load(
        "id,email,topic:offers:email,unsubscribed\n"
        "u-1,ada@example.com,no,\n"
        "u-2,bob@example.com,,yes\n"
        "u-3,cyd@example.com,perhaps,\n"
    )
    ada, bob = people.all()
    assert not people.opted_in(ada, "offers")
    assert people.opted_in(ada, "offers", "sms")
    assert people.opted_in(ada, "news")
    assert not people.opted_in(bob, "news", "ios")
    assert "Write yes or no." in people.refused()[1]
    with transaction() as session:
        entry = consent.history(session, ada.id).items[0]
    assert (entry.source, entry.evidence["file"]) == ("import", "people.csv")


def test_an_erased_address_does_not_come_back_usable(people: People) -> None:
    people.load("email\nada@example.com\n")
    with transaction() as session:
        erasure.erase(session, people.all()[0].id, people.now)
    people.load("email\nada@example.com\n")
    with transaction() as session:
        found = suppressions.check(session, "email", ["ada@example.com"])
    assert found["ada@example.com"].reason == "erased"


def test_an_import_goes_on_where_it_was_interrupted(people: People) -> None:
    rows = "".join(f"p{n}@example.com\n" for n in range(5_000))

    def stop(item: Import) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        imports.import_file(people.file("email\n" + rows), None, people.now, stop)
    assert (people.last().status, people.last().rows) == ("running", imports.CHUNK_ROWS)
    assert imports.run(people.last().id) == ImportResult(5_000, 5_000, 0)
    assert (people.last().created, people.last().status) == (5_000, "finished")
    assert len(people.all()) == 5_000


def test_an_import_that_stands_still_is_asked_for_again(people: People) -> None:
    with transaction() as session:
        item = imports.upload(session, people.file("email\na@example.com\n"), "x", None, people.now)
        imports.prepare(session, item, item.mapping)
    with transaction() as session:
        assert imports.resume_stalled(session, people.now + timedelta(minutes=1)) == 0
        assert imports.resume_stalled(session, people.now + timedelta(minutes=3)) == 1
    imports.run(item.id)
    with transaction() as session:
        assert imports.resume_stalled(session, people.now + timedelta(minutes=9)) == 0


def test_two_runs_of_one_import_do_not_count_twice(people: People) -> None:
    rows = "".join(f"p{n}@example.com\n" for n in range(5_000))
    finished: list[ImportResult] = []

    def overtake(item: Import) -> None:
        if not finished:
            finished.append(imports.run(item.id))

    imports.import_file(people.file("email\n" + rows), None, people.now, overtake)
    assert finished == [ImportResult(5_000, 5_000, 0)]
    assert (people.last().rows, people.last().created) == (5_000, 5_000)


def test_a_file_that_vanished_fails_the_import_with_words(people: People) -> None:
    with transaction() as session:
        item = imports.upload(session, people.file("email\na@example.com\n"), "x", None, people.now)
        imports.prepare(session, item, item.mapping)
    Path(item.path).unlink()
    imports.run(item.id)
    assert (people.last().status, people.last().error) == ("failed", "The file cannot be read.")


def test_an_uploaded_file_is_removed_when_its_people_are_in(people: People) -> None:
    path = people.file("email\nada@example.com\n")
    with transaction() as session:
        item = imports.upload(session, path, "people.csv", None, people.now)
        imports.prepare(session, item, item.mapping)
    imports.run(item.id)
    assert not path.exists()


def test_a_file_of_the_command_line_stays(people: People) -> None:
    path = people.file("email\nada@example.com\n")
    imports.import_file(path, None, people.now)
    assert path.exists()


def test_progress_is_told_and_an_import_begins_once(people: People) -> None:
    seen: list[int] = []
    path = people.file("email\n" + "".join(f"p{n}@example.com\n" for n in range(4_500)))
    imports.import_file(path, None, people.now, lambda item: seen.append(imports.percent(item)))
    assert seen == [44, 88, 99]
    with transaction() as session, pytest.raises(Conflict):
        imports.prepare(session, people.last(), {})


@pytest.mark.parametrize(
    ("mapping", "code"),
    [
        ({"email": "attributes.x"}, "no_identifier"),
        ({"email": "email", "nope": "phone"}, "unknown_column"),
        ({"email": "email", "name": "email"}, "double_target"),
        ({"email": "email", "name": "topic:gone"}, "unknown_target"),
        ({"email": "email", "name": "password"}, "unknown_target"),
    ],
)
def test_a_wrong_mapping_is_refused_before_anything_is_stored(
    people: People, mapping: dict[str, str], code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        people.load("email,name\nada@example.com,Ada\n", mapping)
    assert refused.value.fields[0].code == code
    assert people.all() == []


def test_headings_are_guessed_in_many_languages() -> None:
    header = ["Vorname", "Nachname", "E-Mail-Adresse", "Handy", "Land", "Kundennummer", "PLZ (neu)"]
    assert list(guess(header).values()) == [
        "first_name",
        "last_name",
        "email",
        "phone",
        "country",
        "external_id",
        "attributes.plz_neu",
    ]


def test_a_person_known_to_the_api_is_found_by_the_import(people: People) -> None:
    with transaction() as session:
        contacts.upsert(session, "u-1", {"email": "ada@example.com"}, people.now)
    people.load("id,first_name\nu-1,Ada\n")
    assert [(c.email, c.first_name) for c in people.all()] == [("ada@example.com", "Ada")]
