"""``studio bench audit``: durable appends beside plain transactions, and verification beside raw hashing.

Ours is one event recorded through the ledger (``studio.append_audit_v1``), acknowledged when it is on the
disk. Raw is as many transactions with as many statements (one): a row into a table without rules, committed
durably; begin, row and commit are a message each. ``batched`` sends them in one, as ours does. All take turns
on the same server, with a million entries present, with 1 and 8 client processes.

Verification recomputes everything (hashes, chain, tree, repeated columns), from the database as the command
does it (a long log with two processes), from there with one process, and from memory. Raw is one SHA-256 over
the same bytes of every entry in a plain loop.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from policies.audit_entries import Batch
from policies.audit_verify import verify_log
from resources.postgres.audit_log import AuditLog
from resources.postgres.embedded import EmbeddedPostgres
from resources.postgres.engine import app_engine
from tests.benchmarks.gateway_world import STUDIO, make_world

ROOT = Path(__file__).resolve().parents[2]
ROWS = 1_000_000


def run(rows: int = ROWS, seconds: float = 5, turns: int = 3) -> dict[str, Any]:
    """Return appends a second, ours and raw, at 1 and 8 clients, and what verification costs.

    Args:
        rows: Entries that are there before.
        seconds: Of one turn of one side.
        turns: How often both sides take their turn.
    """
    with TemporaryDirectory(prefix="studio-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", Path(folder) / "run", is_durable=True)
        server.start()
        try:
            started = time.perf_counter()
            make_world(server.url("postgres"), server.url("studio"), int(rows))
            made = time.perf_counter() - started
            url = server.url("studio")
            results = [_case(url, count, float(seconds), int(turns)) for count in (1, 8)]
            verification = _verification(url, int(turns))
        finally:
            server.stop()
    return {
        "ratio": min(result["ratio"] for result in results),
        "unit": "durable appends per second",
        "results": results,
        "verify": verification,
        "auditRows": rows,
        "worldSeconds": round(made, 1),
    }


def _case(url: str, count: int, seconds: float, turns: int) -> dict[str, Any]:
    done = {"ours": 0, "raw": 0, "batched": 0}
    with _clients(url, count) as clients:
        for _ in range(turns):
            for side in done:
                done[side] += sum(_ask(clients, f"{side} {seconds}"))
    speed = {side: number / (seconds * turns) for side, number in done.items()}
    return {
        "case": f"{count} client process{'es' if count > 1 else ''}",
        "ratio": round(speed["ours"] / speed["raw"], 3),
        "ours": round(speed["ours"], 1),
        "raw": round(speed["raw"], 1),
        "batched": round(speed["batched"], 1),
        "ratioToBatched": round(speed["ours"] / speed["batched"], 3),
        "statements": 1,
    }


class _Batches:
    """A log out of batches: from memory, or read by one process. It is good, so nothing else is asked."""

    def __init__(self, batches: Callable[[], Iterable[Batch]]) -> None:
        self._batches = batches

    def parts(self) -> Iterator[Batch]:
        yield from self._batches()


def _verification(url: str, turns: int) -> dict[str, Any]:
    engine = app_engine(url, STUDIO)
    best = dict.fromkeys(("database", "oneProcess", "memory", "raw"), float("inf"))
    entries = 0
    with AuditLog(engine, STUDIO).view() as view:
        for _ in range(turns):
            kept = list(view.batches())
            entries = sum(batch.count for batch in kept)
            best["raw"] = min(best["raw"], _timed(lambda kept=kept: _hash_all(kept)))
            best["memory"] = min(
                best["memory"], _timed(lambda kept=kept: _require_good(_Batches(lambda: kept)))
            )
            # Who verifies has no million entries in memory, of which the second process would be a copy.
            del kept
            best["oneProcess"] = min(
                best["oneProcess"], _timed(lambda: _require_good(_Batches(view.batches)))
            )
            best["database"] = min(best["database"], _timed(lambda: _require_good(view)))
    engine.dispose()
    return {
        "entries": entries,
        "microsecondsPerEntry": {side: round(spent / entries * 1e6, 3) for side, spent in best.items()},
        "timesRaw": {
            side: round(best[side] / best["raw"], 2) for side in ("database", "oneProcess", "memory")
        },
        "ratio": round(best["raw"] / best["database"], 3),
        "ratioFromMemory": round(best["raw"] / best["memory"], 3),
    }


def _hash_all(batches: Sequence[Batch]) -> None:
    for batch in batches:
        for entry in batch.entries:
            sha256(entry).digest()


def _require_good(log: Any) -> None:
    if not verify_log(log).is_ok:
        raise RuntimeError("the log of the benchmark does not verify")


def _timed(act: Any) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


@contextmanager
def _clients(url: str, count: int) -> Iterator[Sequence["subprocess.Popen[bytes]"]]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.audit_client", url, str(number)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(count)
    ]
    try:
        for client in clients:
            _line(client)
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.wait()


def _ask(clients: Sequence["subprocess.Popen[bytes]"], question: str) -> list[int]:
    for client in clients:
        assert client.stdin is not None
        client.stdin.write(f"{question}\n".encode())
        client.stdin.flush()
    return [int(_line(client)) for client in clients]


def _line(client: "subprocess.Popen[bytes]") -> bytes:
    assert client.stdout is not None
    line = client.stdout.readline()
    if not line:
        raise RuntimeError("a client of the benchmark failed; its own words are above")
    return line
