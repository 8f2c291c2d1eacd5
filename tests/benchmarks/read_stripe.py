"""How fast Stripe is read: ours against a raw HTTP loop over the same list, and the SDK's auto-paging.

The twin runs in a process of its own, without latency and without a rate limit, so what is measured is the
reader. All three ways ask for 100 objects a page. Rounds are interleaved and the best of each is taken.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import requests
import stripe

from resources.stripe.gateway import ListStats
from resources.stripe.live import live_payment_source

CASES = ("charges", "balance_transactions")
ROUNDS = 3
AUTO_PAGED_OBJECTS = 10_000
"""Auto-paging is measured on the newest objects only: its speed does not depend on how many follow."""

START_SECONDS = 300
_LATER = datetime(2100, 1, 1, tzinfo=UTC)


def run(objects: int = 60_000) -> dict[str, Any]:
    """Measure; return objects a second.

    Args:
        objects: Payments in the twin; each case reads about as many objects.

    Returns:
        ``results``: one ``{case, ratio, ours, raw}`` per case, ``ratio`` being ours / raw; ``cpu_us`` is the
        client's processor time per object. ``vs_auto_paging``: ``{case: ours / auto-paging}``. ``unit``.
    """
    results, against_sdk = [], {}
    with _twin(objects) as ready:
        base, key = ready["base_url"], ready["reader_key"]
        for case in CASES:
            ways: dict[str, Callable[[], int]] = {
                "raw": _raw_loop(base, key, case),
                "ours": _ours(base, key, case),
                "paged": _auto_paging(base, key, case),
            }
            if ways["raw"]() != ways["ours"]():
                raise RuntimeError(
                    f"The two ways read different numbers of {case}; the benchmark means nothing."
                )
            best = _measure(ways)
            ours, raw = best["ours"], best["raw"]
            results.append(
                {
                    "case": f"{case} ({ready['objects'][case]})",
                    "ratio": round(ours.per_second / raw.per_second, 3),
                    "ours": round(ours.per_second),
                    "raw": round(raw.per_second),
                    "cpu_us": {"ours": round(ours.cpu_us, 1), "raw": round(raw.cpu_us, 1)},
                }
            )
            against_sdk[case] = round(ours.per_second / best["paged"].per_second, 2)
    return {"results": results, "unit": "objects/s", "vs_auto_paging": against_sdk}


class _Speed:
    """The best of several rounds."""

    def __init__(self) -> None:
        self.per_second = 0.0
        self.cpu_us = float("inf")

    def add(self, objects: int, wall: float, cpu: float) -> None:
        """Take a round in."""
        self.per_second = max(self.per_second, objects / wall)
        self.cpu_us = min(self.cpu_us, cpu / objects * 1e6)


def _measure(ways: dict[str, Callable[[], int]]) -> dict[str, _Speed]:
    speeds = {name: _Speed() for name in ways}
    for _ in range(ROUNDS):
        for name, read in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            objects = read()
            speeds[name].add(objects, time.perf_counter() - wall, time.process_time() - cpu)
    return speeds


def _raw_loop(base: str, key: str, case: str) -> Callable[[], int]:
    def read() -> int:
        count, cursor = 0, ""
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {key}"
            while True:
                page = orjson.loads(session.get(f"{base}/v1/{case}?limit=100{cursor}", timeout=30).content)
                count += len(page["data"])
                if not page["has_more"]:
                    return count
                cursor = f"&starting_after={page['data'][-1]['id']}"

    return read


def _ours(base: str, key: str, case: str) -> Callable[[], int]:
    def read() -> int:
        source = live_payment_source(key, api_base=base)
        pages = source.list_objects(case, created_before=_LATER, stats=ListStats())
        return sum(len(page) for page in pages)

    return read


def _auto_paging(base: str, key: str, case: str) -> Callable[[], int]:
    def read() -> int:
        client = stripe.StripeClient(key, base_addresses={"api": base})
        pages = getattr(client.v1, case).list({"limit": 100})
        count = 0
        for _ in pages.auto_paging_iter():
            count += 1
            if count == AUTO_PAGED_OBJECTS:
                break
        return count

    return read


@contextlib.contextmanager
def _twin(payments: int) -> Iterator[dict[str, Any]]:
    """Run the twin with seeded payments in its own process; give what it says when it is ready."""
    command = [sys.executable, "-m", "twins.stripe.cli", "--payments", str(payments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None or process.stdin is None:
                raise RuntimeError("The twin has no pipes.")
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"The twin ended with {process.wait(START_SECONDS)} before it was ready.")
            yield json.loads(line)
            process.stdin.close()
            process.wait(START_SECONDS)
        finally:
            process.kill()


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    sys.stdout.write(json.dumps(run(wanted), indent=2) + "\n")
