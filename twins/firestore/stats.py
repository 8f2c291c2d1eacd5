"""What the twin has been asked, and what the service would have charged for it."""

import threading
from collections import Counter


class TwinStats:
    """Counters since the twin began, or since ``reset``; thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._documents_billed = 0

    @property
    def calls(self) -> Counter[str]:
        """How many RPCs came in, by method (a copy)."""
        with self._lock:
            return self._calls.copy()

    @property
    def documents_billed(self) -> int:
        """How many document reads the service would have charged for.

        One for each document answered, looked up in vain or skipped by an offset; one for a query that finds
        nothing; one for each thousand documents aggregated, rounded up.
        """
        with self._lock:
            return self._documents_billed

    def count_call(self, method: str) -> None:
        """Count one RPC."""
        with self._lock:
            self._calls[method] += 1

    def bill(self, documents: int) -> None:
        """Charge for reading documents."""
        with self._lock:
            self._documents_billed += documents

    def reset(self) -> None:
        """Start counting anew."""
        with self._lock:
            self._calls.clear()
            self._documents_billed = 0
