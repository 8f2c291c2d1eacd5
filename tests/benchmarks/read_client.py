"""Ways of reading, measured in a process of their own.

``python -m tests.benchmarks.read_client MODE[,MODE] TIMES HOST CONTRACT COUNT`` reads TIMES times, the modes
taking turns, and prints one JSON object per mode: the best wall and CPU seconds, and how far the first read
raised memory above what the imports took.
"""

import gc
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import orjson
import pandas as pd  # noqa: F401 - Arrow imports it at its first array; the product has it loaded long before
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from resources.firestore.gateway import CollectionQuery, ScanStats
from resources.firestore.live import LiveDocumentSource
from resources.firestore.live_query import QueryBuilder
from resources.raw_store import RawStore
from resources.rows import Completeness
from studio_assets.cloud_truth.content_hash import ContentHash
from studio_assets.cloud_truth.read import read_collection
from studio_assets.cloud_truth.rows import RowReader
from studio_assets.contracts.catalog import collection
from studio_assets.contracts.model import Collection

PROJECT = "bench"
# Later than any document of the benchmark; servers that keep versions are asked for their own present.
READ_AT = datetime(2026, 6, 1, tzinfo=UTC)


class CountedSource(LiveDocumentSource):
    """The live door, told how many documents there are: the replaying server answers no counts."""

    documents = 0

    def count(self, *_args: object, **_options: object) -> int:
        """Return the number the benchmark knows."""
        return self.documents


def ours(host: str, contract: Collection, count: int) -> int:
    """Scan and read into typed rows: the product's path."""
    reader, rows = RowReader(contract), 0
    with LiveDocumentSource(PROJECT, emulator_host=host) as source:
        query = CollectionQuery(contract.path, contract.field_paths)
        for batch in source.scan(query, read_time=READ_AT, stats=ScanStats()):
            rows += reader.read_batch(batch).num_rows
            del batch
    return rows


def hashed(host: str, contract: Collection, count: int) -> int:
    """As ours, with the content hash."""
    reader, content, rows = RowReader(contract), ContentHash(contract), 0
    with LiveDocumentSource(PROJECT, emulator_host=host) as source:
        query = CollectionQuery(contract.path, contract.field_paths)
        for batch in source.scan(query, read_time=READ_AT, stats=ScanStats()):
            found = reader.read_batch(batch)
            del batch
            content.update(found)
            rows += found.num_rows
    return rows


def whole(host: str, contract: Collection, count: int) -> int:
    """Everything a read does: scan, rows, hash, Parquet, proof."""
    with TemporaryDirectory() as folder, CountedSource(PROJECT, emulator_host=host) as source:
        source.documents = count
        report = read_collection(
            source,
            contract,
            RawStore(folder),
            studio_id="bench",
            snapshot_date=READ_AT.date(),
            read_at=READ_AT,
        )
    if report.completeness is not Completeness.FULL:
        raise RuntimeError(report.reason)
    return report.documents


def raw(host: str, contract: Collection, count: int) -> int:
    """The limit: the same query as one stream of bytes that nobody looks at."""
    options = (
        ("grpc.max_receive_message_length", -1),
        (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
    )
    query = CollectionQuery(contract.path, contract.field_paths)
    request = QueryBuilder(PROJECT, "(default)").scan(query, READ_AT, count + 1, ())
    documents = 0
    with grpc.insecure_channel(host, options=options) as channel:
        run = channel.unary_stream("/google.firestore.v1.Firestore/RunQuery")
        for _ in run(request.SerializeToString(), metadata=[("authorization", "Bearer owner")]):
            documents += 1
    return documents


def stream(host: str, contract: Collection, count: int) -> int:
    """The vendor's own way: ``stream()`` and ``to_dict()``."""
    client = firestore.Client(
        project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": host}
    )
    client._emulator_host = host
    query = client.collection(contract.path).select(list(contract.field_paths))
    return sum(1 for document in query.stream() if document.to_dict() is not None)


MODES: dict[str, Callable[[str, Collection, int], int]] = {
    "ours": ours,
    "hashed": hashed,
    "whole": whole,
    "raw": raw,
    "stream": stream,
}


def _memory(key: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def main() -> None:
    """Run the modes in turns and report the best of each."""
    modes, times, host, contract, count = sys.argv[1].split(","), int(sys.argv[2]), *sys.argv[3:]
    gc.collect()
    before = _memory("VmRSS")
    best: dict[str, dict[str, float]] = {}
    for _ in range(times):
        for mode in modes:
            found = _once(mode, host, collection(contract), int(count))
            known = best.setdefault(mode, {**found, "memory": _memory("VmHWM") - before})
            best[mode] = {**known, **{key: min(value, known[key]) for key, value in found.items()}}
    sys.stdout.write(orjson.dumps(best).decode())


def _once(mode: str, host: str, contract: Collection, count: int) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    documents = MODES[mode](host, contract, count)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if documents not in {count, count + 1}:  # a bare stream also counts a last message without a document
        raise SystemExit(f"{mode} read {documents} of {count} documents")
    return {"wall": wall, "cpu": cpu}


if __name__ == "__main__":
    main()
