"""Streams the audit log in batches: the server puts columns side by side, a thread reads ahead.

A batch is a few rows of binary COPY. The bytes of entries are put together here, and that columns repeat
their payloads is checked here, too: by how payloads must begin and end. A row that does not look so is only
counted, and the verifier looks at it itself.
"""

import struct
import threading
from collections.abc import Callable, Iterator
from functools import cache
from itertools import repeat
from queue import Empty, Full, Queue
from typing import Final

from psycopg2.extensions import QuotedString
from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2 names its classes so

from policies.audit_entries import Batch
from resources.postgres.audit_columns import SEPARATOR, Columns, Values, batch_of

ROWS: Final = 4096  # enough that steps per batch cost little: 0.2 ms, whatever its size
_PIECES: Final = 8  # in which the server makes a batch: they need not wait for room in the socket
_SPAN: Final = 100_000  # numbers one COPY asks for, at most; beyond a gap the next one begins
_AHEAD: Final = 2
_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_HEADER_BYTES: Final = 19
_COUNT: Final = struct.Struct("!h")
_LENGTH: Final = struct.Struct("!i")
_WAIT_SECONDS: Final = 0.1
_MOST: Final = 2**63 - 1  # the largest number there may be; beyond it the server counts no further
# The C library may give large pieces of memory back to the system as soon as they are free, and every batch
# would need new ones, page by page: up to a third of all time. Once a piece of this size was freed, it keeps
# them.
_KEPT_BYTES: Final = 16 * 2**20
# Values are not escaped here: one that needs it does not fit its payload, or shows by its quotation marks or
# backslashes. Each || costs as much as an aggregate, and a long text more than a short one; what is the same
# for all rows is put around them later. Null is a value, too: else two values in one row could stand for the
# next one's, where a column was let be null. Nor are rows sorted here: they come as the pages have them, and
# that is the order of their numbers but for a row that found the place of one that was never committed.
_BATCH: Final = """
COPY (
SELECT found.*
FROM generate_series('%(first)s'::bigint, '%(last)s', %(rows)s) AS range (start),
LATERAL (
    SELECT count(*), count(*) FILTER (WHERE octet_length(prev_hash) <> 32 OR octet_length(hash) <> 32),
        string_agg(int8send(seq), ''), string_agg(prev_hash, ''), string_agg(hash, ''),
        string_agg(payload, ''), string_agg(int4send(octet_length(payload)), ''),
        string_agg(timestamptz_send(at), ''),
        string_agg(coalesce(actor_id || '","kind":"' || actor_kind || CASE WHEN principal_id = actor_id
            THEN '","owner":null' ELSE '","owner":"' || principal_id || '"' END, ''), E'\\x1e'),
        string_agg(coalesce(name || coalesce('","state":"' || state || '"', '","state":null'), ''), E'\\x1e'),
        string_agg(coalesce(subject_id || '","kind":"' || subject_kind, ''), E'\\x1e')
    FROM (
        SELECT * FROM studio.audit_events
        WHERE studio_id = %(studio)s
            AND seq >= range.start AND seq <= least(range.start, %(brim)s) + (%(rows)s - 1)
    ) AS entries
) AS found
) TO STDOUT (FORMAT binary)
"""


