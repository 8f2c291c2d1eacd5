"""``studio bench sensors``: how long a swarm's tick takes with up to a million findings waiting for it.

Every finding waits (the cursor is at the beginning) and one in a hundred is proposed, through the real
gateway, into the real ledger. ``tick`` is a whole tick as the daemon evaluates it, with its own limits on
pages and proposals; from each it goes on where it stopped. ``page`` is one page of findings that leads to no
proposal, beside the bare indexed query of the same rows, fetched and thrown away; both take turns.
"""

import itertools
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import time as time_of_day
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text

from policies.gateway import Gateway
from policies.intake import RulesScreener
from policies.registry import default_registry
from resources.clock import SystemClock
from resources.postgres.embedded import EmbeddedPostgres
from resources.postgres.engine import app_engine, ensure_databases, owner_engine
from resources.postgres.findings import Findings
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_engine import ledger_engine
from resources.postgres.migrate import migrate
from resources.postgres.swarms import Swarms
from sensors.swarms.emit import PAGE, Doors, tick
from sensors.swarms.spec import SWARMS, QuietHours, SwarmSpec, Throttle

STUDIO = "monsoonfire"
SIZES = (10_000, 100_000, 1_000_000)
LIMIT_SECONDS = 2.0
PROPOSED_EVERY = 100
TIMEZONE = "America/Phoenix"
# Never held, so that every tick does all that a tick may.
SPEC = replace(
    SWARMS[0],
    quiet_hours=QuietHours(time_of_day(0), time_of_day(0)),
    throttle=Throttle(1_000_000_000, timedelta(days=1)),
)
# Names no capability: what most findings are, and what one page is compared by.
QUIET = replace(SPEC, makers={})

_FINDINGS = """
INSERT INTO studio.findings (studio_id, finding_id, revision, number, department, detector, kind,
    subject_kind, subject_id, severity, confidence, state, since, expected, observed, likely_cause, next_step,
    capability_id, evidence, content_hash, observed_at, run_id, code_version)
SELECT '{studio}', 'fnd_' || lpad(n::text, 26, '0'), 1, n, 'operations', 'stalled_batches', 'stalled_batch',
    'batch', 'batch-' || n, 'medium', 0.95, 'open', now() - interval '9 days',
    '"loaded within 14 open days"', '"shelved since 2026-10-01"', 'It was overlooked on the shelf.',
    'Look at the shelf, and load it with the next firing.',
    CASE WHEN n % {every} = 0 THEN 'firestore.ops_note.append' END,
    jsonb_build_array(jsonb_build_object('asset', 'cloud_truth/batches', 'revision', '1', 'row', 'b' || n)),
    encode(sha256(n::text::bytea), 'hex'), now() - interval '8 days', 'run-1', '1'
FROM generate_series({first}, {last}) AS n
"""
_BARE = (
    "SELECT * FROM studio.findings WHERE studio_id = :studio AND department = 'operations' "
    "AND number > :after ORDER BY number LIMIT :page"
)


class _Everybody:
    def of(self, document_ids: Collection[str]) -> Mapping[str, str]:
        return dict.fromkeys(document_ids, "uid_owner")


def run(rows: int = SIZES[-1], ticks: int = 100, pages: int = 100) -> dict[str, Any]:
    """Return ticks and pages, ours and bare, with more and more findings waiting.

    Args:
        rows: The most findings that wait.
        ticks: Whole ticks measured at each size.
        pages: Pages measured at each size.
    """
    sizes = [size for size in SIZES if size < int(rows)] + [int(rows)]
    with TemporaryDirectory(prefix="studio-bench-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres", Path(folder) / "run", is_durable=True)
        server.start()
        try:
            ensure_databases(server.url("postgres"), ("studio",))
            url = server.url("studio")
            migrate(owner_engine(url), STUDIO)
            cases, filled = [], 0
            for size in sizes:
                _fill(url, filled + 1, size)
                filled = size
                cases.append(_measure(url, size, int(ticks), int(pages)))
        finally:
            server.stop()
    slow = [case["case"] for case in cases if case["tick"]["p99Seconds"] >= LIMIT_SECONDS]
    return {
        "ratio": min(case["ratio"] for case in cases),
        "unit": f"milliseconds of a page of {PAGE} findings",
        "results": cases,
        "limitSeconds": LIMIT_SECONDS,
        "p99SecondsWorst": max(case["tick"]["p99Seconds"] for case in cases),
        "violations": len(slow),
    }


def _fill(url: str, first: int, last: int) -> None:
    """Let findings wait, past the rules, which would look at each: they are lawful."""
    engine = owner_engine(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE studio.findings DISABLE TRIGGER ALL"))
        told = {"studio": STUDIO, "every": PROPOSED_EVERY, "first": first, "last": last}
        connection.exec_driver_sql(_FINDINGS.format(**told), execution_options={"no_parameters": True})
        connection.execute(text("ALTER TABLE studio.findings ENABLE TRIGGER ALL"))
        for rule in ("rule", "append_only"):
            connection.execute(text(f"ALTER TABLE studio.findings ENABLE ALWAYS TRIGGER findings_{rule}"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE studio.findings"))
    engine.dispose()


def _measure(url: str, size: int, ticks: int, pages: int) -> dict[str, Any]:
    engine, own = app_engine(url, STUDIO), ledger_engine(url, STUDIO)
    try:
        ledger = PostgresLedger(own, STUDIO)
        gateway = Gateway(ledger, default_registry(), clock=SystemClock(), screener=RulesScreener())
        gateway.open_studio()
        doors = Doors(
            Findings(engine, STUDIO), Swarms(engine, STUDIO), gateway, ledger, _Everybody(), SystemClock()
        )
        took, emitted, after = [], 0, 0
        for _ in range(ticks):
            began = time.perf_counter()
            done = tick(SPEC, doors, after=after, timezone=TIMEZONE)
            took.append(time.perf_counter() - began)
            emitted, after = emitted + len(done.emitted), done.number
        starts = [number * max(size - PAGE, 1) // pages for number in range(pages)]
        ours = [_timed(lambda at=at: _one_page(doors, QUIET, at)) for at in starts]
        with engine.connect() as connection:
            query = text(_BARE)

            def bare(at: int) -> None:
                found = {"studio": STUDIO, "after": at, "page": PAGE}
                connection.execute(query, found).fetchall()

            raw = [_timed(lambda at=at: bare(at)) for at in starts]
    finally:
        engine.dispose()
        own.dispose()
    return {
        "case": f"{size:,} findings waiting",
        "ratio": round(median(raw) / median(ours), 3),
        "ours": round(median(ours) * 1000, 2),
        "raw": round(median(raw) * 1000, 2),
        "tick": {
            "p50Seconds": round(median(took), 3),
            "p99Seconds": round(_percentile(took, 0.99), 3),
            "proposals": emitted,
            "dealtWith": after,
            "ticks": ticks,
        },
        "page": {"p99Ms": round(_percentile(ours, 0.99) * 1000, 2), "pages": pages},
    }


def _one_page(doors: Doors, spec: SwarmSpec, after: int) -> None:
    """Tick with a clock by which the time is up after one page."""
    instants = itertools.chain([0.0, 0.0], itertools.repeat(1e9))
    tick(spec, doors, after=after, timezone=TIMEZONE, seconds=lambda: next(instants))


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
