"""What comes together is written together, and what comes alone is not kept waiting."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.gather import Gatherer, NotWritten


class Store:
    """Doubles what it is given, refuses negative numbers, remembers groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    def write(self, items: Sequence[int]) -> list[int]:
        if min(items) < 0:
            raise ValueError("negative")
        self.groups.append(list(items))
        time.sleep(0.01)
        return [2 * item for item in items]


def all_at_once(gatherer: Gatherer[int, int], items: Sequence[int]) -> list[int | Exception]:
    """What became of each."""
    gate = threading.Barrier(len(items))

    def hand_in(item: int) -> int | Exception:
        gate.wait(5)
        try:
            return gatherer.hand_in(item)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(hand_in, items))


def test_each_gets_its_own_answer() -> None:
    store = Store()
    gatherer = Gatherer(store.write, linger=0.3)
    assert all_at_once(gatherer, range(8)) == [2 * item for item in range(8)]
    assert [len(group) for group in store.groups] == [8]


def test_one_that_is_refused_spoils_no_other_answer() -> None:
    gatherer = Gatherer(Store().write, linger=0.3)
    answers = all_at_once(gatherer, [1, -2, 3])
    assert (answers[0], answers[2]) == (2, 6)
    assert isinstance(answers[1], ValueError)


def test_an_eager_gatherer_writes_at_once_what_comes_alone() -> None:
    gatherer = Gatherer(Store().write, linger=5.0, eager=True)
    began = time.monotonic()
    assert [gatherer.hand_in(item) for item in range(3)] == [0, 2, 4]
    assert time.monotonic() - began < 2.0


def test_an_eager_gatherer_waits_for_as_many_as_came_the_last_time_and_no_longer() -> None:
    store = Store()
    gatherer = Gatherer(store.write, linger=0.5, eager=True)
    for _ in range(3):
        all_at_once(gatherer, range(6))
    assert sum(map(len, store.groups)) == 18
    began = time.monotonic()
    for item in range(3):
        assert gatherer.hand_in(item) == 2 * item
    assert time.monotonic() - began < 1.2, "only the first of them was kept waiting"


def test_a_crowd_in_threads_gets_the_right_answers() -> None:
    store = Store()
    gatherer = Gatherer(store.write, linger=0.002, eager=True)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(gatherer.hand_in, range(200))) == [2 * item for item in range(200)]
    assert len(store.groups) < 200


def test_nobody_waits_for_ever() -> None:
    held = threading.Event()

    def hang(items: Sequence[int]) -> list[int]:
        held.wait(10)
        return list(items)

    gatherer = Gatherer(hang, linger=0, patience=0.1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gatherer.hand_in, 1)
        time.sleep(0.05)
        with pytest.raises(NotWritten):
            gatherer.hand_in(2)
        held.set()
        assert first.result(5) == 1


def test_who_wants_to_be_sure_waits_for_what_is_being_written() -> None:
    going = {1: threading.Event(), 2: threading.Event()}

    def write(items: Sequence[int]) -> list[int]:
        going[items[0]].wait(10)
        return list(items)

    gatherer = Gatherer(write, linger=0, patience=0.2, sure=True)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(gatherer.hand_in, 1)
        time.sleep(0.05)
        later = [pool.submit(gatherer.hand_in, 2), pool.submit(gatherer.hand_in, 2)]
        time.sleep(0.05)
        going[1].set()
        time.sleep(0.5)
        assert not any(each.done() for each in later)
        going[2].set()
        assert [each.result(5) for each in (first, *later)] == [1, 2, 2]
