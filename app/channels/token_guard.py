"""Guards devices against us: when too many tokens are "bad", the mistake is ours.

A wrong environment or topic makes APNs call every token bad. Believing it would remove every device
(provider contract §5: more than 20 % of the last 100 answers).
"""

import threading
from collections import deque
from typing import Final

WINDOW: Final = 100
LARGEST_SHARE: Final = 0.20
# Fewer answers than this prove nothing: one wrong token of three is just a wrong token.
FEWEST_ANSWERS: Final = 20


class TokenGuard:
    """The last answers of one environment, shared by all threads of a process."""

    def __init__(self) -> None:
        self._answers: deque[bool] = deque(maxlen=WINDOW)
        self._lock = threading.Lock()

    def saw(self, *, bad: int, good: int) -> None:
        """Count a batch's answers, spread as they would have come if mixed evenly."""
        with self._lock:
            total = bad + good
            taken = min(total, WINDOW)
            bad_taken = round(taken * bad / total) if total else 0
            self._answers.extend([True] * bad_taken + [False] * (taken - bad_taken))

    def doubtful(self) -> bool:
        """True when bad tokens are too many to be the devices' own fault."""
        with self._lock:
            answers = len(self._answers)
            return answers >= FEWEST_ANSWERS and sum(self._answers) > LARGEST_SHARE * answers
