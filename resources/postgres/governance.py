"""What the standing checks and the observations of governance ask the database, as the runtime does.

Reads only. Every rule is one statement whose rows are what breaks it; no row is no violation. What the rules
mean is in ``policies.standing_checks``; the statements are in ``governance_rules``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import DBAPIError, OperationalError

from policies.audit import GENESIS, entry_hash
from policies.standing_checks import StandingCheck, Violation
from resources.postgres.engine import unreachable
from resources.postgres.errors import DatabaseRefusedError
from resources.postgres.governance_rules import RULES

PAGE = 5_000


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where the audit log ends: ``seq`` counts its entries (0: none yet), ``at`` is null for none."""

    seq: int
    hash: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ChainReport:
    """How far the audit's chain holds: up to entry ``seq`` with its hash, and what is broken, if anything."""

    seq: int
    hash: str
    broken: Sequence[Violation]


class GovernanceReads:
    """Reads the ledger of one studio for checks and observations.

    Args:
        engine: The runtime's engine for the studio.
        studio_id: The studio.
    """

    def __init__(self, engine: Engine, studio_id: str) -> None:
        self._engine, self._studio = engine, studio_id

    def proposal_counts(self) -> Mapping[str, int]:
        """Return how many proposals are in each state; states without any are absent."""
        with self._reading() as connection:
            rows = connection.execute(
                text(
                    "SELECT state, count(*) FROM studio.proposals WHERE studio_id = :studio "
                    "GROUP BY state ORDER BY state"
                ),
                {"studio": self._studio},
            )
            return {str(state): int(count) for state, count in rows}

    def is_halted(self) -> bool:
        """Say whether the kill switch is on; without any change of it on record, it is."""
        with self._reading() as connection:
            kind = connection.scalar(
                text(
                    "SELECT kind FROM studio.kill_switch_changes WHERE studio_id = :studio "
                    "ORDER BY revision DESC LIMIT 1"
                ),
                {"studio": self._studio},
            )
            return kind not in {"opened", "resumed"}

    def newest_change(self) -> int:
        """Return the sequence number of the newest event any proposal rests on; 0 when there is none."""
        with self._reading() as connection:
            return int(
                connection.scalar(
                    text(
                        "SELECT coalesce(max(audit_seq), 0) FROM studio.proposals WHERE studio_id = :studio"
                    ),
                    {"studio": self._studio},
                )
                or 0
            )

    def audit_head(self) -> AuditHead:
        """Return the last entry of the audit log."""
        with self._reading() as connection:
            row = connection.execute(
                text(
                    "SELECT seq, encode(hash, 'hex') AS hash, at FROM studio.audit_events "
                    "WHERE studio_id = :studio ORDER BY seq DESC LIMIT 1"
                ),
                {"studio": self._studio},
            ).one_or_none()
            return AuditHead(0, GENESIS, None) if row is None else AuditHead(row.seq, row.hash, row.at)

    def violations(self, check: StandingCheck, limit: int = 20) -> Sequence[Violation]:
        """Return what breaks a rule that one statement can look for, at most ``limit`` rows of it.

        Raises ``KeyError`` for a check that is not one of ``governance_rules.RULES``.
        """
        with self._reading() as connection:
            rows = connection.execute(
                text(f"{RULES[check]} LIMIT :most"), {"studio": self._studio, "most": limit}
            )
            return [Violation(str(subject), str(what)) for subject, what in rows]

    def verify_chain(
        self, known_seq: int = 0, known_hash: str = GENESIS, *, from_start: bool = False
    ) -> ChainReport:
        """Recompute the audit's chain, by default from behind an entry that was verified before.

        Args:
            known_seq: Number of that entry; 0 when none was ever verified.
            known_hash: Its hash as it was then. Another hash now, or no entry, is a violation by itself, and
                the report stays at this entry.
            from_start: Recompute the entries before it, too.
        """
        with self._reading() as connection:
            if known_seq:
                found = connection.scalar(
                    text(
                        "SELECT encode(hash, 'hex') FROM studio.audit_events "
                        "WHERE studio_id = :studio AND seq = :seq"
                    ),
                    {"studio": self._studio, "seq": known_seq},
                )
                if found != known_hash:
                    what = "is gone" if found is None else "has another hash than when it was verified"
                    return ChainReport(known_seq, known_hash, [Violation(str(known_seq), what)])
            seq, last = (0, GENESIS) if from_start else (known_seq, known_hash)
            for entry in self._entries(connection, seq):
                what = _break_of(seq, last, entry)
                if what:
                    return ChainReport(seq, last, [Violation(str(entry.seq), what)])
                seq, last = entry.seq, entry.hash
        return ChainReport(seq, last, [])

    def _entries(self, connection: Connection, after: int) -> Iterator[Row[Any]]:
        while True:
            rows = connection.execute(
                text(
                    "SELECT seq, payload, encode(prev_hash, 'hex') AS prev_hash, "
                    "encode(hash, 'hex') AS hash, name, state, subject_kind, subject_id, actor_id "
                    "FROM studio.audit_events WHERE studio_id = :studio AND seq > :after "
                    "ORDER BY seq LIMIT :most"
                ),
                {"studio": self._studio, "after": after, "most": PAGE},
            ).all()
            yield from rows
            if len(rows) < PAGE:
                return
            after = rows[-1].seq

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """Give a transaction that sees one instant and cannot write."""
        try:
            with self._engine.connect() as connection:
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
                yield connection
        except OperationalError as error:
            raise unreachable(str(self._engine.url), error) from error
        except DBAPIError as error:
            said = str(error.orig).strip().splitlines()
            raise DatabaseRefusedError(
                f"The ledger could not be read: {said[0] if said else 'no reason given'}. Nothing was "
                "changed. Start again to bring the database up to date: ./studio up"
            ) from error


def _break_of(seq: int, last: str, entry: Row[Any]) -> str:
    """Return what is wrong with an entry that follows entry ``seq``; empty when nothing is."""
    if entry.seq != seq + 1:
        return f"follows entry {seq}: entries between are missing"
    if entry.prev_hash != last:
        return "does not name the hash of the entry before it"
    if entry_hash(entry.seq, entry.prev_hash, entry.payload) != entry.hash:
        return "does not hash to its own hash"
    event = orjson.loads(entry.payload)
    subject = event["subject"]
    told = (event["name"], event["state"], subject["kind"], subject["id"], event["actor"]["id"])
    # The other checks look entries up by these columns; only the payload is hashed.
    if told != (entry.name, entry.state, entry.subject_kind, entry.subject_id, entry.actor_id):
        return "is filed under something else than its payload says"
    return ""
