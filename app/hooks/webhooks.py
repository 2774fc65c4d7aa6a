"""Webhooks of providers: verified, kept as they came, answered, and applied afterwards.

Nothing is answered with 2xx before the raw body is committed. A bad signature is 403 and leaves no
trace in the database but an alert when they are many; what cannot be parsed is kept and never makes
the provider repeat for ever.
"""

from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog
from flask import Blueprint, Response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import Headers, MultiDict

from app import clock, jobs
from app.db import transaction
from app.hooks import signatures
from app.hooks.context import APPLY, intake, refusals, settings
from app.hooks.intake import NotKept
from app.hooks.refusals import tell
from app.hooks.signatures import Signer
from app.tracking import receipts
from app.tracking.receipts import Post

LARGEST_BATCH: Final = 4 * 1024 * 1024  # SendGrid posts at 768 KB
LARGEST_FORM: Final = 128 * 1024
RETRY_AFTER_SECONDS: Final = 5
EMPTY_ANSWER: Final = '<?xml version="1.0" encoding="UTF-8"?><Response/>'

_SIGNATURES: Final = {
    "sendgrid": signatures.SENDGRID_SIGNATURE,
    "twilio": signatures.TWILIO_SIGNATURE,
}

blueprint = Blueprint("webhooks", __name__, url_prefix="/hooks")
log = structlog.get_logger(__name__)


@blueprint.post("/sendgrid")
def sendgrid() -> Response:
    """SendGrid's event webhook: a signed JSON array."""
    request.max_content_length = LARGEST_BATCH
    body = request.get_data(cache=False)
    signer = signatures.sendgrid(settings(), request.headers, body, clock.now())
    if signer is None:
        return _refused("sendgrid")
    return _kept(_post("sendgrid", body, {}, signer))


@blueprint.post("/twilio/status/<nid>/<attempt>")
def twilio_status(nid: str, attempt: str) -> Response:
    """Twilio's status callback; the address says which message it is about."""
    body, signer = _twilio()
    if signer is None:
        return _refused("twilio")
    return _kept(_post("twilio_status", body, {"nid": nid[:64], "att": attempt[:16]}, signer))


def keep_status(
    path: str, context: dict[str, Any], body: bytes, headers: Headers
) -> Response | None:
    """As `twilio_status`, for a form without a query. None: it does not fit, let that say why."""
    try:
        fields = MultiDict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict"))
    except ValueError:
        return None
    signer = signatures.twilio(settings(), f"{settings().public_url}{path}", fields, headers)
    return _kept(_post("twilio_status", body, context, signer)) if signer else None


@blueprint.post("/twilio/inbound")
def twilio_inbound() -> Response:
    """A text from a person. A STOP holds before we answer; Twilio itself has replied already."""
    body, signer = _twilio()
    if signer is None or _is_stranger(signer):
        return _refused("twilio")
    key = _keep_alone(_post("twilio_inbound", body, {}, signer))
    _apply_now(key)
    return Response(EMPTY_ANSWER, content_type="text/xml")


def _twilio() -> tuple[bytes, Signer | None]:
    request.max_content_length = request.max_form_memory_size = LARGEST_FORM
    body = request.get_data()
    # The library takes a text for a JSON body, whose hash is then part of the address.
    is_hashed = request.mimetype == "application/json" and "bodySHA256" in request.args
    parameters: Any = body.decode("utf-8", "replace") if is_hashed else request.form
    query = request.query_string.decode("latin-1")
    url = f"{settings().public_url}{request.path}" + (f"?{query}" if query else "")
    return body, signatures.twilio(settings(), url, parameters, request.headers)


def _is_stranger(signer: Signer) -> bool:
    """The sandbox knows no real telephones: beside a real provider its texts mean nothing."""
    return signer == "sandbox"


def _post(kind: str, body: bytes, context: dict[str, Any], signer: Signer) -> Post:
    if signer == "sandbox":
        context["sandbox"] = True
    else:
        refusals().fits(kind.partition("_")[0])
    return Post(kind, body, context)


def _kept(post: Post) -> Response:
    try:
        intake().keep(post)
    except NotKept as error:
        log.warning("webhook_not_kept", provider=post.provider, reason=str(error))
        answer = Response("Try again.\n", 503, content_type="text/plain")
        answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return answer
    return Response(status=204, mimetype="text/plain")


def _keep_alone(post: Post) -> int:
    """For what has to be applied before the answer; answers its key."""
    with transaction() as session:
        key = receipts.store(session, *post, clock.now())
        jobs.later_once(session, APPLY)
    return key


def _apply_now(key: int) -> None:
    """What cannot be applied at once is applied by the sweep: it is kept already."""
    try:
        with transaction() as session:
            receipts.apply(session, clock.now(), only=key)
    except SQLAlchemyError as error:
        log.warning("receipt_left_to_the_sweep", receipt=key, error=type(error).__name__)


def _refused(provider: str) -> Response:
    log.warning("webhook_refused", provider=provider)
    is_signed = request.headers.get(_SIGNATURES[provider])
    if is_signed and (many := refusals().refused(provider)):
        with suppress(SQLAlchemyError), transaction() as session:
            tell(session, provider, many)
    return Response("The signature does not fit.\n", 403, content_type="text/plain")
