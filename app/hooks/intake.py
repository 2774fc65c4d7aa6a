"""Webhooks that arrive together are committed together: `app.gather` says how."""

from collections.abc import Callable, Sequence
from typing import Final

from app.gather import PATIENCE_SECONDS, Gatherer
from app.gather import NotWritten as NotKept
from app.tracking.receipts import Post

__all__ = ["Intake", "NotKept"]

LINGER_SECONDS: Final = 0.004


class Intake(Gatherer[Post, None]):
    """`write` commits posts, all or none; `told` is called after a group was committed."""

    def __init__(
        self,
        write: Callable[[Sequence[Post]], None],
        told: Callable[[], None],
        linger: float = LINGER_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        def written(posts: Sequence[Post]) -> Sequence[None]:
            write(posts)
            return [None] * len(posts)

        super().__init__(written, linger=linger, patience=patience, weigh=_size)
        self._told = told

    def keep(self, post: Post) -> None:
        """Return once the post is committed. Raises NotKept, or what refused this very post."""
        self.hand_in(post)

    def wrote(self, count: int) -> None:  # noqa: ARG002
        """Say once per group that there is something to do."""
        self._told()


def _size(post: Post) -> int:
    return len(post.body)
