"""The door to the audit log, for reading: as of one moment, in batches to verify, or by what is looked for.

Nothing here writes entries: only ``studio.append_audit_v1`` does. Checkpoints are kept here, too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - psycopg2 names its classes so
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from policies.audit_entries import Batch, Entry, Stretch
from resources.postgres.engine import unreachable
from resources.postgres.errors import HistoryRefusedError
from resources.postgres.ledger_errors import unreachable_ledger

INSTANT: Final = """to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
# A null, which takes somebody who drops a constraint first, is read as what no entry has: nothing.
_HASH: Final = "coalesce(hash, '')"
_COLUMNS: Final = (
    f"seq, coalesce(prev_hash, ''), {_HASH}, coalesce(payload, ''), name, {INSTANT}, actor_id, actor_kind, "
    "principal_id, subject_kind, subject_id, state"
)
# Tables whose rows name the entry that made them what they are: the log must reach that far.
_WITNESSES: Final = (
    "proposals",
    "approvals",
    "executions",
    "kill_switch_changes",
    "exemptions",
    "exemption_ends",
    "intake_overrides",
    "governance_checks",
    "swarm_controls",
    "finding_dispositions",
    "draft_reviews",
    "triage_decisions",
    "quota_buckets",
    "audit_checkpoints",
)

Beside = AbstractContextManager[Connection]


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint as the database keeps it; believed only after its signature was checked."""

    tree_size: int
    root_hash: bytes
    note: str
    signed_at: datetime


class AuditView:
    """The log as of one moment. A ``policies.audit_entries.Log``; valid inside ``AuditLog.view``."""

    def __init__(self, connection: Connection, studio_id: str, beside: Callable[[], Beside]) -> None:
        self._connection = connection
        self._beside = beside
        self.studio_id = studio_id

    def count(self) -> int:
        """Return how many rows there are."""
        return int(self._rows("SELECT count(*) FROM studio.audit_events WHERE studio_id = %(studio)s")[0][0])

    def parts(self) -> Iterator[Batch | Stretch]:
        """Yield all rows in order; of a long log as stretches, at which two processes looked."""
        from resources.postgres import audit_pair  # noqa: PLC0415 - as in batches

        if not audit_pair.is_worth_two(self._connection, self.studio_id):
            yield from self.batches()
            return
        with self._seeing_the_same() as (connection, snapshot):
            yield from audit_pair.stretches(connection, self.studio_id, snapshot)

    def batches(self) -> Iterator[Batch]:
        """Yield all rows in order, read ahead while the caller works."""
        from resources.postgres.audit_stream import batches  # noqa: PLC0415 - columns; few who look verify

        with self._seeing_the_same() as (connection, _):
            yield from batches(connection, self.studio_id)

    @contextmanager
    def _seeing_the_same(self) -> Iterator[tuple[Connection, str]]:
        """Give another connection that sees the same moment: the caller may look at single rows meanwhile."""
        from resources.postgres.audit_stream import see  # noqa: PLC0415 - as in batches

        ((snapshot,),) = self._rows("SELECT pg_export_snapshot()")
        with self._beside() as connection:
            see(connection, snapshot)
            yield connection, snapshot

    def entries(self, position: int, limit: int) -> Sequence[Entry]:
        """Return at most ``limit`` rows in order, skipping the first ``position``."""
        return self._found("true ORDER BY seq OFFSET %(skip)s LIMIT %(limit)s", skip=position, limit=limit)

    def naming(self, prev_hash: bytes) -> Sequence[Entry]:
        """Return the rows whose previous hash is this; looks at every row."""
        return self._found("prev_hash = %(hash)s ORDER BY seq LIMIT 10", hash=prev_hash)

    def hashed(self, hash_: bytes) -> Sequence[Entry]:
        """Return the rows whose hash is this; looks at every row."""
        return self._found("hash = %(hash)s ORDER BY seq LIMIT 10", hash=hash_)

    def head(self) -> tuple[int, str]:
        """Return the newest entry's number and hash in hex; of an empty log 0 and 64 zeros."""
        rows = self._rows(
            f"SELECT seq, {_HASH} FROM studio.audit_events WHERE studio_id = %(studio)s "  # noqa: S608 - our own words
            "ORDER BY seq DESC LIMIT 1"
        )
        return (int(rows[0][0]), bytes(rows[0][1]).hex()) if rows else (0, "0" * 64)

    def entry(self, seq: int) -> Entry | None:
        """Return one entry; null when there is none of that number."""
        found = self._found("seq = %(seq)s", seq=seq)
        return found[0] if found else None

    def tail(self, limit: int) -> Sequence[Entry]:
        """Return the newest entries, oldest of them first."""
        return self._found("true ORDER BY seq DESC LIMIT %(limit)s", limit=limit)[::-1]

    def search(
        self,
        *,
        name: str | None = None,
        actor_id: str | None = None,
        subject_kind: str | None = None,
        subject_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[Entry]:
        """Return the newest entries that match everything given, newest first.

        Args:
            name: Whole event name, or the beginning of one followed by ``*``.
            actor_id: Actor, or the person an agent acted for.
            subject_kind: Kind of subject, such as ``proposal``.
            subject_id: Which one.
            since: Not before this instant.
            until: Before this instant.
            limit: At most so many.
        """
        wanted: dict[str, tuple[str, Any]] = {
            "name": ("name = %(name)s", name),
            "actor": ("%(actor)s IN (actor_id, principal_id)", actor_id),
            "kind": ("subject_kind = %(kind)s", subject_kind),
            "subject": ("subject_id = %(subject)s", subject_id),
            "since": ("at >= %(since)s", since),
            "until": ("at < %(until)s", until),
        }
        if name is not None and name.endswith("*"):
            wanted["name"] = ("starts_with(name, %(name)s)", name[:-1])
        given = {key: pair for key, pair in wanted.items() if pair[1] is not None}
        condition = " AND ".join(["true", *(sql for sql, _ in given.values())])
        values = {key: value for key, (_, value) in given.items()}
        return self._found(f"{condition} ORDER BY seq DESC LIMIT %(limit)s", limit=limit, **values)

    def known_entries(self) -> int:
        """Return the highest entry number that any row of the gateway's tables names; 0 without any."""
        parts = " UNION ALL ".join(
            f"SELECT max(audit_seq) FROM studio.{table} WHERE studio_id = %(studio)s"  # noqa: S608 - our own names
            for table in _WITNESSES
        )
        return int(self._rows(f"SELECT coalesce(max(max), 0) FROM ({parts}) AS known")[0][0])  # noqa: S608 - as above

    def hashes(self) -> bytes:
        """Return all stored hashes in order, side by side: the leaves of the tree."""
        rows = self._rows(
            "SELECT string_agg(hash, '' ORDER BY seq) FROM studio.audit_events WHERE studio_id = %(studio)s"
        )
        return bytes(rows[0][0] or b"")

    def checkpoints(self) -> Sequence[KeptCheckpoint]:
        """Return the checkpoints that the database keeps, smallest first."""
        rows = self._rows(
            "SELECT tree_size, root_hash, note, signed_at FROM studio.audit_checkpoints "
            "WHERE studio_id = %(studio)s ORDER BY tree_size, signed_at"
        )
        return [KeptCheckpoint(int(size), bytes(root), note, at) for size, root, note, at in rows]

    def _found(self, condition: str, **values: Any) -> list[Entry]:
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM studio.audit_events WHERE studio_id = %(studio)s AND {condition}",  # noqa: S608 - conditions are written above
            **values,
        )
        return [Entry(row[0], bytes(row[1]), bytes(row[2]), *row[3:]) for row in rows]

    def _rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, {"studio": self.studio_id, **values})
            return cursor.fetchall()


