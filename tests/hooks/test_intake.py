"""Posts that come together are committed together; each is answered for what became of it."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.hooks.intake import Intake, NotKept
from app.tracking.receipts import Post
from tests.hooks.conftest import SendGridKey
from tests.hooks.test_webhooks import STATUS, kept, post_events, post_form, sign
from tests.support.application import NO_DATABASE, another
from tests.support.messages import World


class Store:
    """Remembers groups; refuses a body `bad`, can be slow and can be away."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.told = 0
        self.away = False
        self.calls = 0
        self.open = threading.Event()
        self.open.set()

    def write(self, posts: Sequence[Post]) -> None:
        self.calls += 1
        self.open.wait(10)
        if self.away:
            raise OperationalError("insert", {}, OSError("The database is away."))
        if any(post.body == b"bad" for post in posts):
            raise ValueError("This cannot be stored.")
        self.groups.append([post.body for post in posts])

    def tell(self) -> None:
        self.told += 1


def post(body: bytes) -> Post:
    return Post("sendgrid", body, {})


def all_at_once(intake: Intake, bodies: Sequence[bytes]) -> list[Exception | None]:
    """What became of each."""
    gate = threading.Barrier(len(bodies))

    def keep(body: bytes) -> Exception | None:
        gate.wait(5)
        try:
            intake.keep(post(body))
        except Exception as error:
            return error
        return None

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(keep, bodies))


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "did not happen within five seconds"
        time.sleep(0.005)


def test_posts_that_come_together_are_one_transaction_and_one_nudge() -> None:
    store = Store()
    intake = Intake(store.write, store.tell, linger=0.3)
    assert all_at_once(intake, [b"%d" % number for number in range(20)]) == [None] * 20
    assert [len(group) for group in store.groups] == [20]
    assert store.told == 1


def test_what_comes_during_a_commit_is_the_next_group() -> None:
    store = Store()
    store.open.clear()
    intake = Intake(store.write, store.tell, linger=0)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(intake.keep, post(b"first"))
        eventually(lambda: store.calls == 1)
        others = [pool.submit(intake.keep, post(b"other")) for _ in range(5)]
        time.sleep(0.1)
        assert not first.done(), "nobody is answered before the commit"
        store.open.set()
        for one in (first, *others):
            one.result(5)
    assert [len(group) for group in store.groups] == [1, 5]


def test_one_that_cannot_be_stored_does_not_lose_the_others() -> None:
    store = Store()
    intake = Intake(store.write, store.tell, linger=0.3)
    became = all_at_once(intake, [b"a", b"bad", b"b"])
    assert [type(error) for error in became] == [type(None), ValueError, type(None)]
    assert sorted(body for group in store.groups for body in group) == [b"a", b"b"]


def test_a_failed_commit_is_told_to_exactly_those_who_waited_for_it() -> None:
    store = Store()
    store.away = True
    intake = Intake(store.write, store.tell, linger=0.3)
    became = all_at_once(intake, [b"a", b"b", b"c"])
    assert [type(error) for error in became] == [OperationalError] * 3
    assert (store.calls, store.told) == (1, 0), "asked once, not once for each"
    store.away = False
    intake.keep(post(b"d"))
    assert store.groups == [[b"d"]]


def test_nobody_waits_for_ever_behind_a_commit_that_hangs() -> None:
    store = Store()
    store.open.clear()
    intake = Intake(store.write, store.tell, linger=0, patience=0.2)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(intake.keep, post(b"first"))
        eventually(lambda: store.calls == 1)
        with pytest.raises(NotKept):
            intake.keep(post(b"impatient"))
        store.open.set()
        first.result(5)
    intake.keep(post(b"later"))
    assert store.groups == [[b"first"], [b"later"]], "what was refused is left to the provider"


def test_a_crowd_in_threads_loses_nothing() -> None:
    store = Store()
    intake = Intake(store.write, store.tell, linger=0.001)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(intake.keep, [post(b"%d" % number) for number in range(400)]))
    assert sorted(int(body) for group in store.groups for body in group) == list(range(400))
    assert len(store.groups) < 400


def test_threads_of_the_server_share_a_transaction(
    app: Flask, world: World, sendgrid_keys: list[SendGridKey]
) -> None:
    fields = {"MessageSid": "SM1", "MessageStatus": "delivered"}

    def send(number: int) -> int:
        client = app.test_client(use_cookies=False)
        if number % 2:
            return post_events(client, sendgrid_keys[0], [{"event": "delivered"}]).status_code
        return post_form(client, STATUS, fields, sign(STATUS, fields)).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(send, range(40))) == [204] * 40
    assert len(kept(world)) == 40
    transactions = world.session.scalar(text("select count(distinct xmin::text) from receipt"))
    assert transactions < 40


def test_without_the_database_a_post_is_refused_for_a_while(
    app: Flask, sendgrid_keys: list[SendGridKey]
) -> None:
    with another(app.config["HERALD"], database_url=NO_DATABASE) as away:
        answer = post_events(away.test_client(use_cookies=False), sendgrid_keys[0], [])
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
