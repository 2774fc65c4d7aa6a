"""Single sends that arrive together are accepted in one transaction: `app.gather` says how."""

from collections.abc import Sequence
from typing import Final, TypeAlias, cast

from flask import current_app

from app import clock
from app.db import each_by_itself, in_transaction, transaction
from app.errors import Invalid
from app.gather import Gatherer
from app.sending.accept import accept, accept_all
from app.sending.requests import Accepted, Caller, SendRequest

LINGER_SECONDS: Final = 0.003
_INTAKE: Final = "herald_send_intake"

Wish: TypeAlias = tuple[SendRequest, Caller]
Result: TypeAlias = Accepted | Invalid


def accept_one(request: SendRequest, caller: Caller) -> Result:
    """Return once the messages are committed, or return or raise what is wrong with the request.

    Not shared: a transaction that is open already (an Idempotency-Key is kept in it), and one-off
    content, which has to be compiled first. Raises NotWritten when the database took too long.
    """
    if in_transaction() or request.template is None:
        with transaction() as session:
            accepted = accept(session, [request], caller, clock.now())[0]
            if isinstance(accepted, Invalid):
                raise accepted  # and so leave nothing of its content behind
            return accepted
    return _intake().hand_in((request, caller))


def _intake() -> Gatherer[Wish, Result]:
    found = current_app.extensions.get(_INTAKE)
    if found is None:
        # Who is told "not accepted" sends it again: that has to be true.
        made = Gatherer(_accept, linger=LINGER_SECONDS, eager=True, sure=True)
        found = current_app.extensions.setdefault(_INTAKE, made)
    return cast("Gatherer[Wish, Result]", found)


def _accept(wishes: Sequence[Wish]) -> Sequence[Result]:
    with transaction() as session:
        each_by_itself(session)  # `sending.enter` writes all there is with one statement
        return accept_all(session, wishes, clock.now())