class AuditLog:
    """The audit log of one studio, over an engine of ``engine.app_engine`` for the same studio.

    Methods raise ``ServerUnreachableError`` when PostgreSQL does not answer, and ``HistoryRefusedError`` when
    it refuses; either way nothing is kept.
    """

    def __init__(self, engine: Engine, studio_id: str) -> None:
        self._engine = engine
        self.studio_id = studio_id

    @contextmanager
    def view(self) -> Iterator[AuditView]:
        """Give the log as of this moment; entries appended meanwhile are not in it."""
        with self._transaction() as connection:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield AuditView(connection, self.studio_id, self._transaction)

    def keep_checkpoint(self, kept: KeptCheckpoint, event: str | None = None) -> None:
        """Keep a signed checkpoint, durably; keeping the same one again changes nothing.

        Args:
            kept: The checkpoint.
            event: Payload of the event that tells of the signing, appended with it; null for none.
        """
        values = {
            "studio": self.studio_id,
            "size": kept.tree_size,
            "root": kept.root_hash,
            "note": kept.note,
            "at": kept.signed_at,
            "event": event,
        }
        with self._transaction() as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT CASE WHEN %(event)s IS NOT NULL THEN studio.append_audit_v1(%(event)s) END", values
            )
            ((seq,),) = cursor.fetchall()
            cursor.execute(
                "INSERT INTO studio.audit_checkpoints"
                " (studio_id, tree_size, root_hash, note, signed_at, audit_seq)"
                " VALUES (%(studio)s, %(size)s, %(root)s, %(note)s, %(at)s, %(seq)s)"
                " ON CONFLICT DO NOTHING",
                values | {"seq": seq},
            )

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        url = str(self._engine.url)  # without its password
        try:
            with self._engine.begin() as connection:
                driver: Any = connection.connection.driver_connection
                yield driver
        except (OperationalError, InterfaceError) as error:  # the latter when it was cut meanwhile
            raise unreachable(url, error) from error
        except DBAPIError as error:
            raise _refused(error.orig) from error
        except psycopg2.OperationalError as error:
            raise unreachable_ledger(url, error) from error
        except psycopg2.Error as error:
            raise _refused(error) from error


def _refused(error: BaseException | None) -> HistoryRefusedError:
    diagnosis = getattr(error, "diag", None)
    rule = getattr(diagnosis, "constraint_name", None) or getattr(error, "pgcode", None)
    return HistoryRefusedError(
        f"The database did not do this with the audit log: it breaks the rule {rule}. Nothing was kept. If"
        " the database is older than this program, start once with: ./studio up"
    )
