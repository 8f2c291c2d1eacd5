"""``studio bench connectors``: what a read costs beside the bare wire, and what a dead device costs a run.

Reads go through the runner of the product, with circuits and records in PostgreSQL, to a pretend hub and
pretend robots in another process. Healthy: beside the limit measured in turns with it. For the hub that is
one connection kept open, the same three answers, and a JSON parser; for the robots the vendor's library
without our guard, with a manager for every read as ours has it (``rawKept``: with one kept for all reads).

Dead: both connectors are read at the same time, as a snapshot's step does, with the product's own patience.
``ours`` is the time until the first call gave up, ``raw`` its deadline; then the circuit is opened by further
failures, and a call is asked again. A call that outlasts its deadline counts as a violation.

With ``--soak`` both are polled for a long while under random faults instead; see ``connector_soak``.
"""

import itertools
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from resources.clock import SystemClock
from resources.connector import Connector, ConnectorError, Fault
from resources.connectors.runner import CallPolicy, ConnectorRunner
from resources.logs import configure_logs
from tests.benchmarks.connector_raw import RawReader
from tests.benchmarks.connector_soak import soak as run_soak
from tests.benchmarks.connector_twins import TwinsApart
from tests.benchmarks.connector_world import (
    APP_ID,
    TOKEN,
    Database,
    hub_connector,
    product_policies,
    robot_connector,
)

SIZES = (1, 5, 20)
READS = 30
REFUSED_CALLS = 50
SLACK_SECONDS = 0.25
PERIOD = 6.0
# What is dead, and the faults that make it so: for the hub, and for robots, broker and cloud.
DEATHS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "refused": {"hubitat": ("refused",), "roborock": ("refused", "broker_down")},
    "black hole": {"hubitat": ("black_hole",), "roborock": ("black_hole", "broker_hangs")},
    "mute": {"hubitat": ("timeout",), "roborock": ("mute",)},
}


def run(
    soak: int = 0, minutes: float = 30, seed: int | None = None, period: float = PERIOD, reads: int = READS
) -> dict[str, Any]:
    """Return milliseconds of a read, ours and raw, and seconds until a dead one is given up.

    Args:
        soak: Not 0 polls for ``minutes`` instead.
        minutes: Of the soak.
        seed: Of the soak's faults; random if null.
        period: Of the soak's polls, seconds.
        reads: Healthy reads per case.
    """
    configure_logs("bench", level="error")  # each failure is expected here
    if soak:
        chosen = secrets.randbelow(10**9) if seed is None else int(seed)
        return run_soak(float(minutes), chosen, float(period))
    results: list[dict[str, Any]] = []
    with TemporaryDirectory(prefix="studio-bench-") as name, Database(Path(name)) as database:
        for devices in SIZES:
            folder = Path(name) / str(devices)
            folder.mkdir()
            with TwinsApart(devices, folder / "session.json") as twins:
                runners = _runners(folder, twins, database)
                results += _healthy(devices, folder, twins, runners, int(reads))
                results += _dead(devices, twins, runners, database)
    late = [one for one in results if "deadline" in one and one["ours"] > one["deadline"] + SLACK_SECONDS]
    return {
        "ratio": min(one["ratio"] for one in results if "deadline" not in one),
        "unit": "ms a read, or s until given up",
        "results": results,
        "violations": len(late),
        "wrong": [one["case"] for one in late],
    }


def _runners(folder: Path, twins: TwinsApart, database: Database) -> Mapping[str, ConnectorRunner]:
    policies = product_policies()
    return {
        made.connector_id: _runner(made, database, policies[made.connector_id])
        for made in (hub_connector(twins), robot_connector(folder))
    }


def _runner(connector: Connector, database: Database, policy: CallPolicy) -> ConnectorRunner:
    return ConnectorRunner(
        connector, breakers=database.breakers, calls=database.calls, clock=SystemClock(), policy=policy
    )


def _healthy(
    devices: int, folder: Path, twins: TwinsApart, runners: Mapping[str, ConnectorRunner], reads: int
) -> Iterator[dict[str, Any]]:
    with _bare_hub(twins) as raw:
        sides = {"ours": _timed(lambda: _count(runners["hubitat"], devices)), "raw": _timed(raw)}
        yield _beside(f"hubitat, {_devices(devices)}, healthy", sides, reads)
    with RawReader(folder / "session.json", twins.addresses) as library:

        def read(way: str) -> tuple[float, float]:
            seconds, cpu, count = library.read(way)
            if count != devices:
                raise RuntimeError(f"the library read {count} of {devices} robots")
            return seconds, cpu

        sides = {
            "ours": _timed(lambda: _count(runners["roborock"], devices)),
            "raw": lambda: read("fresh"),
            "rawKept": lambda: read("kept"),
        }
        yield _beside(f"roborock, {_devices(devices)}, healthy", sides, reads)


