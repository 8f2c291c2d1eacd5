"""What the twin has been asked, and what the service would have charged for it."""

import threading
from collections import Counter


class TwinStats:
    """Counters since the twin began, or since ``reset``; thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._documents_billed = 0
        self._commits: Counter[str] = Counter()
        self._refused_writes = 0

    @property
    def commits(self) -> Counter[str]:
        """How many writing calls went through, by writer (a copy)."""
        with self._lock:
            return self._commits.copy()

    @property
    def refused_writes(self) -> int:
        """How many writing calls came without a writer's token."""
        with self._lock:
            return self._refused_writes

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

    def count_commit(self, writer: str) -> None:
        """Count one writing call that went through."""
        with self._lock:
            self._commits[writer] += 1

    def count_refused_write(self) -> None:
        """Count one writing call without a writer's token."""
        with self._lock:
            self._refused_writes += 1

    def bill(self, documents: int) -> None:
        """Charge for reading documents."""
        with self._lock:
            self._documents_billed += documents

    def reset(self) -> None:
        """Start counting anew."""
        with self._lock:
            self._calls.clear()
            self._commits.clear()
            self._refused_writes = 0
            self._documents_billed = 0
