"""The desk every request passes: wire, fault, journal, outbox, events, in this order."""

from dataclasses import dataclass, replace
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

    def take(self, wire: Wire, request: Request) -> Reply:
        """Judge a request, note it down, and say what goes back once flush() has been called."""
        call = wire.read(request)
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
            self.listener.accepted(call)

    def flush(self) -> None:
        """Bodies and journal lines to the disk. Raises OSError; then nothing may be answered."""
        self.store.flush()
        self.journal.flush()


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