def _devices(count: int) -> str:
    return f"{count} device{'s' if count > 1 else ''}"


def _timed(act: Callable[[], object]) -> Callable[[], tuple[float, float]]:
    """Return a function that does it and returns the seconds and this process's CPU seconds it took."""

    def timed() -> tuple[float, float]:
        started, cpu = time.perf_counter(), time.process_time()
        act()
        return time.perf_counter() - started, time.process_time() - cpu

    return timed


def _beside(case: str, sides: Mapping[str, Callable[[], tuple[float, float]]], reads: int) -> dict[str, Any]:
    """Let all sides take turns; return the medians. The first turn of each is not counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(reads + 1):
        for name, act in sides.items():
            one = act()
            if number:
                taken[name].append(one)
    wall = {name: round(median(one for one, _ in values) * 1000, 2) for name, values in taken.items()}
    cpu = {name: round(median(one for _, one in values) * 1000, 2) for name, values in taken.items()}
    return {
        "case": case,
        "ratio": round(wall["raw"] / wall["ours"], 3),
        **wall,
        "cpuMs": cpu,
        "cpuRatio": round(cpu["raw"] / cpu["ours"], 3),
    }


def _count(runner: ConnectorRunner, devices: int) -> None:
    reading = runner.read()
    if len(reading.devices) != devices or reading.failures:
        raise RuntimeError(f"read {len(reading.devices)} of {devices} devices: {reading.failures}")


@contextmanager
def _bare_hub(twins: TwinsApart) -> Iterator[Callable[[], None]]:
    with httpx.Client(trust_env=False, timeout=10) as client:

        def read() -> None:
            for path in ("devices/all", "modes", "hsm"):
                json.loads(
                    client.get(f"{twins.hub_url}/apps/api/{APP_ID}/{path}?access_token={TOKEN}").content
                )

        yield read


def _dead(
    devices: int, twins: TwinsApart, runners: Mapping[str, ConnectorRunner], database: Database
) -> Iterator[dict[str, Any]]:
    policies = product_policies()
    for death, kinds in DEATHS.items():
        for connector in runners:
            twins.fail(connector, *kinds[connector])
        before = twins.status()["requests"]
        started = time.perf_counter()
        first = _both(runners)
        step_seconds = round(time.perf_counter() - started, 2)
        asked = twins.status()["requests"]
        for connector, runner in runners.items():
            _open(connector, database)
            again = sorted(_given_up(runner)[0] for _ in range(REFUSED_CALLS))
            deadline = policies[connector].deadline_seconds
            seconds, fault = first[connector]
            yield {
                "case": f"{connector}, {_devices(devices)}, {death}",
                "ratio": round(deadline / seconds, 2),
                "ours": round(seconds, 3),
                "raw": deadline,
                "deadline": deadline,
                "fault": fault,
                "arrived": asked[connector] - before[connector],
                "openMs": round(median(again) * 1000, 2),
                "openWorstMs": round(again[-1] * 1000, 2),
                "arrivedWhileOpen": twins.status()["requests"][connector] - asked[connector],
                "bothAtOnceSeconds": step_seconds,
            }
        for connector in runners:
            twins.clear(connector)
            database.breakers.recover(connector)


def _both(runners: Mapping[str, ConnectorRunner]) -> Mapping[str, tuple[float, str]]:
    found: dict[str, tuple[float, str]] = {}

    def read(connector: str, runner: ConnectorRunner) -> None:
        found[connector] = _given_up(runner)

    threads = [threading.Thread(target=read, args=pair) for pair in runners.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _given_up(runner: ConnectorRunner) -> tuple[float, str]:
    started = time.perf_counter()
    try:
        runner.read()
    except ConnectorError as error:
        return time.perf_counter() - started, error.fault.value
    raise RuntimeError("what should be dead was read")


def _open(connector: str, database: Database) -> None:
    """Open the circuit as failures do: by calls that fail, but at once."""
    failing = _runner(_Failing(connector), database, replace(product_policies()[connector], attempts=1))
    for _ in itertools.repeat(None, failing_calls(connector)):
        _given_up(failing)


def failing_calls(connector: str) -> int:
    """Return how many failures open a circuit of the product."""
    return product_policies()[connector].breaker.failures_to_open


class _Failing:
    """A connector to something that is not there."""

    version = "1"
    is_read_only = True

    def __init__(self, connector_id: str) -> None:
        self.connector_id = connector_id

    def read(self, deadline_seconds: float) -> Any:
        """Fail."""
        raise ConnectorError(Fault.UNAVAILABLE, "Nobody is there.")

    def health(self, deadline_seconds: float) -> Any:
        """Fail."""
        return self.read(deadline_seconds)

    def execute(self, command: object, *, is_dry_run: bool, deadline_seconds: float) -> Any:
        """Fail."""
        return self.read(deadline_seconds)

    def close(self) -> None:
        """Do nothing."""
