"""A channel nobody has given credentials for: it says so, and asks nobody on the network."""

from collections.abc import Sequence

from app.channels.base import MayBegin, Message, OnResult, Outcome, Result, always


class Unconfigured:
    """Keeps every message waiting with one clear reason."""

    def __init__(self, name: str) -> None:
        self.name = name

    def send(
        self, messages: Sequence[Message], on_result: OnResult, _may_begin: MayBegin = always
    ) -> None:
        """See Provider.send."""
        detail = f"No credentials are configured for {self.name}, and no sandbox is running."
        for place in range(len(messages)):
            on_result(
                place,
                Result(Outcome.CONFIG_ERROR, None, "not_configured", detail, scope="lane"),
            )
