"""``studio bench snapshot``: what the main job costs, and how much of it is not reading and counting.

The cloud is a pretend studio in a process of its own, written once. Ours is ``run_snapshot`` on a real
PostgreSQL: concurrent reads, checks, history, diff, drift, and a run recorded by Dagster. Raw is the same
collections read one after another and counted, in this process, with nothing kept but the rows. Both are the
best of several turns, so a busy machine disturbs less. ``read`` in the split is the time waited for reads.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import orjson

from resources.clock import local_date
from resources.firestore.live import LiveDocumentSource
from resources.postgres.embedded import EmbeddedPostgres
from resources.postgres.engine import ensure_databases, owner_engine
from resources.postgres.migrate import migrate
from resources.raw_store import RawStore
from resources.settings import Settings, load_settings
from resources.stripe.live import live_payment_source
from studio_assets.cloud_truth.read import read_collection
from studio_assets.cloud_truth.stripe_read import read_payment_objects
from studio_assets.contracts import catalog
from studio_assets.run import Doors, SnapshotRun, run_snapshot
from studio_assets.studio_state.counters import count_state, required_columns

CHECKOUT = Path(__file__).resolve().parents[2]
WORLD_SECONDS = 900
TURNS = 3


def run(size: str = "small", days: int = 30, turns: int = TURNS) -> dict[str, Any]:
    """Return seconds of a cold and a warm run, where they go, and the ratio raw / ours (1 = free)."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="studio-bench-")))
        environment = {**stack.enter_context(_twins(str(size), days)), "STUDIO_HOME": str(home)}
        environment |= stack.enter_context(_databases(home))
        settings = load_settings(environment)
        (home / "dagster").mkdir()
        (home / "dagster" / "dagster.yaml").write_bytes((CHECKOUT / "dagster.yaml").read_bytes())
        dagster_environment = {
            "DAGSTER_HOME": str(home / "dagster"),
            "DAGSTER_PG_URL": environment["DAGSTER_PG_URL"],
        }
        stack.enter_context(patch.dict(os.environ, dagster_environment))
        import dagster as dg

        with dg.DagsterInstance.get() as instance:
            cold = _succeeded(run_snapshot(instance, settings))
            warm = min(
                (_succeeded(run_snapshot(instance, settings)) for _ in range(turns)),
                key=lambda each: each.phases["total"],
            )
        bare = min(_bare(settings, home / f"bare{turn}") for turn in range(turns))
    ours = warm.phases["total"]
    documents = sum(read.documents for read in warm.sources.values())
    case = {
        "case": f"{documents} documents, warm",
        "ratio": _rounded(bare / ours),
        "ours": ours,
        "raw": _rounded(bare),
    }
    return {
        "ratio": case["ratio"],
        "unit": "seconds",
        "results": [case],
        "documents": documents,
        "coldSeconds": cold.phases["total"],
        "warmSeconds": ours,
        "split": {"cold": dict(cold.phases), "warm": dict(warm.phases)},
        "overheadSeconds": _rounded(ours - warm.phases["read"]),
        "checks": warm.checks_passed,
    }


def _succeeded(found: SnapshotRun) -> SnapshotRun:
    if not found.success:
        raise RuntimeError("; ".join(found.errors))
    return found


def _bare(settings: Settings, folder: Path) -> float:
    """Return the seconds of reading every collection one after another and counting."""
    doors = Doors(
        documents=LiveDocumentSource(
            settings.firestore_project, emulator_host=settings.firestore_emulator_host
        ),
        payments=live_payment_source(_key(settings), api_base=settings.stripe_api_base),
        raw=RawStore(str(folder)),
    )
    started = time.perf_counter()
    read_at = doors.documents.read_time()
    same = {"studio_id": "bench", "snapshot_date": local_date(read_at, settings.timezone), "read_at": read_at}
    reads = {}
    for contract in catalog.ALL:
        if contract.source == "firestore":
            reads[contract.name] = read_collection(doors.documents, contract, doors.raw, **same)
        else:
            reads[contract.name] = read_payment_objects(doors.payments, contract, doors.raw, **same)
    tables = {
        name: doors.raw.open_table(reads[name].raw_url, columns)
        for name, columns in required_columns().items()
    }
    count_state(tables, read_at, settings.timezone)
    seconds = time.perf_counter() - started
    doors.documents.close()
    return seconds


def _key(settings: Settings) -> str:
    return settings.stripe_key.get_secret_value()


@contextmanager
def _databases(home: Path) -> Iterator[Mapping[str, str]]:
    """Give two databases on a server of their own, durable as in the product."""
    server = EmbeddedPostgres(home / "postgres", home / "run")
    server.start()
    try:
        ensure_databases(server.url("postgres"), ["studio", "dagster"])
        migrate(owner_engine(server.url("studio")), "monsoonfire")
        yield {"STUDIO_DATABASE_URL": server.url("studio"), "DAGSTER_PG_URL": server.url("dagster")}
    finally:
        server.stop()


@contextmanager
def _twins(size: str, days: int) -> Iterator[Mapping[str, str]]:
    """Give the environment of twins whose world has been written."""
    command = [sys.executable, "-m", "twins", "up", "--json", "--size", size, "--days", str(days)]
    with (
        TemporaryDirectory(prefix="studio-twins-") as folder,
        (Path(folder) / "log").open("wb") as log,
        subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=log) as twins,
    ):
        try:
            environment = orjson.loads(twins.stdout.readline())
            _await_world(twins, Path(folder) / "log")
            yield environment
        finally:
            twins.terminate()


def _await_world(twins: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = datetime.now(UTC).timestamp() + WORLD_SECONDS
    while b'"world:history:ready"' not in log.read_bytes():
        if twins.poll() is not None or datetime.now(UTC).timestamp() > deadline:
            raise RuntimeError("the pretend studio was not written in time")
        time.sleep(0.2)


def _rounded(seconds: float) -> float:
    return round(seconds, 3)
