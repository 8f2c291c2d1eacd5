"""Streams the audit log in batches: the server puts the bytes together, a thread reads ahead.

A batch is one row of binary COPY. That columns repeat their payloads is checked here by how payloads must
begin and end; a row that does not look so is only counted, and the verifier looks at it itself.
"""

import struct
import threading
from collections.abc import Iterator, Sequence
from itertools import repeat
from queue import Empty, Full, Queue
from typing import Any, Final

from psycopg2.extensions import QuotedString
from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2 names its classes so

from policies.audit_entries import Batch

ROWS: Final = 500  # a batch stays in the processor's cache
_SPAN: Final = 100_000  # numbers one COPY asks for; beyond a gap the next one begins
_AHEAD: Final = 4
# Canonical JSON escapes it: a payload or column that has it does not pass for one.
_SEPARATOR: Final = b"\x1e"
_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_HEADER_BYTES: Final = 19
_COUNT: Final = struct.Struct("!h")
_LENGTH: Final = struct.Struct("!i")
_WAIT_SECONDS: Final = 0.1
_INSTANT_CHARACTERS: Final = len("2026-11-21T15:00:00.000000Z")
_LONGEST_INSTANT: Final = len("2026-11-21 15:00:00.000000+00,")
_HASH_AND_LINES: Final = 66  # previous hash in hex and two line ends
_LEAST_QUOTES: Final = 37  # in the beginning and the ending of one payload
# How a payload begins, up to its instant, and how it ends. Values are not escaped here: one that needs it
# does not fit, or shows by its quotation marks.
_BATCH: Final = """
COPY (
SELECT found.*
FROM generate_series(%(first)s::bigint, %(last)s::bigint, %(rows)s) AS range (start),
LATERAL (
    SELECT count(*), string_agg(seq::text, ','),
        string_agg(seq || E'\\n' || encode(prev_hash, 'hex') || E'\\n' || payload, E'\\x1e'),
        string_agg(prev_hash, ''), string_agg(hash, ''),
        string_agg('{"actor":{"id":"' || actor_id || '","kind":"' || actor_kind
            || CASE WHEN principal_id = actor_id THEN '","owner":null},"at":"'
            ELSE '","owner":"' || principal_id || '"},"at":"' END, E'\\x1e'),
        string_agg(at::text, ','),
        string_agg('},"name":"' || name || coalesce('","state":"' || state || '","studio":"',
            '","state":null,"studio":"') || %(studio)s || '","subject":{"id":"' || subject_id || '","kind":"'
            || subject_kind || '"},"v":1}', E'\\x1e'),
        count(state) + count(*) FILTER (WHERE principal_id <> actor_id)
    FROM (
        SELECT * FROM studio.audit_events
        WHERE studio_id = %(studio)s AND seq >= range.start AND seq < range.start + %(rows)s
        ORDER BY seq
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
            batch = _batch(found)
            if batch is not None:
                yield batch
    finally:
        reader.stop()


class _StoppedError(Exception):
    """Nobody wants the rest."""


class _Reader(threading.Thread):
    """Reads rows of COPY into a short queue. ``ready`` ends with null, or with the error that ended it."""

    def __init__(self, connection: Connection, studio_id: str, rows: int) -> None:
        super().__init__(name="audit-reader", daemon=True)
        self.ready: Queue[list[bytes] | BaseException | None] = Queue(_AHEAD)
        self._piece = b""
        self._connection = connection
        self._studio_id = studio_id
        self._rows = rows
        self._is_stopped = threading.Event()

    def run(self) -> None:
        """Read to the end."""
        try:
            first = self._first_from(None)
            while first is not None:
                self._copy(first)
                first = self._first_from(first + _SPAN)
        except _StoppedError:
            return
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
            self._hand_over(error)
        else:
            self._hand_over(None)

    def stop(self) -> None:
        """Stop reading and wait until the connection is free."""
        self._is_stopped.set()
        while self.is_alive():
            try:
                self.ready.get(timeout=_WAIT_SECONDS)
            except Empty:
                continue
        self.join()

    def write(self, copied: bytes) -> None:
        """Take a piece of the copy: mostly a row, but nothing promises that."""
        self._piece += copied
        while (row := _row(self._piece)) is not None:
            fields, length = row
            self._piece = self._piece[length:]
            self._hand_over(fields)

    def _hand_over(self, found: list[bytes] | BaseException | None) -> None:
        while not self._is_stopped.is_set():
            try:
                self.ready.put(found, timeout=_WAIT_SECONDS)
            except Full:
                continue
            return
        if not isinstance(found, BaseException):
            raise _StoppedError

    def _copy(self, first: int) -> None:
        quoted = QuotedString(self._studio_id)
        quoted.prepare(self._connection)
        values: Any = {
            "studio": quoted.getquoted().decode(),
            "first": first,
            "last": first + _SPAN - 1,
            "rows": self._rows,
        }
        self._piece = b""
        with self._connection.cursor() as cursor:
            cursor.copy_expert(_BATCH % values, self)

    def _first_from(self, seq: int | None) -> int | None:
        """Return the first number there is, from one on; null after the last."""
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT min(seq) FROM studio.audit_events WHERE studio_id = %s AND (%s IS NULL OR seq >= %s)",
                (self._studio_id, seq, seq),
            )
            (first,) = cursor.fetchall()[0]
        return None if first is None else int(first)


def _batch(fields: Sequence[bytes]) -> Batch | None:
    """Return the batch of one row of the copy; null where there are no entries of these numbers."""
    if not (count := _integer(fields[0])):
        return None
    entries = fields[2].split(_SEPARATOR)
    seqs = fields[1].decode()
    are_true = len(entries) == count and _has_true_columns(
        entries, seqs, fields[5], fields[6], fields[7], quoted=_integer(fields[8])
    )
    return Batch(
        seqs=seqs,
        count=count,
        entries=entries,
        prev_hashes=fields[3],
        hashes=fields[4],
        strays=0 if are_true else count,
    )


def _has_true_columns(
    entries: Sequence[bytes], seqs: str, beginnings: bytes, ats: bytes, endings: bytes, *, quoted: int
) -> bool:
    """Say whether every payload begins and ends as its columns say. A no may be wrong; a yes is not."""
    count = len(entries)
    begin, end = beginnings.split(_SEPARATOR), endings.split(_SEPARATOR)
    at = ats.replace(b" ", b"T").replace(b"+00", b"Z").split(b",")
    if len(ats) != count * _LONGEST_INSTANT - 1:
        whole = {each: each if len(each) == _INSTANT_CHARACTERS else _instant(each) for each in set(at)}
        at = [whole[each] for each in at]
    if not len(begin) == len(end) == len(at) == count:
        return False
    if beginnings.count(b'"') + endings.count(b'"') != count * _LEAST_QUOTES + 2 * quoted:
        return False
    first, last = seqs.find(","), len(seqs) - seqs.rfind(",") - 1
    starts: Iterator[int] = repeat(last + _HASH_AND_LINES)
    if first not in {-1, last}:  # numbers of different length
        starts = map(_HASH_AND_LINES.__add__, map(len, seqs.split(",")))
    return all(map(bytes.startswith, entries, map(bytes.__add__, begin, at), starts)) and all(
        map(bytes.endswith, entries, end)
    )


def _instant(text: bytes) -> bytes:
    """Return an instant with all six digits of its fraction, as a payload writes it."""
    whole, _, fraction = text.removesuffix(b"Z").partition(b".")
    return whole + b"." + fraction.ljust(6, b"0") + b"Z"


def _row(copied: bytes) -> tuple[list[bytes], int] | None:
    """Return the fields of the first row of a binary COPY and its length; null when it is not all there.

    A null field is empty. The end of the copy is no row.
    """
    at = _HEADER_BYTES if copied.startswith(_SIGNATURE) else 0
    if len(copied) < at + _COUNT.size:
        return None
    (count,) = _COUNT.unpack_from(copied, at)
    at += _COUNT.size
    fields = []
    for _ in repeat(None, count):
        if len(copied) < at + _LENGTH.size:
            return None
        length = max(_LENGTH.unpack_from(copied, at)[0], 0)
        at += _LENGTH.size
        fields.append(copied[at : at + length])
        at += length
    return (fields, at) if fields and len(copied) >= at else None


def _integer(field: bytes) -> int:
    return int.from_bytes(field, "big", signed=True)
