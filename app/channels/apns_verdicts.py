"""What "bad device token" means, decided when a whole send has been seen (provider contract §5).

Three things may be wrong: the token, the environment we have for it, or our own set-up. A token
that the other environment's host takes is fine and is told so; one that neither host knows is
dead, unless so many are that it must be us.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

from app.channels.base import OnResult, Outcome, PushMessage, Result
from app.channels.exchange import Row
from app.channels.token_guard import TokenGuard

Environment = Literal["production", "sandbox"]

OTHER: Final[Mapping[Environment, Environment]] = {
    "production": "sandbox",
    "sandbox": "production",
}
UNKNOWN: Final = "BadDeviceToken"
_OUR_FAULT_IF_MANY: Final = frozenset({UNKNOWN, "DeviceTokenNotForTopic"})
WRONG_ENVIRONMENT: Final = Row(
    Outcome.CONFIG_ERROR,
    "More than a fifth of the last answers call the device token bad: check the environment"
    " (production or sandbox) and the topic. No device was removed.",
    "lane",
    "wrong_environment",
)
_NOT_ASKED: Final = "Apple does not know this device token; the other environment was not asked."


class Verdicts:
    """Results of one send on their way out; those that could be our own fault wait for the end."""

    def __init__(
        self,
        messages: Sequence[PushMessage],
        guards: Mapping[str, TokenGuard],
        on_result: OnResult,
    ) -> None:
        self._messages = messages
        self._guards = guards
        self._on_result = on_result
        self._held: dict[int, Result] = {}
        self._good = dict.fromkeys(guards, 0)

    def take(self, place: int, result: Result) -> None:
        """An answer of the host that we believe a token lives at."""
        if result.code in _OUR_FAULT_IF_MANY:
            self._held[place] = result
            return
        if result.outcome in (Outcome.ACCEPTED, Outcome.RECIPIENT_DEAD):
            self._good[self._messages[place].environment] += 1
        self._on_result(place, result)

    def unknown_tokens(self) -> list[int]:
        """The places of the messages whose tokens their host does not know."""
        return [place for place, result in self._held.items() if result.code == UNKNOWN]

    def take_elsewhere(self, place: int, result: Result) -> None:
        """The other host's answer about one of these. Only two clear noes make a token dead."""
        if result.outcome is Outcome.RECIPIENT_DEAD:
            return
        first = self._held.pop(place)
        other = OTHER[self._messages[place].environment]
        if result.outcome is Outcome.ACCEPTED:
            self._good[other] += 1
            result = replace(result, environment=other)
        elif not result.attempted or result.outcome is Outcome.CONFIG_ERROR:
            # The key may be good for one environment only: then nobody can say.
            outcome = Outcome.REJECTED if result.attempted else Outcome.RETRY
            result = replace(first, outcome=outcome, detail=_NOT_ASKED)
        else:
            result = replace(result, scope="message")
        self._on_result(place, result)

    def close(self) -> None:
        """Decide about those that are still held."""
        for environment, guard in self._guards.items():
            held = [at for at in self._held if self._messages[at].environment == environment]
            guard.saw(bad=len(held), good=self._good[environment])
            doubtful = bool(held) and guard.doubtful()
            for place in held:
                result = self._held[place]
                self._on_result(place, _not_believed(result) if doubtful else result)


def _not_believed(result: Result) -> Result:
    return replace(
        result,
        outcome=WRONG_ENVIRONMENT.outcome,
        code=WRONG_ENVIRONMENT.code,
        detail=WRONG_ENVIRONMENT.detail,
        scope=WRONG_ENVIRONMENT.scope,
    )
