"""What a scripted fault makes of an answer, and how the bytes then go out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

import orjson

from app.sandbox.faults import Rule
from app.sandbox.wire import Answer

Refusal = Callable[..., Answer]

_PAGE: Final = b"<!doctype html><title>Welcome</title><p>Please accept the terms of this network."
_PADDING: Final = b" " * 32


@dataclass(slots=True)
class Reply:
    """An answer and its manner: how late, how slowly, and where it breaks off.

    `raw` is what only the gate does; the front door cuts the answer after its headers instead.
    """

    answer: Answer
    wait: float = 0.0
    spread: float = 0.0
    cut_at: int | None = None
    declared: int | None = None
    raw: str = ""

    @property
    def plain(self) -> bool:
        """Whether it goes out at once and as it is."""
        return not (self.wait or self.spread) and self.cut_at is self.declared is None

    def headers(self) -> list[tuple[str, str]]:
        """Headers to send, with the length this reply claims to have."""
        length = self.declared if self.declared is not None else len(self.answer.body)
        return [*self.answer.headers, ("Content-Length", str(length))]


def bend(answer: Answer, rule: Rule, refusal: Refusal) -> Reply:
    """The reply a rule makes of the right answer."""
    body = answer.body or _PADDING
    padded = Answer(answer.status, body, answer.headers)
    match rule.kind:
        case "answer":
            return Reply(_scripted(rule.script["answer"], refusal), wait=rule.seconds)
        case "delay":
            return Reply(answer, wait=rule.seconds)
        case "slow_loris":
            return Reply(padded, spread=rule.seconds or 30.0)
        case "reset_mid_body":
            half_way = len(body) // 2
            return Reply(padded, wait=rule.seconds, cut_at=half_way, raw=rule.kind)
        case "wrong_length":
            return Reply(padded, wait=rule.seconds, declared=len(body) // 2)
        case "truncated_json":
            half = Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)
            return Reply(half, wait=rule.seconds)
        case "html_200":
            page = Answer(200, _PAGE, (("Content-Type", "text/html"),))
            return Reply(page, wait=rule.seconds)
        case "rate_limit":
            return Reply(refusal(429))
        case _:
            return Reply(padded, wait=rule.seconds, cut_at=0, raw=rule.kind)


def _scripted(script: dict[str, Any], refusal: Refusal) -> Answer:
    """`code` asks for the provider's own wording, `body` replaces it."""
    status = script["status"]
    answer = refusal(status, str(script.get("code", "")), script.get("field"))
    headers = answer.headers
    body = answer.body
    if "body" in script:
        given = script["body"]
        body = given.encode() if isinstance(given, str) else orjson.dumps(given)
    extra = {str(name): _value(value) for name, value in (script.get("headers") or {}).items()}
    replaced = {name.lower() for name in extra}
    kept = [(name, value) for name, value in headers if name.lower() not in replaced]
    return Answer(status, body, (*kept, *extra.items()))


def _value(value: Any) -> str:
    """A header; {"date": 30} is an HTTP date and {"epoch": 30} a time 30 s from now."""
    if isinstance(value, dict) and "date" in value:
        moment = datetime.now(UTC) + timedelta(seconds=float(value["date"]))
        return format_datetime(moment, usegmt=True)
    if isinstance(value, dict) and "epoch" in value:
        return str(int(time.time() + float(value["epoch"])))
    return str(value)
