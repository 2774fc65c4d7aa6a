"""What we write is what Python's own parser reads."""

from email import message_from_bytes
from email.message import EmailMessage as Parsed
from email.policy import default
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.channels.base import EmailShell
from app.channels.mime import Writer
from tests.channels.messages import email, shell_emails

DATE = "Tue, 10 Nov 2026 09:00:00 +0000"
TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
)
LINE = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=80
).map(str.strip)


def parse(message):
    wire = Writer(DATE).write(message)
    assert wire.endswith(b"\r\n.\r\n")
    wire = wire.removesuffix(b"\r\n.\r\n")
    assert b"\r\n." not in wire
    assert b"\n" not in wire.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in wire.split(b"\r\n"))
    assert all(len(line) <= 76 for line in wire.partition(b"\r\n\r\n")[2].split(b"\r\n"))
    return cast(Parsed, message_from_bytes(wire, policy=default))


def bodies(parsed):
    return {
        part.get_content_type(): part.get_payload(decode=True).decode().replace("\r\n", "\n")
        for part in parsed.walk()
        if not part.is_multipart()
    }


def test_a_mail_has_the_headers_of_the_contract():
    message = email(
        reply_to="help@herald.example",
        headers={"List-Unsubscribe": "<https://h.example/u/t>", "Auto-Submitted": "auto-generated"},
    )
    parsed = parse(message)
    assert dict(parsed.items()) | {"Content-Type": ""} == {
        "Date": DATE,
        "From": "Herald <hello@herald.example>",
        "To": "Ada Lovelace <person1@example.com>",
        "Subject": "Hello",
        "Message-ID": f"<{message.ref}@herald.example>",
        "X-Herald-Id": message.ref,
        "MIME-Version": "1.0",
        "Reply-To": "help@herald.example",
        "List-Unsubscribe": "<https://h.example/u/t>",
        "Auto-Submitted": "auto-generated",
        "Content-Type": "",
    }
    assert bodies(parsed) == {"text/plain": "Hello", "text/html": "<p>Hello</p>"}


def test_a_resend_has_the_same_message_id():
    first, second = parse(email(attempt=1)), parse(email(attempt=2))
    assert first["Message-ID"] == second["Message-ID"]


@pytest.mark.parametrize(("html", "text", "kind"), [("<p>x</p>", "", "html"), ("", "x", "plain")])
def test_one_body_needs_no_multipart(html, text, kind):
    parsed = parse(email(html=html, text=text))
    assert parsed.get_content_type() == f"text/{kind}"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zoë", "Zoë"),
        ('Ada "The Countess", of Lovelace', 'Ada "The Countess", of Lovelace'),
        ("=?utf-8?q?trick?=", "=?utf-8?q?trick?="),
        ("李" * 15, "李" * 15),
    ],
)
def test_a_name_comes_through_whatever_it_is(name, shown):
    parsed = parse(email(to_name=name))
    assert parsed["To"].addresses[0].display_name == shown


def test_an_international_domain_is_written_in_ascii():
    wire = Writer(DATE).write(email(to="ann@bücher.example", to_name=""))
    assert b"To: ann@xn--bcher-kva.example\r\n" in wire


@given(LINE)
def test_any_subject_comes_through(subject):
    assert parse(email(subject=subject))["Subject"] == " ".join(subject.split(" "))


@given(TEXT, TEXT)
def test_any_body_comes_through(text, html):
    found = bodies(parse(email(text="x" + text, html="y" + html)))
    assert found == {"text/plain": "x" + text, "text/html": "y" + html}


@given(TEXT, TEXT, TEXT)
@example("", "", "000000\x1f\x08\x08" + "\x80" * 6 + "\U00010000" * 2 + "0")
@example("", "", "x" * 75 + ".")
def test_a_shell_with_its_parts_reads_like_the_whole(before, slot, after):
    shell = EmailShell("Hi -s0-", f"{before}-s0-{after}-s10--s0-", f"a-s0-{after}", {})
    (message,) = shell_emails(1, shell)
    message.substitutions.update({"-s0-": slot, "-s10-": "ten"})
    found = bodies(parse(message))
    assert found["text/html"] == f"{before}{slot}{after}ten{slot}"
    assert found["text/plain"] == f"a{slot}{after}"


def test_a_shells_headers_hold_each_persons_own_values():
    shell = EmailShell("Hi -s0-", "x", "x", {"List-Unsubscribe": "<https://h.example/u/-s0->"})
    first, second = map(parse, shell_emails(2, shell))
    assert first["Subject"] == "Hi Person 1"
    assert second["List-Unsubscribe"] == "<https://h.example/u/Person 2>"


@pytest.mark.parametrize("text", [".", "..", ".a\n..b\n.", "." * 200, ("x" * 75 + ".") * 9])
def test_lines_that_begin_with_a_dot_are_written_so_that_smtp_leaves_them_alone(text):
    assert bodies(parse(email(text=text, html=text))) == {"text/plain": text, "text/html": text}
