"""Lets two processes look at the audit log, one share at a time each, and puts together what they found.

Both read as of the same exported moment. The shares lie in a pipe; whoever is free takes the next one, so a
second process that is slow, or fails, takes fewer or none. What it took and did not answer for is looked at
here. Either way the verifier gets the same stretches in the same order.

The second process is a fork: one that had to start anew would spend a quarter of a second on imports, a tenth
of what a million entries take. A process with threads is never forked; it does all of the work itself.
"""

import gc
import mmap
import multiprocessing
import os
import struct
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection as Channel
from multiprocessing.process import BaseProcess
from typing import Any, Final

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2 names its classes so

from policies.audit_entries import Batch, Stretch
from policies.audit_stretch import stretch_of, summed
from policies.audit_tree import HASH_BYTES
from resources.postgres.audit_columns import Columns, batch_of
from resources.postgres.audit_stream import ROWS, batches, copy_columns, see

LEAST: Final = 100_000
"""Fewer entries are verified by one process before two have come to terms."""
SHARE: Final = 8 * ROWS
"""Numbers in one share, at most: a small part of a second's work. The last ones are smaller."""
_MOST_SHARES: Final = 4096  # as many as a pipe holds, mostly
_PATIENCE_SECONDS: Final = 60  # for the share the second process is at when the first has no more to do
_CLAIM: Final = struct.Struct("!q")
_SHARES_LEFT: Final = 4  # no share is more than a fourth of what is left: neither process waits for the other

Found = dict[int, list[Stretch]]
"""What shares told, by their places among them."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What there is to look at, and where both processes leave the hashes that they found good.

    Attributes:
        studio_id: Whose log it is.
        shares: First numbers of the batches of each share.
        hashes: A place for the hash of each number, from the first one on; memory of both processes.
    """

    studio_id: str
    shares: list[range]
    hashes: mmap.mmap

    def places(self, stretch: Stretch) -> slice:
        """Return where the hashes of a stretch are."""
        start = stretch.first - self.shares[0].start
        return slice(start * HASH_BYTES, (start + stretch.count) * HASH_BYTES)


@dataclass(frozen=True, slots=True)
class _Task:
    """What the second process must know: how to see what the first one sees, and where shares are taken."""

    login: dict[str, Any] = field(repr=False)  # with the password
    role: str
    snapshot: str
    work: _Work
    claims: int


@dataclass(frozen=True, slots=True)
class _Second:
    """The second process, and the end of a pipe out of which its answer comes."""

    process: BaseProcess
    answer: Channel


def is_worth_two(connection: Connection, studio_id: str) -> bool:
    """Say whether a log is long enough for two processes, and there may be a second one."""
    if sys.platform != "linux" or threading.active_count() > 1 or len(os.sched_getaffinity(0)) == 1:
        return False
    first, last = _ends(connection, studio_id)
    return LEAST <= last - first + 1 <= _MOST_SHARES * SHARE


def stretches(connection: Connection, studio_id: str, snapshot: str) -> Iterator[Batch | Stretch]:
    """Yield what all entries of a studio tell, in order of their numbers; batches where memory is short.

    Args:
        connection: One that sees the snapshot already; nobody else may use it meanwhile.
        studio_id: Whose log it is.
        snapshot: The moment, as the server exported it.

    Raises:
        psycopg2.Error: The server does not answer or refuses.
    """
    first, last = _ends(connection, studio_id)
    if last < first:
        return
    try:
        places = mmap.mmap(-1, (last - first + 1) * HASH_BYTES)
    except OSError:  # there may be few rows among many numbers: one process needs memory for rows only
        yield from batches(connection, studio_id)
        return
    work = _Work(studio_id, _shares(first, last), places)
    found: Found = {}
    # Without room for the pipe there is no second process either, and all shares are left to the end.
    with _offered(len(work.shares)) as claims:
        if claims is not None:
            with _second(connection, snapshot, work, claims) as second:
                found = _look_at_all(connection, work, claims)
                found |= _answer_of(second)
    hashes = memoryview(work.hashes)
    for place in range(len(work.shares)):
        told = found.pop(place, None)
        for stretch in _look(connection, work, place) if told is None else told:
            yield replace(stretch, hashes=hashes[work.places(stretch)]) if stretch.is_good else stretch


