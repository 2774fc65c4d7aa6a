"""The name in a mail's head: one line, whatever was stored or sent along as somebody's name."""

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen

import pytest

from app import settings as herald_settings
from app.audience import contacts
from app.db import transaction
from app.sending import engine as engines
from app.sending.engine import Engine
from app.sending.requests import Recipient
from tests.support.sandbox import SandboxHandle
from tests.support.sending import House

INJECTED = "Ann\r\nBcc: eve@example.com\r\n\r\nMarie"
ONE_LINE = "Ann Bcc: eve@example.com Marie"


def carried_by(house: House, provider: str) -> Engine:
    """The house's engine, with its mail by this provider."""
    found = herald_settings.load(
        {
            "DATABASE_URL": "postgresql://unused",
            "HERALD_VAR_DIR": str(house.sandbox.var_dir),
            "HERALD_SECRET_KEY": house.app.config["SECRET_KEY"],
            "HERALD_PUBLIC_URL": "http://herald.test",
            "EMAIL_PROVIDER": provider,
        }
    )
    return engines.build(found, "test")


def send(house: House, provider: str, person: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Send the person a security mail; answers the state it ends in."""
    with transaction() as session:
        contacts.upsert(session, "nl1", {"email": "ann@example.com", **person}, datetime.now(UTC))
    accepted = house.accept(
        Recipient(external_id="nl1"), topic="security", channels=("email",), data=data
    )
    house.deliver_all(carried_by(house, provider))
    return house.message(accepted.messages[0].key).status


def shown(sandbox: SandboxHandle) -> str:
    """The page of the newest mail, as its reader's program would understand it."""
    (path,) = re.findall(r'href="(/outbox/\d[^"]+)"', read(sandbox, "/outbox"))
    return html.unescape(read(sandbox, path))


def read(sandbox: SandboxHandle, path: str) -> str:
    with urlopen(sandbox.url + path, timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("provider", ["sendgrid", "smtp"])
@pytest.mark.parametrize("where", ["person", "data"])
def test_a_line_break_in_a_name_stops_no_mail_and_begins_no_header(
    house: House, provider: str, where: str
) -> None:
    names = {"first_name": INJECTED, "last_name": "Lee\x7f\u2028"}
    given = (names, {}) if where == "person" else ({}, names)
    assert send(house, provider, *given) == "accepted"
    assert [line["to"] for line in house.sandbox.journal()] == ["ann@example.com"]
    page = shown(house.sandbox)
    assert f"{ONE_LINE} Lee" in " ".join(page.replace('"', "").split())
    assert f"Hello {ONE_LINE}" in page, "the subject is one line as well"


@pytest.mark.parametrize("provider", ["sendgrid", "smtp"])
def test_a_name_of_nothing_but_white_space_is_no_name(house: House, provider: str) -> None:
    assert send(house, provider, {"first_name": " \r\n", "last_name": "\t"}, {}) == "accepted"
    assert "<ann@example.com>" not in shown(house.sandbox)


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [
        ("Ada", "Lovelace", "Ada Lovelace"),
        ("Ada", None, "Ada"),
        (None, "Lovelace", "Lovelace"),
        (None, None, ""),
        ("Ann\r\nMarie", "", "Ann Marie"),
        (" Ann \t Marie\u00a0", "\x85Lee\x1b", "Ann Marie Lee"),
        ("Ann\x00\x01\u2029", "\r", "Ann"),
        ("José", "李", "José 李"),
        (7, ["x"], "7 ['x']"),
    ],
)
def test_both_names_make_one_line(first: object, last: object, name: str) -> None:
    assert contacts.full_name(first, last) == name
