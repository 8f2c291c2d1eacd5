"""How long ``up`` takes to be ready on a fresh home and on one it knows, and what its processes weigh.

The raw limit, measured in the same run, is what no arrangement of ours can avoid: making a database cluster
(fresh home only) and importing Dagster once, one after the other.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from resources.postgres.embedded import EmbeddedPostgres
from tests.acceptance.house import House

LIMIT_SECONDS = 300


def run(days: int = 60) -> dict[str, Any]:
    """Start a house twice and return seconds, ratios and memory.

    Args:
        days: Days of history of the pretend studio; they are simulated before the first snapshot.
    """
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as folder:
        house = House(Path(folder) / "home")
        raw_import, raw_cluster = _seconds_to_import(), _seconds_to_make_a_cluster(Path(folder))
        fresh = _measure(house, "--days", str(days))
        known = _measure(house)
    cases = (("fresh home", fresh, raw_import + raw_cluster), ("known home", known, raw_import))
    results = [
        {
            "case": case,
            "ratio": round(raw / measured["ready"], 3),
            "ours": measured["ready"],
            "raw": round(raw, 2),
            "secondsToFirstPage": measured["page"],
            "secondsToFirstState": measured["state"],
            "secondsPerPart": measured["parts"],
        }
        for case, measured, raw in cases
    ]
    return {
        "ratio": min(result["ratio"] for result in results),
        "unit": "seconds to ready",
        "results": results,
        "days": days,
        "memoryMb": fresh["memory"],
        "memoryMbTotal": round(sum(fresh["memory"].values()), 1),
    }


def _measure(house: House, *arguments: str) -> Mapping[str, Any]:
    started = time.monotonic()
    house.start(*arguments)
    seconds: dict[str, float] = {}
    try:
        while "ready" not in seconds:
            told = house.status()
            now = round(time.monotonic() - started, 2)
            reached = {
                "page": "checks" in told,
                "state": told.get("checks", {}).get("snapshot", False),
                "ready": told["ready"],
            }
            for name, is_reached in reached.items():
                if is_reached:
                    seconds.setdefault(name, now)
            if now > LIMIT_SECONDS:
                raise TimeoutError(f"not ready within {LIMIT_SECONDS} s: {told}\n{house.log_text()}")
            time.sleep(0.05)
        parts = house.status()["parts"]
        return {
            **seconds,
            "parts": {name: part["seconds"] for name, part in parts.items() if part["seconds"]},
            "memory": _memory(house, parts),
        }
    finally:
        house.stop()


def _memory(house: House, parts: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return proportional set size in MB by part, children included; shared pages are counted once."""
    roots = {"supervisor": house.supervisor.pid} | {
        name: part["pid"] for name, part in parts.items() if part["pid"]
    }
    weights = {}
    for name, pid in roots.items():
        # A step may end while it is being weighed; then it weighs nothing.
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            family = [process, *([] if name == "supervisor" else process.children(recursive=True))]
            weights[name] = round(sum(_weight(each) for each in family) / 1e6, 1)
    return weights


def _weight(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


def _seconds_to_import() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import dagster"], check=True)
    return time.perf_counter() - started


def _seconds_to_make_a_cluster(folder: Path) -> float:
    server = EmbeddedPostgres(folder / "raw", folder / "raw-run")
    started = time.perf_counter()
    server.start()
    seconds = time.perf_counter() - started
    server.stop()
    return seconds
