"""Was it a person? Verdicts on opens and clicks, with the reason, from what a request shows.

Three layers: what the request itself says (method, prefetch headers, user agent), how soon it came
after the hand-over, and whether it was one of a burst over many links. Only the verdict is kept,
never the address of the caller. Every rule errs towards not claiming that a person was there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

from ua_parser import parse_device

Verdict = Literal["human", "machine", "unclear"]

REASONS: Final = {
    "head": "Asked for the address only, as link checkers do.",
    "prefetch": "Loaded ahead of time by the mail program or browser.",
    "scanner": "A security scanner, preview service or script.",
    "apple_privacy": "Apple's privacy proxy loads pictures whether or not the mail is opened.",
    "image_proxy": "Loaded by the mailbox provider's picture proxy when the mail was opened.",
    "no_agent": "The request does not say what sent it.",
    "too_soon": "Came within two seconds of the hand-over.",
    "burst": "Several links of one message within a second.",
    "provider": "The provider says that a machine did it.",
}

TOO_SOON: Final = timedelta(seconds=2)
BURST_WINDOW: Final = timedelta(seconds=1)
BURST_LINKS: Final = 3

# Proxies that fetch a picture because a person opens the mail: flagged, not dropped.
_IMAGE_PROXIES: Final = ("googleimageproxy", "yahoomailproxy", "ggpht.com")
# Apple Mail Privacy Protection sends exactly this.
_APPLE_PRIVACY: Final = "mozilla/5.0"
# Beyond what ua-parser calls a spider: mail gateways, previews, HTTP libraries, headless browsers.
_MACHINES: Final = (
    "bot", "crawl", "spider", "slurp", "scan", "preview", "validator", "checker", "monitor",
    "barracuda", "mimecast", "proofpoint", "safelink", "symantec", "messagelabs", "trendmicro",
    "trend micro", "sophos", "forcepoint", "websense", "zscaler", "cloudmark", "fireeye",
    "fortinet", "ironport", "kaspersky", "bitdefender", "virustotal", "urldefense", "vadesecure",
    "facebookexternalhit", "slack-img", "whatsapp", "skypeuri", "embedly", "headless",
    "phantomjs", "puppeteer", "playwright", "selenium", "curl/", "wget", "python", "aiohttp",
    "httpx", "libwww", "go-http-client", "java/", "okhttp", "apache-httpclient", "node-fetch",
    "axios", "undici", "guzzle", "postman", "insomnia", "winhttp", "scrapy", "lighthouse",
    "pingdom", "uptime",
    "edge/12.246",  # Gmail's own prefetch
)  # fmt: skip
# Telephones whose name looks like a robot's.
_NOT_MACHINES: Final = ("cubot",)
PURPOSE_HEADERS: Final = ("Purpose", "Sec-Purpose", "X-Purpose", "X-Moz")


@dataclass(frozen=True, slots=True)
class Look:
    """A verdict and why: `reason` is a key of REASONS, or None for a plain person."""

    verdict: Verdict
    reason: str | None = None


HUMAN: Final = Look("human")


def look(method: str, agent: str, purpose: str) -> Look:
    """What the request alone tells. `purpose` is what the PURPOSE_HEADERS said."""
    if method == "HEAD":
        return Look("machine", "head")
    if any(word in purpose.lower() for word in ("prefetch", "prerender", "preview")):
        return Look("machine", "prefetch")
    return look_at_agent(agent)


@lru_cache(maxsize=4096)
def look_at_agent(agent: str) -> Look:
    """What the user agent tells."""
    lowered = agent[:512].strip().lower()
    if not lowered:
        return Look("unclear", "no_agent")
    if lowered == _APPLE_PRIVACY:
        return Look("unclear", "apple_privacy")
    if any(name in lowered for name in _IMAGE_PROXIES):
        return Look("human", "image_proxy")
    for name in _NOT_MACHINES:
        lowered = lowered.replace(name, "")
    if any(name in lowered for name in _MACHINES):
        return Look("machine", "scanner")
    device = parse_device(agent[:512])
    if device is not None and device.family == "Spider":
        return Look("machine", "scanner")
    return HUMAN


def settle(first: Look, at: datetime, handed_at: datetime | None) -> Look:
    """The verdict once the moment of the hand-over is known.

    A mail that is opened before or just after it left us was opened by a machine.
    """
    if first.verdict == "machine":
        return first
    if handed_at is None or at - handed_at < TOO_SOON:
        return Look("machine", "too_soon")
    return first


def in_burst(clicks: Iterable[tuple[datetime, int]]) -> set[datetime]:
    """Moments of (moment, link) clicks of one message that belong to a burst.

    A burst is BURST_LINKS different links within BURST_WINDOW: nobody reads that fast.
    """
    ordered = sorted(clicks)
    found: set[datetime] = set()
    start = 0
    for end, (moment, _) in enumerate(ordered):
        while moment - ordered[start][0] > BURST_WINDOW:
            start += 1
        window = ordered[start : end + 1]
        if len({link for _, link in window}) >= BURST_LINKS:
            found.update(at for at, _ in window)
    return found
