"""Verifies the log for the audit benchmark, in a process that has nothing else in memory.

``python -m tests.benchmarks.audit_verifier URL NUMBER`` answers ``database`` (as the command verifies) and
``oneProcess`` with the microseconds it took.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from policies.audit_entries import Batch
from policies.audit_verify import verify_log
from resources.postgres.audit_log import AuditLog
from resources.postgres.engine import app_engine
from tests.benchmarks.gateway_world import STUDIO


class Batches:
    """A log out of batches: from memory, or read by one process. It is good, so nothing else is asked."""

    def __init__(self, batches: Callable[[], Iterable[Batch]]) -> None:
        self._batches = batches

    def parts(self) -> Iterator[Batch]:
        """Yield all rows."""
        yield from self._batches()


def require_good(log: Any) -> None:
    """Verify a log that must be good."""
    if not verify_log(log).is_ok:
        raise RuntimeError("the log of the benchmark does not verify")


def main() -> None:
    """Answer lines until there are no more."""
    log = AuditLog(app_engine(sys.argv[1], STUDIO), STUDIO)
    with log.view() as view:
        print("ready", flush=True)  # noqa: T201 - the protocol of this process
        for side in sys.stdin:
            started = time.perf_counter()
            require_good(view if side.strip() == "database" else Batches(view.batches))
            print(int((time.perf_counter() - started) * 1e6), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()
