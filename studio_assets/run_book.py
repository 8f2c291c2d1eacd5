"""What one run of the graph has to tell whoever started it: progress while it runs, results when it ends.

A run started from Dagster writes into a book nobody reads. ``run`` reads it to answer ``studio snapshot``.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from resources.rows import Snapshot, SnapshotDiff, SourceRead
from studio_assets.studio_state.drift import DriftReport

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a phase is. ``total`` is null where it is not known before the end."""

    phase: str
    name: str
    done: int
    total: int | None = None


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One check of one asset: ``asset`` without the studio's prefix (``cloud_truth/batches``)."""

    asset: str
    check: str
    holds: bool
    is_blocking: bool
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class RunBook:
    """Collected by the assets of one run; safe to write from reading threads."""

    on_progress: OnProgress | None = None
    reads: dict[str, SourceRead] = field(default_factory=dict)
    payload: Mapping[str, Any] | None = None
    snapshot: Snapshot | None = None
    is_new: bool = False
    diff: SnapshotDiff | None = None
    drift: DriftReport | None = None
    checks: list[CheckOutcome] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, phase: str, name: str, done: int, total: int | None = None) -> None:
        """Pass progress on; what the listener does wrong must not harm the run."""
        if self.on_progress is None:
            return
        with self._lock:
            self.on_progress(Progress(phase, name, done, total))

    def timed_each(self, phase: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield items, adding to a phase only the time waited for each, not what the caller does with it."""
        source = iter(items)
        while True:
            with self.timed(phase):
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the wall time of a block to a phase."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            with self._lock:
                self.seconds[phase] = self.seconds.get(phase, 0.0) + spent
