"""Keeps a set of processes running until told to stop."""

import selectors
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app.embedded import Embedded
from app.servers.process import ServerError, tail, wait_until
from app.supervisor import family
from app.supervisor.child import Child, Death, Program
from app.supervisor.logs import Log

STOP_SECONDS: Final = 18.0
_TICK: Final = 0.25
_SERVERS_EVERY: Final = 1.0
# At these failures in a row the end of the log is shown: it does not get well by itself.
_SHOW_LOG_AT: Final = frozenset({3, 10, 100})


class Keeper:
    """Starts programs, writes down what they print, starts again what ends."""

    def __init__(
        self, servers: Embedded, logs: Path, say: Callable[[str], None], follow: bool = False
    ) -> None:
        """With `follow`, what the processes print is also said, each line under its name."""
        self._servers = servers
        self._logs = logs
        self._say = say
        self._follow = follow
        self._children: list[Child] = []
        self._servers_checked = 0.0

    def start(self, program: Program) -> Child:
        """Start one program and keep it running."""
        child = Child(program, Log(self._logs / f"{program.name}.log"))
        self._children.append(child)
        child.start()
        return child

    def wait_for(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Look after everything until `ready` says yes; False when the time is over."""

        def asked() -> bool:
            self.tick()
            return ready()

        return wait_until(asked, seconds, pause=0)

    def keep(self) -> None:
        """Look after everything for ever; a signal ends it."""
        while True:
            self.tick()

    def tick(self) -> None:
        """One round: read what was printed, bury, start again."""
        self._listen()
        for child in self._children:
            death = child.check()
            if death:
                self._report(child, death)
            if child.is_due():
                child.start()
        now = time.monotonic()
        if now - self._servers_checked >= _SERVERS_EVERY:
            self._servers_checked = now
            self._tend_servers()
            family.reap(self._known())

    def stop(self) -> None:
        """SIGTERM to all, the sandbox last; what does not end in time is killed."""
        first = [child for child in self._children if child.name != "sandbox"]
        last = [child for child in self._children if child.name == "sandbox"]
        for group, patience in ((first, STOP_SECONDS), (last, 2.0)):
            for child in group:
                child.ask_to_stop()
            wait_until(lambda group=group: self._all_ended(group), patience)  # type: ignore[misc]
            for child in group:
                if not child.has_ended():
                    self._say(f"{child.name} does not stop; it is killed.")
                child.end()
                child.log.close()

    def _all_ended(self, children: list[Child]) -> bool:
        for child in children:
            child.drain()
        return all(child.has_ended() for child in children)

    def _listen(self) -> None:
        with selectors.DefaultSelector() as selector:
            for child in self._children:
                descriptor = child.output()
                if descriptor is not None:
                    selector.register(descriptor, selectors.EVENT_READ, child)
            for key, _ in selector.select(_TICK):
                self._hear(key.data)

    def _hear(self, child: Child) -> None:
        printed = child.drain()
        if not printed and child.has_ended():
            return
        if not printed:
            time.sleep(0.05)  # it closed its output but lives on: do not spin
        if self._follow:
            for line in printed.decode(errors="replace").splitlines():
                self._say(f"{child.name:<20} {line}")

    def _report(self, child: Child, death: Death) -> None:
        times = f", {death.in_a_row} times in a row" if death.in_a_row > 1 else ""
        self._say(f"{death.name} {death.reason}{times}. It is started again in {death.pause:g} s.")
        if death.in_a_row in _SHOW_LOG_AT:
            self._say(f"The end of {child.log.path}:\n{tail(child.log.path)}")

    def _tend_servers(self) -> None:
        try:
            for name in self._servers.tend():
                self._say(f"{name} had ended; it was started again.")
        except (ServerError, OSError) as error:  # a full disk: it is tried again
            self._say(str(error))

    def _known(self) -> set[int]:
        ours = {child.process.pid for child in self._children if child.process}
        return ours | self._servers.pids()
