"""The door to raw reads: Parquet files, one per collection and read, on a disk or any fsspec URL.

A file appears whole or not at all: it is written under another name and moved when its writer is done.
Files are evidence and cache, never the truth: everything in them can be read again from the source.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_GROUP = 16_384
"""Rows buffered per Parquet row group: large enough to compress, small enough to bound memory."""

_SEGMENT = re.compile(r"\A[A-Za-z0-9_]{1,80}\Z")
_FILE = re.compile(r"(?P<at>\d{8}T\d{12}Z)\.parquet(?P<unfinished>\.[0-9a-f]{32}\.part)?\Z")
_STAMP = "%Y%m%dT%H%M%S%fZ"


class RawWriter:
    """Takes record batches of one schema and writes them as one Parquet file, with bounded memory."""

    def __init__(self, parquet: pq.ParquetWriter) -> None:
        self._parquet = parquet
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the rows of a batch; an empty batch adds nothing."""
        if batch.num_rows == 0:
            return
        self._waiting.append(batch)
        self._rows += batch.num_rows
        if self._rows >= ROWS_PER_GROUP:
            self._flush()

    def note(self, facts: Mapping[str, str]) -> None:
        """Add facts about the read to the file's metadata; never personal data."""
        self._parquet.add_key_value_metadata(dict(facts))

    def _flush(self) -> None:
        if self._waiting:
            self._parquet.write_table(pa.Table.from_batches(self._waiting), row_group_size=ROWS_PER_GROUP)
        self._waiting, self._rows = [], 0


class RawStore:
    """Raw reads under one root, as ``<studio>/<source>/<name>/<snapshot_date>/<read_at>.parquet``."""

    def __init__(self, root_url: str) -> None:
        self.root_url = root_url.rstrip("/") or "/"
        self._files, self._root = fsspec.core.url_to_fs(self.root_url)

    def url_for(self, studio_id: str, source: str, name: str, snapshot_date: date, read_at: datetime) -> str:
        """Return where a read is kept; nothing is made. Segments are plain words: no path leaves the root.

        Raises:
            ValueError: when a segment is not a plain word or ``read_at`` has no time zone.
        """
        if read_at.tzinfo is None:
            raise ValueError("read_at needs a time zone")
        for segment in (studio_id, source, name):
            if not _SEGMENT.match(segment):
                raise ValueError(f"{segment!r} cannot be part of a raw path")
        stamp = read_at.astimezone(UTC).strftime(_STAMP)
        return f"{self.root_url}/{studio_id}/{source}/{name}/{snapshot_date.isoformat()}/{stamp}.parquet"

    @contextmanager
    def writer(self, url: str, schema: pa.Schema) -> Iterator[RawWriter]:
        """Give a writer whose file appears at ``url`` only when the block ends without an error."""
        path = self._path(url)
        unfinished = f"{path}.{uuid4().hex}.part"
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        try:
            with (
                self._files.open(unfinished, "wb") as sink,
                pq.ParquetWriter(sink, schema, compression="zstd") as parquet,
            ):
                writer = RawWriter(parquet)
                yield writer
                writer._flush()  # noqa: SLF001 - the store and its writer are one thing
            self._files.mv(unfinished, path)
        except BaseException:
            if self._files.exists(unfinished):
                self._files.rm(unfinished)
            raise

    def open_table(self, url: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of a read, all of them or only some columns.

        Raises:
            FileNotFoundError: when the file is gone (retention, or a lost disk).
        """
        with self._files.open(self._path(url), "rb") as source:
            return pq.read_table(source, columns=list(columns) if columns is not None else None)

    def iter_batches(self, url: str, batch_size: int = 8192) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a read in order, a bounded number at a time."""
        with self._files.open(self._path(url), "rb") as source, pq.ParquetFile(source) as parquet:
            yield from parquet.iter_batches(batch_size=batch_size)

    def schema(self, url: str) -> tuple[pa.Schema, Mapping[str, str]]:
        """Return the schema of a read (with its metadata) and the facts its writer noted."""
        with self._files.open(self._path(url), "rb") as source, pq.ParquetFile(source) as parquet:
            stored = parquet.metadata.metadata or {}
            facts = {
                key.decode(): value.decode() for key, value in stored.items() if key.startswith(b"studio.")
            }
            return parquet.schema_arrow, facts

    def exists(self, url: str) -> bool:
        """Tell whether the file of a read is there."""
        return bool(self._files.exists(self._path(url)))

    def prune(self, retention_days: int, keep: Collection[str], *, now: datetime) -> Sequence[str]:
        """Delete reads older than the retention, and unfinished files older than a day; return what went.

        ``keep`` are URLs that stay whatever their age: the reads that current snapshots rest on. Files whose
        name is not one of ours are left alone.
        """
        kept = {self._path(url) for url in keep}
        oldest, oldest_unfinished = now - timedelta(days=retention_days), now - timedelta(days=1)
        gone = []
        for path in sorted(self._files.find(self._root)) if self._files.exists(self._root) else ():
            match = _FILE.search(path)
            if match is None or path in kept:
                continue
            read_at = datetime.strptime(match["at"], _STAMP).replace(tzinfo=UTC)
            limit = oldest_unfinished if match["unfinished"] else oldest
            if read_at < limit:
                self._files.rm(path)
                gone.append(path)
        return gone

    def _path(self, url: str) -> str:
        path = str(self._files._strip_protocol(url))  # noqa: SLF001 - fsspec's documented hook for subclasses
        root = str(self._root).rstrip("/")
        if not path.startswith(f"{root}/") or ".." in path[len(root) :].split("/"):
            raise ValueError("the URL lies outside the raw store")
        return path
