"""How fast Firestore is read, beside two yardsticks measured in the same run.

``ratio`` is documents per second of the product's path (scan to typed rows) over those of a bare stream of
the same query that nobody looks at: how near the reader comes to the wire. ``stream_ratio`` is the same
against the vendor's ``stream()`` and ``to_dict()``. Documents and projections are the contracts' own.

Clients are measured in a process of their own against a server in another. ``replay`` answers with bytes made
beforehand, so that what is measured is the client; ``twin`` is the house's own Firestore, which spends more
on a document than any client, so that there every way of reading is about as fast as the server. The two ways
of a ratio take turns in one process, and the best turn of each counts: whatever else the machine does can
only slow a turn down.
"""

import os
import platform
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from studio_assets.cloud_truth.rows import RowReader
from studio_assets.contracts.catalog import collection
from tests.benchmarks import read_stripe
from tests.benchmarks.sample_documents import sample_fields, sample_ids

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ("batches", "reservations", "materials_orders")
_DOCUMENTS_PER_MODE = 200_000  # turns are repeated until about so many documents were read...
_FEWEST_TURNS = 8  # ...and at least so often
_TIMEOUT_SECONDS = 600
_SLOW_LIMIT = 10_000  # beyond this, the vendor's stream() is measured for the first contract only
_MEGABYTE = 1e6


def run(sizes: Sequence[int] | int = (10_000, 100_000), stripe_objects: int = 60_000) -> dict[str, Any]:
    """Measure every contract at every size (one, or several), then Stripe, and return the report.

    ``results`` has one entry per server, contract and size: documents per second, CPU microseconds per
    document and memory above the imports, for the product's path (``ours``), the bare stream (``raw``), with
    content hash (``hashed``), as a whole read with Parquet and proof (``whole``), and where measured the
    vendor's way (``stream``). The ratios above them are the worst of all cases, ``stream_ratio`` of those
    where the server is not the limit. ``memory_growth_mb`` is how much more a whole read of the largest size
    needs than one of the smallest, and ``kept_growth_mb`` how much more its kept columns would take if they
    were held in memory, both for the contract that grows most. Cases that begin with ``stripe`` are objects
    per second beside a loop of bare HTTP requests; ``auto_paging_ratio`` is the worst against the SDK's own.
    """
    sizes = (sizes,) if isinstance(sizes, int) else sizes
    results = [
        _case("replay", contract, size, with_stream=size <= _SLOW_LIMIT or contract == CONTRACTS[0])
        for contract in CONTRACTS
        for size in sizes
    ]
    results += [_case("twin", CONTRACTS[0], size, with_stream=size <= _SLOW_LIMIT) for size in sizes]
    growth = {
        contract: _memory(results, contract, max(sizes)) - _memory(results, contract, min(sizes))
        for contract in CONTRACTS
    }
    stripe = read_stripe.run(stripe_objects)
    hungriest = max(growth, key=lambda contract: growth[contract])
    return {
        "bench": "read",
        "unit": "documents/s, and objects/s of Stripe",
        "ratio": min(result["ratio"] for result in (*results, *stripe["results"])),
        "auto_paging_ratio": min(stripe["vs_auto_paging"].values()),
        "cpu_ratio": min(result["cpu_ratio"] for result in results),
        "stream_ratio": min(
            result["stream_ratio"]
            for result in results
            if "stream_ratio" in result and result["case"].startswith("replay")
        ),
        "memory_growth_mb": round(growth[hungriest], 1),
        "kept_growth_mb": round(_kept_bytes(hungriest) * (max(sizes) - min(sizes)) / _MEGABYTE, 1),
        "results": results + [{**each, "case": f"stripe {each['case']}"} for each in stripe["results"]],
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "load": round(os.getloadavg()[0], 1),
        },
    }


def _memory(results: Sequence[dict[str, Any]], contract: str, size: int) -> float:
    (found,) = (result for result in results if result["case"] == f"replay {contract} {size}")
    return float(found["memory_mb"]["whole"])


def _kept_bytes(contract: str) -> float:
    """Return how many bytes the kept columns of one document take as Arrow."""
    described, dice, count = collection(contract), random.Random(1), 1000
    records = [sample_fields(described, dice) for _ in range(count)]
    return float(RowReader(described).read(sample_ids(count), records).nbytes / count)


def _case(server: str, contract: str, count: int, *, with_stream: bool) -> dict[str, Any]:
    turns = max(_FEWEST_TURNS, _DOCUMENTS_PER_MODE // count)
    with _serving(server, contract, count) as host:
        best = _measure("raw,ours", turns, host, contract, count)
        best["ours"]["memory"] = _measure("ours", 1, host, contract, count)["ours"]["memory"]
        best |= _measure("hashed", 2, host, contract, count) | _measure("whole", 2, host, contract, count)
        if with_stream:
            best |= _measure("stream", 1, host, contract, count)
    speed = {mode: round(count / found["wall"]) for mode, found in best.items()}
    cpu = {mode: round(found["cpu"] / count * 1e6, 2) for mode, found in best.items()}
    result = {
        "case": f"{server} {contract} {count}",
        "ratio": round(speed["ours"] / speed["raw"], 3),
        "cpu_ratio": round(cpu["raw"] / cpu["ours"], 3),
        **speed,
        "cpu_us": cpu,
        "memory_mb": {mode: round(found["memory"] / _MEGABYTE, 1) for mode, found in best.items()},
    }
    if with_stream:
        result["stream_ratio"] = round(speed["ours"] / speed["stream"], 2)
    return result


def _measure(modes: str, turns: int, host: str, contract: str, count: int) -> dict[str, dict[str, float]]:
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.read_client",
        modes,
        str(turns),
        host,
        contract,
        str(count),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=_TIMEOUT_SECONDS, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the client of {modes} failed: {done.stderr.decode()[-2000:]}")
    found: dict[str, dict[str, float]] = orjson.loads(done.stdout)
    return found


@contextmanager
def _serving(server: str, contract: str, count: int) -> Iterator[str]:
    """Give the address of a server that lives as long as the block."""
    command = [sys.executable, "-m", "tests.benchmarks.read_server", server, contract, str(count)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdout is None:
            raise RuntimeError("the server has no output")
        host = process.stdout.readline().decode().strip()
        if not host:
            raise RuntimeError("the server did not start")
        try:
            yield host
        finally:
            process.kill()


if __name__ == "__main__":
    chosen = [int(size) for size in sys.argv[1:]] or [10_000, 100_000]
    sys.stdout.write(orjson.dumps(run(chosen), option=orjson.OPT_INDENT_2).decode() + "\n")