def batches(connection: Connection, studio_id: str, rows: int = ROWS) -> Iterator[Batch]:
    """Yield all entries of a studio in order of their numbers, at most ``rows`` at a time.

    Nobody else may use the connection until the iterator ends or is closed.

    Raises:
        psycopg2.Error: The server does not answer or refuses.
    """
    reader = _Reader(connection, studio_id, rows)
    reader.start()
    try:
        while (found := reader.ready.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield batch_of(found)
    finally:
        reader.stop()


def see(connection: Connection, snapshot: str) -> None:
    """Let a connection on which nothing was done yet see an exported moment."""
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET TRANSACTION SNAPSHOT %s", (snapshot,))


def copy_columns(
    connection: Connection, studio_id: str, firsts: range, take: Callable[[Columns], None]
) -> None:
    """Hand over entries batch by batch; of an empty one nothing. Batches are in order of their numbers.

    Args:
        connection: Nobody else may use it meanwhile.
        studio_id: Whose entries.
        firsts: The first number of each batch; the step is how many numbers one has.
        take: What each batch is handed over to.

    Raises:
        psycopg2.Error: The server does not answer or refuses. Errors of ``take`` come through as they are.
    """
    _keep_memory()
    pieces = 1 if firsts.step % _PIECES else _PIECES
    rows = firsts.step // pieces
    quoted = QuotedString(studio_id)
    quoted.prepare(connection)
    values = {
        "studio": quoted.getquoted().decode(),
        "first": firsts.start,
        "last": min(firsts.stop - 1, _MOST),
        "rows": rows,
        "brim": _MOST - (rows - 1),
    }
    copy = _Copy(studio_id, pieces, take)
    with connection.cursor() as cursor:
        # All rows of a page at a time: a row at a time costs the server a tenth more.
        cursor.execute("SET LOCAL enable_indexscan = off")
        cursor.copy_expert(_BATCH % values, copy)
        cursor.execute("SET LOCAL enable_indexscan = on")
    copy.flush()


@cache
def _keep_memory() -> None:
    """Let the C library keep what is freed, from now on."""
    bytearray(_KEPT_BYTES)


class _Copy:
    """What a COPY writes into: batches are handed over as soon as all pieces of one are there."""

    def __init__(self, studio_id: str, pieces: int, take: Callable[[Columns], None]) -> None:
        self._studio_id = studio_id
        self._pieces = pieces
        self._take = take
        self._piece = b""
        self._rows: list[list[memoryview]] = []

    def write(self, copied: bytes) -> None:
        """Take a piece of the copy: mostly a row, but nothing promises that."""
        self._piece += copied
        while (row := _row(self._piece)) is not None:
            fields, length = row
            self._piece = self._piece[length:]
            self._rows.append(fields)
            if len(self._rows) == self._pieces:
                self.flush()

    def flush(self) -> None:
        """Hand over what is there."""
        rows, self._rows = [row for row in self._rows if _integer(row[0])], []
        if rows:
            self._take(_columns(rows, self._studio_id))


class _StoppedError(Exception):
    """Nobody wants the rest."""


class _Reader(threading.Thread):
    """Reads rows of COPY into a short queue. ``ready`` ends with null, or with the error that ended it."""

    def __init__(self, connection: Connection, studio_id: str, rows: int) -> None:
        super().__init__(name="audit-reader", daemon=True)
        self.ready: Queue[Columns | BaseException | None] = Queue(_AHEAD)
        self._connection = connection
        self._studio_id = studio_id
        self._rows = rows
        self._span = rows * max(_SPAN // rows, 1)  # whole batches: nothing is read twice where one ends
        self._is_stopped = threading.Event()

    def run(self) -> None:
        """Read to the end."""
        try:
            first = self._first_from(None)
            while first is not None:
                span = range(first, first + self._span, self._rows)
                copy_columns(self._connection, self._studio_id, span, self._hand_over)
                first = self._first_from(first + self._span)
            self._hand_over(None)
        except _StoppedError:
            return
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
            self._hand_over(error)

    def stop(self) -> None:
        """Stop reading and wait until the connection is free."""
        self._is_stopped.set()
        while self.is_alive():
            try:
                self.ready.get(timeout=_WAIT_SECONDS)
            except Empty:
                continue
        self.join()

    def _hand_over(self, found: Columns | BaseException | None) -> None:
        while not self._is_stopped.is_set():
            try:
                self.ready.put(found, timeout=_WAIT_SECONDS)
            except Full:
                continue
            return
        if not isinstance(found, BaseException):
            raise _StoppedError

    def _first_from(self, seq: int | None) -> int | None:
        """Return the first number there is, from one on; null after the last."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT min(seq) FROM studio.audit_events WHERE studio_id = %s AND (%s IS NULL OR seq >= %s)",
                (self._studio_id, seq, seq),
            )
            (first,) = cursor.fetchall()[0]
        return None if first is None else int(first)


def _columns(rows: list[list[memoryview]], studio_id: str) -> Columns:
    """Return the columns of all the rows of a COPY, one after the other."""
    fields = list(zip(*rows, strict=True))
    seqs, prev_hashes, hashes, payloads, lengths, ats = map(b"".join, fields[2:8])
    return Columns(
        count=sum(map(_integer, fields[0])),
        seqs=seqs,
        prev_hashes=prev_hashes,
        hashes=hashes,
        odd_hashes=sum(map(_integer, fields[1])),
        payloads=payloads,
        lengths=lengths,
        ats=ats,
        values=Values(*map(SEPARATOR.join, fields[8:])),
        studio=studio_id,
    )


def _row(copied: bytes) -> tuple[list[memoryview], int] | None:
    """Return the fields of the first row of a binary COPY and its length; null when it is not all there.

    A null field is empty. The end of the copy is no row.
    """
    at = _HEADER_BYTES if copied.startswith(_SIGNATURE) else 0
    if len(copied) < at + _COUNT.size:
        return None
    (count,) = _COUNT.unpack_from(copied, at)
    at += _COUNT.size
    fields, piece = [], memoryview(copied)
    for _ in repeat(None, count):
        if len(copied) < at + _LENGTH.size:
            return None
        length = max(_LENGTH.unpack_from(copied, at)[0], 0)
        at += _LENGTH.size
        fields.append(piece[at : at + length])
        at += length
    return (fields, at) if fields and len(copied) >= at else None


def _integer(field: memoryview) -> int:
    return int.from_bytes(field, "big", signed=True)
