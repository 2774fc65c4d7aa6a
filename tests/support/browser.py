"""Chromium, as found on PATH, driven by Playwright against a running Herald."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.herald import Herald

ROOT = Path(__file__).resolve().parent.parent.parent
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing here may look outside: Chromium's own services would.
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser; its absence is a failure, not a skip."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert found, "Chromium is not on PATH; `make test` installs it on Debian as root."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


def signed_in(browser: Browser, herald: Herald, role: str, **options: Any) -> BrowserContext:
    """A window in which the demo's member of this role has signed in."""
    member = next(item for item in herald.facts["members"] if item["role"] == role)
    context = browser.new_context(base_url=herald.url, **options)
    page = context.new_page()
    page.goto("/signin")
    page.get_by_label("E-mail").fill(member["email"])
    page.locator("input[name=password]").fill(member["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{herald.url}/")
    page.close()
    return context


# A dark page differs from the light one, which is looked at in full, by its colours.
_RUN = """
  axe.run(
    matchMedia("(prefers-color-scheme: dark)").matches
      ? {runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}}
      : {}
  )
"""


def serious(page: Page) -> list[str]:
    """What axe-core finds serious or critical on the page as it is now, one line each.

    Everything on a light page, colours on a dark one.
    """
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result: dict[str, Any] = page.evaluate(_RUN)
    return [
        f"{page.url} {item['id']}: {node['html'][:160]}"
        for item in result["violations"]
        if item["impact"] in ("serious", "critical")
        for node in item["nodes"]
    ]
