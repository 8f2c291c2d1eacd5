"""How fast Stripe may be asked: a token bucket shared by every thread, and a pause that all of them keep.

Source: https://docs.stripe.com/rate-limits (100 requests a second live, 25 in test mode; lower per endpoint).
"""

import threading
import time
from collections.abc import Callable

BURST_REQUESTS = 5


class TokenBucket:
    """Spaces requests to a steady rate, after a first burst. Safe for any number of threads."""

    def __init__(
        self,
        requests_per_second: float,
        *,
        burst: int = BURST_REQUESTS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if requests_per_second <= 0 or burst < 1:
            raise ValueError("The rate and the burst must be positive.")
        self._spacing = 1 / requests_per_second
        self._slack = self._spacing * (burst - 1)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._next = 0.0
        self._paused_until = 0.0

    def reserve(self) -> float:
        """Take the next place in the line; return how many seconds to wait before asking."""
        with self._lock:
            now = self._monotonic()
            due = max(self._next, now - self._slack)
            self._next = due + self._spacing
            return max(0.0, due - now, self._paused_until - now)

    def pause(self, seconds: float) -> None:
        """Hold every request back for a while: the server said that it was too much."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._monotonic() + seconds)

    def pause_left(self) -> float:
        """Return how many seconds of a pause are left, zero when there is none."""
        with self._lock:
            return max(0.0, self._paused_until - self._monotonic())
