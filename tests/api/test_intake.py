"""Single sends that come together share a transaction; each is answered for itself."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import text

from app.api import intake
from app.db import transaction
from app.errors import Invalid
from app.sending.requests import Accepted, Caller, Recipient, SendRequest
from tests.support.application import NO_DATABASE, another
from tests.support.members import ApiClient

pytestmark = pytest.mark.usefixtures("shop")
DATA = {"order": {"number": "88213"}}


def request(number: int) -> SendRequest:
    """Every fourth one names a template that does not exist."""
    key = "order-shipped" if number % 4 else "no-such-template"
    return SendRequest(
        to=Recipient(email=f"buyer{number}@example.com"),
        template=key,
        channels=("email",),
        data={**DATA, "n": number},
    )


def send(app: Flask, number: int) -> Accepted | Invalid:
    with app.app_context():
        caller = Caller("api", f"req_{number}", test=bool(number % 2))
        return intake.accept_one(request(number), caller)


def test_sends_that_come_together_share_a_transaction_and_keep_their_own_facts(app: Flask) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: send(app, number), range(40)))
    assert [isinstance(answer, Invalid) for answer in answers] == [n % 4 == 0 for n in range(40)]
    with app.app_context(), transaction() as session:
        rows = session.execute(
            text("select id, address, request_id, test, (data->>'n')::int from notification")
        ).all()
        transactions = session.scalar(text("select count(distinct xmin::text) from notification"))
        batched = session.scalars(text("select unnest(ids) from batch")).all()
        mixed = session.scalar(
            text(
                "select count(*) from batch b join notification n on n.id = any(b.ids) "
                "where n.test <> b.test"
            )
        )
    by_key = {row[0]: row[1:] for row in rows}
    assert len(by_key) == 30
    for number, answer in enumerate(answers):
        if isinstance(answer, Accepted):
            (message,) = answer.messages
            expected = (f"buyer{number}@example.com", f"req_{number}", bool(number % 2), number)
            assert by_key[message.key] == expected
    assert transactions is not None
    assert transactions < 30
    assert sorted(batched) == sorted(by_key), "each message is in exactly one batch"
    assert mixed == 0


def test_a_text_that_cannot_be_stored_disturbs_no_other_send(app: Flask) -> None:
    good = [request(1), request(2), request(3)]
    bad = replace(request(5), metadata={"k": "\x00"})

    def one(wish: SendRequest) -> object:
        with app.app_context():
            try:
                return intake.accept_one(wish, Caller("api", "req_1"))
            except Exception as error:
                return error

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, [*good, bad]))
    assert all(isinstance(answer, Accepted) for answer in answers[:3])
    assert not isinstance(answers[3], Accepted)


def test_without_the_database_a_send_is_refused_for_a_while(api: ApiClient, app: Flask) -> None:
    """The key is still remembered in this process, so the send itself meets the trouble."""
    headers = {"Authorization": f"Bearer {api.secret}"}
    body = {"template": "order-shipped", "to": {"email": "a@example.com"}, "data": DATA}
    assert api.call("POST", "/notifications", body).status_code == 202
    with another(app.config["HERALD"], database_url=NO_DATABASE) as away:
        client = away.test_client(use_cookies=False)
        answer = client.post("/api/v1/notifications", json=body, headers=headers)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
