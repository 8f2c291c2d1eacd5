"""``studio bench audit``: durable appends beside plain transactions, and verification beside raw hashing.

Ours is one event recorded through the ledger (``studio.append_audit_v1``), acknowledged when it is on the
disk. Raw is as many transactions with as many statements (one): a row into a table without rules, committed
durably; begin, row and commit are a message each. ``batched`` sends them in one, as ours does. All take turns
on the same server, with a million entries present, with 1 and 8 client processes.

Verification recomputes everything (hashes, chain, tree, repeated columns), from the database as the command
does it (in a process of its own, of a long log in two), from there by one, and from memory. Raw hashes
the same bytes of every entry once, in a plain loop.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from policies.audit_entries import Batch
from resources.postgres.audit_log import AuditLog
from resources.postgres.embedded import EmbeddedPostgres
from resources.postgres.engine import app_engine
from tests.benchmarks.audit_verifier import Batches, require_good
from tests.benchmarks.gateway_world import STUDIO, make_world

ROOT = Path(__file__).resolve().parents[2]
ROWS = 1_000_000
VERIFICATIONS = 7  # turns: memory of a shared machine is quick in some seconds and slow in others


def run(rows: int = ROWS, seconds: float = 5, turns: int = 3) -> dict[str, Any]:
    """Return appends a second, ours and raw, at 1 and 8 clients, and what verification costs.

    Args:
        rows: Entries that are there before.
        seconds: Of one turn of one side.
        turns: How often both sides of appending take their turn.
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
            verification = _verification(url)
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
    with _processes("audit_client", url, count) as clients:
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


def _verification(url: str) -> dict[str, Any]:
    engine = app_engine(url, STUDIO)
    best = dict.fromkeys(("database", "oneProcess", "memory", "raw"), float("inf"))
    with AuditLog(engine, STUDIO).view() as view, _processes("audit_verifier", url, 1) as verifiers:
        kept = list(view.batches())
        for _ in range(VERIFICATIONS):
            best["raw"] = min(best["raw"], _timed(lambda: _hash_all(kept)))
            best["memory"] = min(best["memory"], _timed(lambda: require_good(Batches(lambda: kept))))
            # Whoever verifies has no million entries in memory: each answer is of a process that has none.
            for side in ("oneProcess", "database"):
                best[side] = min(best[side], *(each / 1e6 for each in _ask(verifiers, side)))
        entries = sum(batch.count for batch in kept)
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


def _timed(act: Any) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


@contextmanager
def _processes(module: str, url: str, count: int) -> Iterator[Sequence["subprocess.Popen[bytes]"]]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.{module}", url, str(number)],
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
