"""The outbox shows what was sent, to people, and lets nothing of it out."""

import re
import shutil
from pathlib import Path
from urllib.request import urlopen

from tests.sandbox.calls import mail, push, send_android, send_ios, send_mail, send_text
from tests.support.sandbox import SandboxHandle, running_sandbox


def page(sandbox: SandboxHandle, path: str) -> str:
    with urlopen(sandbox.url + path, timeout=10) as answer:
        return str(answer.read().decode())


def links(sandbox: SandboxHandle, query: str = "") -> list[str]:
    return re.findall(r'href="(/outbox/\d[^"]+)"', page(sandbox, f"/outbox{query}"))


def test_it_lists_what_was_sent(sandbox: SandboxHandle) -> None:
    send_mail(sandbox, mail("ann@example.org"))
    send_text(sandbox, "+447700900123")
    shown = page(sandbox, "/outbox")
    assert "Good morning, ann" in shown
    assert "+447700900123" in shown


def test_it_is_filtered_by_provider_and_recipient(sandbox: SandboxHandle) -> None:
    send_mail(sandbox, mail("ann@example.org", "bob@example.org"))
    send_text(sandbox, "+447700900123")
    assert len(links(sandbox)) == 3
    assert len(links(sandbox, "?provider=twilio")) == 1
    assert len(links(sandbox, "?to=BOB@")) == 1
    assert len(links(sandbox, "?to=ntf_1")) == 2
    assert len(links(sandbox, "?answer=refused")) == 0


def test_a_mail_is_shown_with_its_own_substitutions(sandbox: SandboxHandle) -> None:
    send_mail(sandbox, mail("ann@example.org", "bob@example.org"))
    bob, ann = links(sandbox)
    assert "Hello bob" in page(sandbox, bob)
    assert "<b>ann</b>" in page(sandbox, f"{ann}/mail")


def test_the_html_of_a_mail_is_locked_in(sandbox: SandboxHandle) -> None:
    send_mail(sandbox, mail("ann@example.org"))
    with urlopen(f"{sandbox.url}{links(sandbox)[0]}/mail", timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox")
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy


def test_names_are_escaped(sandbox: SandboxHandle) -> None:
    send_mail(sandbox, mail("ann@example.org", subject="<script>alert(1)</script>"))
    assert "<script" not in page(sandbox, "/outbox")
    assert "<script" not in page(sandbox, links(sandbox)[0])


def test_texts_and_pushes_are_readable(sandbox: SandboxHandle) -> None:
    send_text(sandbox, "+447700900123")
    send_ios(sandbox)
    send_android(sandbox, push())
    android, ios, text = links(sandbox)
    assert "Your code is 1234" in page(sandbox, text)
    assert "<h2>Hello</h2>" in page(sandbox, ios)
    assert "<h2>Hello</h2>" in page(sandbox, android)


def test_a_long_list_has_pages(sandbox: SandboxHandle) -> None:
    send_mail(sandbox, mail(*(f"p{n}@example.org" for n in range(60))))
    assert len(links(sandbox)) == 50
    assert len(links(sandbox, "?page=2")) == 10


def test_the_journal_survives_a_restart(sandbox: SandboxHandle, tmp_path: Path) -> None:
    """The same files, another process: keys, journal and outbox are still there."""
    send_mail(sandbox, mail("ann@example.org"))
    keys = sandbox.credentials()["sendgrid_webhook_keys"]
    shutil.copytree(sandbox.var_dir, tmp_path / "var")
    with running_sandbox(tmp_path / "var") as again:
        assert again.credentials()["sendgrid_webhook_keys"] == keys
        assert "<b>ann</b>" in page(again, f"{links(again)[0]}/mail")
