"""`python -m app.bench.load`: many HTTP calls at once, cheaply, from a process of its own.

libcurl's multi interface in one thread. Reads a plan from a file, writes what happened to another:
the time each call took, the statuses, and the processor time this process needed.
"""

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import pycurl

from app.bench.figures import NotReal
from app.bench.scratch import Scratch
from app.bench.usage import own_cpu_seconds
from app.servers.process import wait_until
from app.supervisor.programs import python

LONGEST: Final = 900.0
CONNECTIONS: Final = 16
_NUMBERS: Final = count()


class Request(NamedTuple):
    """One call; without a body a GET. `headers` go beside those of the plan."""

    path: str
    body: str | None = None
    headers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """`per_second` 0: as fast as answers come."""

    base_url: str
    headers: Sequence[str]
    requests: Sequence[Request]
    connections: int = CONNECTIONS
    per_second: float = 0.0

    def write(self, path: Path) -> None:
        """One JSON document: the head, then a line per request."""
        head = [self.base_url, list(self.headers), self.connections, self.per_second]
        with path.open("wb") as file:
            file.write(orjson.dumps(head) + b"\n")
            file.writelines(orjson.dumps(tuple(each)) + b"\n" for each in self.requests)


@dataclass(frozen=True, slots=True)
class Told:
    """What the calls took: milliseconds each in the order of their ends, and seconds in all."""

    milliseconds: Sequence[float]
    statuses: dict[str, int]
    seconds: float
    cpu_seconds: float


def run(house: Scratch, plan: Plan, *expected: int) -> Told:
    """Make the calls. Raises NotReal when one was answered with another status than expected."""
    loader = Loader(house, plan)
    loader.wait()
    return loader.told(*expected)


class Loader:
    """Calls that are being made in the background."""

    def __init__(self, house: Scratch, plan: Plan) -> None:
        self._house = house
        self._name = f"load-{next(_NUMBERS)}"
        self._plan = house.var_dir / f"{self._name}.plan"
        self._out = house.var_dir / f"{self._name}.json"
        self._stop = house.var_dir / f"{self._name}.stop"
        plan.write(self._plan)
        files = [str(self._plan), str(self._out), str(self._stop)]
        house.start(self._name, python("app.bench.load", *files))
        self._process = house.processes[self._name]

    def stop(self) -> None:
        """Begin no more calls."""
        self._stop.touch()

    def wait(self) -> None:
        """Until every call was answered."""
        wait_until(lambda: self._process.poll() is not None, LONGEST, pause=0.02)
        self._house.end(self._name)

    def told(self, *expected: int) -> Told:
        """What happened. Raises NotReal when a call was answered with another status."""
        if self._process.returncode:
            raise NotReal("The program that makes the calls failed.")
        told = Told(*orjson.loads(self._out.read_bytes()))
        if not told.statuses or set(told.statuses) - {str(status) for status in expected}:
            raise NotReal(f"Not every call was answered with {expected}: {told.statuses}.")
        return told


class _Caller:
    """One thread, one libcurl multi handle, as many easy handles as connections."""

    def __init__(self, base_url: str, headers: list[str], connections: int) -> None:
        self._base = base_url
        self._multi: Any = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, connections)
        self._headers = headers
        self._connections = connections
        self.free = [_easy(headers) for _ in range(connections)]
        self.milliseconds: list[float] = []
        self.statuses: Counter[int] = Counter()

    def begin(self, request: Request) -> None:
        """Start one call; there must be a free handle."""
        easy = self.free.pop()
        easy.setopt(pycurl.URL, self._base + request.path)
        if request.headers:
            easy.setopt(pycurl.HTTPHEADER, [*self._headers, *request.headers, "Expect:"])
        if request.body is None:
            easy.setopt(pycurl.HTTPGET, 1)
        else:
            easy.setopt(pycurl.POSTFIELDS, request.body)
        self._multi.add_handle(easy)

    def turn(self) -> None:
        """Let bytes flow and take in what has ended."""
        self._multi.perform()
        self._take()

    def wait(self, seconds: float) -> None:
        """Until there is something to do, or so long."""
        if self.is_idle():
            time.sleep(seconds)
        else:
            self._multi.select(seconds)

    def is_idle(self) -> bool:
        """Nothing is in the air."""
        return len(self.free) == self._connections

    def _take(self) -> None:
        left = 1
        while left:
            left, well, broken = self._multi.info_read()
            for easy in well:
                self.statuses[easy.getinfo(pycurl.RESPONSE_CODE)] += 1
                self.milliseconds.append(easy.getinfo(pycurl.TOTAL_TIME) * 1000)
                self._put_back(easy)
            for easy, _, _ in broken:
                self.statuses[0] += 1
                self._put_back(easy)

    def _put_back(self, easy: Any) -> None:
        self._multi.remove_handle(easy)
        self.free.append(easy)


def _easy(headers: list[str]) -> Any:
    easy = pycurl.Curl()
    easy.setopt(pycurl.HTTPHEADER, [*headers, "Expect:"])
    easy.setopt(pycurl.WRITEFUNCTION, _forget)
    easy.setopt(pycurl.NOSIGNAL, 1)
    easy.setopt(pycurl.TIMEOUT, 60)
    return easy


def _forget(data: bytes) -> int:
    return len(data)


def main() -> None:
    """Make the calls of a plan."""
    parser = argparse.ArgumentParser(description="Make many HTTP calls at once.")
    for name in ("plan", "out", "stop"):
        parser.add_argument(name, type=Path)
    files = parser.parse_args()
    with files.plan.open("rb") as lines:
        base_url, headers, connections, per_second = orjson.loads(next(lines))
        requests = [Request(*orjson.loads(line)) for line in lines]
    caller = _Caller(base_url, headers, connections)
    cpu, began = own_cpu_seconds(), time.monotonic()
    _call_all(caller, requests, per_second, files.stop)
    statuses = {str(status): times for status, times in caller.statuses.items()}
    seconds, cpu = time.monotonic() - began, own_cpu_seconds() - cpu
    files.out.write_bytes(orjson.dumps([caller.milliseconds, statuses, seconds, cpu]))


def _call_all(caller: _Caller, requests: Sequence[Request], per_second: float, stop: Path) -> None:
    began, sent, most = time.monotonic(), 0, len(requests)
    while sent < most or not caller.is_idle():
        due = most
        if per_second and sent < most:
            due = min(most, 1 + int((time.monotonic() - began) * per_second))
            most = sent if stop.exists() else most
        while caller.free and sent < min(due, most):
            caller.begin(requests[sent])
            sent += 1
        caller.turn()
        if not caller.free or sent == due:
            caller.wait(0.002 if sent < most and caller.free else 0.05)


if __name__ == "__main__":
    main()
