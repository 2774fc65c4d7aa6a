"""SendGrid v3 Mail Send, as SendGrid would answer it.

POST /v3/mail/send: 202 with X-Message-Id and no body, or a JSON list of errors. One bad recipient
refuses the whole request, as it does at SendGrid.
"""

import hashlib
import secrets
from hmac import compare_digest
from typing import Any, Final

import orjson

from app.sandbox import credentials
from app.sandbox.wire import Answer, Call, Recipient, Request, json_answer, parse_object
from app.sandbox.wires.sendgrid_shape import Problem, check_message, check_person

LARGEST: Final = 30 * 1024 * 1024
_VERSION: Final = "/v3/mail/send"
_RATE: Final = (("X-RateLimit-Limit", "600000"), ("X-RateLimit-Remaining", "599999"))

_WORDS: Final = {
    401: "The provided authorization grant is invalid, expired, or revoked",
    403: "access forbidden",
    404: "not found",
    405: "method not allowed",
    413: "The JSON payload you have included in your request is too large.",
    415: "The content-type header is not supported.",
    429: "too many requests",
    500: "internal server error",
    503: "service unavailable",
}


def refusal(status: int, code: str = "", field: str | None = None) -> Answer:
    """An error as SendGrid words it; `code` replaces the message."""
    message = code or _WORDS.get(status, "error")
    return json_answer(
        status, {"errors": [{"message": message, "field": field, "help": None}]}, *_RATE
    )


class SendGrid:
    """The e-mail wire over HTTP."""

    name = "sendgrid"
    channel = "email"
    refusal = staticmethod(refusal)

    def read(self, request: Request) -> Call:
        """What SendGrid makes of this request."""
        status = _door(request)
        mail = parse_object(request.body) or {}
        people = _people(mail)
        if status:
            return self._refused(refusal(status), people)
        problem = check_message(mail)
        if problem is None:
            problem = _first_bad_person(mail["personalizations"])
        if problem is not None:
            return self._refused(refusal(400, problem.message, problem.field), people)
        sandboxed = _sandbox_mode(mail)
        message_id = secrets.token_urlsafe(16)
        headers = (("X-Message-Id", message_id), *_RATE)
        return Call(
            self.name,
            self.channel,
            Answer(200 if sandboxed else 202, b"", headers),
            not sandboxed,
            "200 sandbox mode" if sandboxed else "202",
            people,
            message_id,
            {"mail": mail},
        )

    def _refused(self, answer: Answer, people: list[Recipient]) -> Call:
        message = orjson.loads(answer.body)["errors"][0]["message"]
        return Call(self.name, self.channel, answer, False, f"{answer.status} {message}", people)


def _door(request: Request) -> int:
    """The status SendGrid refuses with before it reads a mail; 0 when it would read it."""
    if request.path != _VERSION:
        return 404
    if request.method != "POST":
        return 405
    wanted = f"Bearer {credentials.SENDGRID_API_KEY}"
    if not compare_digest(request.headers.get("authorization", "").encode(), wanted.encode()):
        return 401
    if len(request.body) > LARGEST:
        return 413
    if not request.headers.get("content-type", "").startswith("application/json"):
        return 415
    return 0


def _first_bad_person(people: list[Any]) -> Problem | None:
    for at, person in enumerate(people):
        problem = check_person(person)
        if problem is not None:
            return Problem(problem.message, f"personalizations.{at}.{problem.field}")
    return None


def _people(mail: dict[str, Any]) -> list[Recipient]:
    """Everybody the request names, as far as it can be read."""
    people = mail.get("personalizations")
    if not isinstance(people, list):
        return []
    shell = hashlib.sha256(
        orjson.dumps([mail.get(name) for name in ("from", "subject", "content", "headers")])
    ).digest()
    found = []
    for person in people:
        if isinstance(person, dict):
            found.extend(_recipients(person, shell))
    return found


def _recipients(person: dict[str, Any], shell: bytes) -> list[Recipient]:
    args = person.get("custom_args")
    args = args if isinstance(args, dict) else {}
    own = [person.get("subject"), person.get("headers"), person.get("substitutions")]
    fingerprint = hashlib.sha256(shell + orjson.dumps(own)).hexdigest()
    to = person.get("to")
    return [
        Recipient(
            str(address.get("email", "")),
            str(args.get("nid", "")),
            str(args.get("att", "")),
            fingerprint,
        )
        for address in (to if isinstance(to, list) else [])
        if isinstance(address, dict)
    ]


def _sandbox_mode(mail: dict[str, Any]) -> bool:
    mode = (mail.get("mail_settings") or {}).get("sandbox_mode") or {}
    return bool(mode.get("enable"))
