"""The desk every request passes: wire, fault, journal, outbox, events, in this order."""

from dataclasses import dataclass, field, replace
from typing import Protocol

from app.sandbox.faults import Faults, Rule
from app.sandbox.journal import Journal
from app.sandbox.reply import Refusal, Reply, bend
from app.sandbox.store import Store
from app.sandbox.wire import Answer, Call, Request


class Wire(Protocol):
    """A provider's HTTP wire."""

    refusal: Refusal

    def read(self, request: Request) -> Call:
        """What the provider makes of this request."""
        ...


class Listener(Protocol):
    """Wants to hear of accepted calls."""

    def accepted(self, call: Call) -> None:
        """A provider has taken this call; called before its answer goes out."""
        ...


@dataclass(slots=True)
class Desk:
    """Everything the sandbox keeps."""

    journal: Journal
    store: Store
    faults: Faults
    listener: Listener
    _taken: list[Call] = field(default_factory=list, init=False)

    def take(self, wire: Wire, request: Request, read: Call | None = None) -> Reply:
        """Judge a request, note it down, and say what goes back once flush() has been called.

        `read`: what the wire has made of it, when that is known.
        """
        call = read or wire.read(request)
        rule = self.faults.pick(call.provider, call.recipients)
        reply = Reply(call.answer)
        if rule is not None:
            reply = bend(call.answer, rule, wire.refusal)
            call = suffer(call, rule, reply.answer)
        self.write_down(call, request.body, rule)
        return reply

    def write_down(self, call: Call, body: bytes, rule: Rule | None = None) -> None:
        """Journal, outbox and events of a call that has its final verdict, on disk by flush()."""
        place = self.store.keep(body) if body else None
        self.journal.record(call, place, rule.kind if rule else "")
        if call.accepted:
            self._taken.append(call)

    def flush(self) -> None:
        """Bodies and journal lines to the disk, and only then is anybody told.

        Raises OSError; then what was noted since the last time has not been taken.
        """
        taken, self._taken = self._taken, []
        try:
            self.store.flush()
        except OSError:
            self.journal.forget()
            raise
        self.journal.flush()
        for call in taken:
            self.listener.accepted(call)


def suffer(call: Call, rule: Rule, answer: Answer) -> Call:
    """The call after a fault: a refused one is no more accepted for it."""
    accepted = call.accepted and rule.accepted
    if rule.kind in {"answer", "rate_limit"}:
        code = (rule.script.get("answer") or {}).get("code", "")
        verdict = f"{answer.status} {code}".strip()
        return replace(call, accepted=accepted, verdict=verdict, answer=answer)
    if not accepted and call.accepted:
        return replace(call, accepted=False, verdict=rule.kind)
    return call
