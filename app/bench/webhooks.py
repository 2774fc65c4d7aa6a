"""`herald bench webhooks`: what providers tell, from the post to the message's new state.

SendGrid posts up to a thousand events at a time, Twilio one; both signed, both about messages that
wait for the news, so that every event moves a message to delivered.
"""

import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import text
from twilio.request_validator import RequestValidator

from app import ids
from app.bench import caller as callers
from app.bench import crowd as crowds
from app.bench import figures, load
from app.bench.crowd import Kind
from app.bench.figures import NotReal
from app.bench.load import Plan, Request
from app.bench.scratch import CreateApp, Scratch, scratch
from app.db import transaction

PEOPLE: Final = 1_000
PER_POST: Final = 1_000
SHARE_ALONE: Final = 10  # Twilio's posts are a tenth of the events: each is a request
WARM_UP: Final = 1_000
APPLIED_SECONDS: Final = 300.0


def run(create_app: CreateApp, events: int, runs: int) -> Mapping[str, Any]:
    """Events per second, answered and applied, medians over the runs."""
    alone = max(1, events // SHARE_ALONE)
    with scratch(create_app) as house:
        crowd = crowds.make(PEOPLE)
        crowds.fill_log(crowd, WARM_UP + events * runs, Kind("email", "accepted"))
        crowds.fill_log(crowd, WARM_UP + alone * runs, Kind("sms", "accepted"))
        mails, texts = crowds.log_keys("email"), crowds.log_keys("sms")
        _measured(house, _sendgrid(house, mails[:WARM_UP]), WARM_UP)
        _measured(house, _twilio(house, texts[:WARM_UP]), WARM_UP)
        posted, single = [], []
        for number in range(runs):
            part = mails[WARM_UP + number * events :][:events]
            posted.append(_measured(house, _sendgrid(house, part), events))
            part = texts[WARM_UP + number * alone :][:alone]
            single.append(_measured(house, _twilio(house, part), alone))
        memory = house.memory() | {"machine": house.machine}
    return {
        "bench": "webhooks",
        "events": events,
        "twilio_events": alone,
        "runs": runs,
        **_figures("", posted),
        **_figures("twilio_", single),
        **figures.against(0.0, 0.0),
        **memory,
    }


def _figures(prefix: str, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`per_second`: until all was applied; `answered_per_second`: until the last 2xx."""
    return {
        f"{prefix}per_second": round(figures.median([run["applied"] for run in runs])),
        f"{prefix}answered_per_second": round(figures.median([run["answered"] for run in runs])),
        f"{prefix}cpu_us": figures.median_cpu_us([run["cpu_us"] for run in runs]),
    }


def _measured(house: Scratch, requests: Sequence[Request], events: int) -> dict[str, Any]:
    """Post, and wait until every message is delivered. Raises NotReal when one is not."""
    wanted, before, began = _delivered() + events, house.cpu_seconds(), time.monotonic()
    told = load.run(house, Plan(house.place.web_url, [], requests), 204)
    while (found := _delivered()) < wanted:
        if time.monotonic() - began > told.seconds + APPLIED_SECONDS:
            raise NotReal(f"{wanted - found:,} of {events:,} events were not applied.")
        time.sleep(0.05)
    seconds = time.monotonic() - began
    callers.must_be("delivered messages", found, wanted)
    house.must_be_well()
    used = figures.cpu_us(before, house.cpu_seconds(), events)
    return {
        "applied": events / seconds,
        "answered": events / told.seconds,
        "cpu_us": used | {"load": round(told.cpu_seconds / events * 1e6, 1)},
    }


def _delivered() -> int:
    """From the counters, as screens do: the log is not read again and again."""
    with transaction() as session:
        return int(
            session.scalar(
                text(
                    """
                    select coalesce(sum(n), 0) from (
                      select sum(entered - "left") as n from ledger_count
                       where status = 'delivered'
                      union all
                      select sum(entered - "left") from ledger_delta where status = 'delivered'
                    ) both_tables
                    """
                )
            )
            or 0
        )


def _sendgrid(house: Scratch, keys: Sequence[int]) -> list[Request]:
    """Signed posts as SendGrid makes them."""
    pem = (house.var_dir / "sandbox" / "sendgrid-webhook.pem").read_bytes()
    signer = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise NotReal("The sandbox's key for webhooks is of another kind.")
    now = str(int(time.time()))
    requests = []
    for start in range(0, len(keys), PER_POST):
        body = orjson.dumps([_event(key, int(now)) for key in keys[start : start + PER_POST]])
        signature = base64.b64encode(signer.sign(now.encode() + body, ec.ECDSA(hashes.SHA256())))
        headers = [
            "Content-Type: application/json",
            f"X-Twilio-Email-Event-Webhook-Signature: {signature.decode()}",
            f"X-Twilio-Email-Event-Webhook-Timestamp: {now}",
        ]
        requests.append(Request("/hooks/sendgrid", body.decode(), headers))
    return requests


def _event(key: int, now: int) -> dict[str, Any]:
    return {
        "email": f"person{key}@example.com",
        "timestamp": now,
        "smtp-id": f"<{key}@bench.invalid>",
        "event": "delivered",
        "response": "250 OK",
        "sg_event_id": f"event-{key}",
        "sg_message_id": f"message-{key}.recvd-0",
        "nid": ids.encode("ntf", key),
        "att": "1",
    }


def _twilio(house: Scratch, keys: Sequence[int]) -> list[Request]:
    """Signed status callbacks, one per message."""
    providers = house.settings.providers
    validator = RequestValidator(providers.twilio_auth_token)
    requests = []
    for key in keys:
        path = f"/hooks/twilio/status/{ids.encode('ntf', key)}/1"
        form = {
            "MessageSid": f"SM{key:032x}",
            "SmsSid": f"SM{key:032x}",
            "MessageStatus": "delivered",
            "SmsStatus": "delivered",
            "AccountSid": providers.twilio_account_sid,
            "From": providers.twilio_from,
            "To": "+447700000000",
            "ApiVersion": "2010-04-01",
        }
        signature = validator.compute_signature(house.settings.public_url + path, form)
        headers = [
            "Content-Type: application/x-www-form-urlencoded; charset=UTF-8",
            f"X-Twilio-Signature: {signature}",
        ]
        requests.append(Request(path, urlencode(form), headers))
    return requests