def _shares(first: int, last: int) -> list[range]:
    """Return the first numbers of the batches of each share."""
    shares, start = [], first
    while start <= last:
        part = (last - start + 1) // _SHARES_LEFT // ROWS * ROWS
        share = range(start, start + min(max(part, ROWS), SHARE), ROWS)
        shares.append(share)
        start = share.stop
    return shares


def _ends(connection: Connection, studio_id: str) -> tuple[int, int]:
    """Return the first and the last number of a log; of an empty one 0 and -1."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(min(seq), 0), coalesce(max(seq), -1) FROM studio.audit_events"
            " WHERE studio_id = %s",
            (studio_id,),
        )
        ((first, last),) = cursor.fetchall()
    return int(first), int(last)


def _look(connection: Connection, work: _Work, place: int) -> list[Stretch]:
    """Return what the rows of a share tell, in order; their hashes are in the memory of both."""
    found: list[Stretch] = []

    def take(columns: Columns) -> None:
        stretch = summed(stretch_of(batch_of(columns)))
        if stretch.is_good:
            work.hashes[work.places(stretch)] = bytes(stretch.hashes)
        found.append(replace(stretch, hashes=b""))

    copy_columns(connection, work.studio_id, work.shares[place], take)
    return found


def _look_at_all(connection: Connection, work: _Work, claims: int) -> Found:
    """Take shares until there are no more; return what they told."""
    found, parent = {}, os.getppid()
    while len(claim := os.read(claims, _CLAIM.size)) == _CLAIM.size and os.getppid() == parent:
        (place,) = _CLAIM.unpack(claim)
        found[place] = _look(connection, work, place)
    return found


@contextmanager
def _offered(shares: int) -> Iterator[int | None]:
    """Give the end of a pipe out of which shares are taken: each by one process only; null without room."""
    try:
        taking, giving = os.pipe()
    except OSError:  # too many files are open
        yield None
        return
    try:
        try:
            os.set_blocking(giving, False)  # it may hold a page only: shares without room are left to the end
            os.write(giving, b"".join(map(_CLAIM.pack, range(shares))))
        finally:
            os.close(giving)
        yield taking
    finally:
        os.close(taking)


@contextmanager
def _second(connection: Connection, snapshot: str, work: _Work, claims: int) -> Iterator[_Second | None]:
    """Start the second process and give it with the end at which it is heard; null where none can start."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role')")
        ((role,),) = cursor.fetchall()
    login = connection.info.dsn_parameters
    if connection.info.password:
        login["password"] = connection.info.password
    context = multiprocessing.get_context("fork")
    try:
        receiver, sender = context.Pipe(duplex=False)
    except OSError:  # too many files are open
        yield None
        return
    task = _Task(login, role, snapshot, work, claims)
    process = context.Process(target=_be_the_second, args=(task, sender, receiver), name="audit-second")
    try:
        with warnings.catch_warnings():
            # Libraries have threads of their own, which are idle; newer Pythons warn of them, too.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
    except OSError:
        receiver.close()
        yield None
        return
    finally:
        sender.close()
    with receiver:
        try:
            yield _Second(process, receiver)
        finally:
            process.kill()
            process.join()


def _be_the_second(task: _Task, answer: Channel, hearing: Channel) -> None:
    """Look at shares over a connection of its own, with the same rights and as of the same moment."""
    hearing.close()  # the first process's end: open here, an answer to one that was killed would wait forever
    gc.freeze()  # what the first process has in memory stays shared: nobody walks through it here
    # Whatever goes wrong here the first process does itself, and then says so.
    with suppress(psycopg2.Error, OSError, KeyboardInterrupt):
        connection = psycopg2.connect(**task.login)
        with connection.cursor() as cursor:
            # Of the one transaction that reads: a pooler in between may forget what was said in another.
            rights = "SET LOCAL ROLE %s; SET LOCAL studio.studio_id TO %s"
            cursor.execute(rights, (task.role, task.work.studio_id))
        see(connection, task.snapshot)
        answer.send(_look_at_all(connection, task.work, task.claims))


def _answer_of(second: _Second | None) -> Found:
    """Return what the second process found; nothing when it failed, or says nothing, or not all of it."""
    if second is None:
        return {}
    # One that is frozen in the middle of its answer keeps the pipe open: only its end lets the reader go on.
    end = threading.Timer(_PATIENCE_SECONDS, second.process.kill)
    end.start()
    try:
        found: Found = second.answer.recv()
    except (EOFError, OSError):
        return {}
    finally:
        end.cancel()
        end.join()
    return found
