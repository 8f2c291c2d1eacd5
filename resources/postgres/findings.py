"""Findings: what is open, and every change of it. Rows are appended, never changed.

A detector hands over all it finds at once; what is there is kept, what is gone is resolved. Numbers are
given under a lock held until the commit, so that nobody who reads after a number misses a late commit.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    FromClause,
    Integer,
    RowMapping,
    Select,
    TableValuedAlias,
    Text,
    cast,
    column,
    desc,
    func,
    insert,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.types import TypeEngine

from resources.findings import (
    Applied,
    Finding,
    FindingEvidence,
    FindingState,
    Severity,
    StoredFinding,
    finding_hash,
    restored_finding,
)
from resources.postgres.tables_findings import FINDINGS
from resources.postgres.transactions import kept

# "STFN": held from the first look at a studio's findings to the end of the transaction that changes them.
# The database refuses numbers with a gap, so without it a late one would be refused, not passed over.
FINDINGS_LOCK: Final = 0x5354_464E
_PAGE: Final = 100
_SAID: Final = (
    *("department", "detector", "kind", "subject_kind", "subject_id", "confidence", "expected"),
    *("observed", "unit", "expected_cents", "observed_cents", "currency"),
    *("likely_cause", "next_step", "capability_id"),
)
_HASHED: Final = (*_SAID, "severity", "since")
"""What a finding's hash is made of, besides its state."""
_MOST_AT_ONCE: Final = 10_000
"""So many findings are resolved by one statement."""
_ABOUT: Final = (
    "finding_id",
    "revision",
    "number",
    "content_hash",
    "observed_at",
    "run_id",
    "code_version",
    "recorded_at",
)


class Findings:
    """The findings of one studio, over an engine of ``engine.app_engine`` for the same studio.

    Methods raise ``ServerUnreachableError`` when PostgreSQL does not answer (transient) and
    ``HistoryRefusedError`` when a rule of the database is broken (permanent); either way nothing is kept.
    """

    def __init__(self, engine: Engine, studio_id: str) -> None:
        self._engine = engine
        self.studio_id = studio_id

    def apply(
        self,
        department: str,
        detector: str,
        present: Sequence[Finding],
        *,
        at: datetime,
        run_id: str,
        code_version: str,
        scope: Collection[str] | None = None,
        besides: Collection[str] = (),
    ) -> Applied:
        """Make what is open for a detector be what it finds: keep what is there, resolve what is gone.

        One transaction; applying the same again changes nothing. A finding of which something newer than
        ``at`` is known is left as it is.

        Args:
            department: Of the detector.
            detector: Whose findings these are; those of others are not touched.
            present: All it finds now, each once.
            at: When it was so, aware; what it looked at, not the time of the call.
            run_id: Dagster run.
            code_version: Version of the detector's code.
            scope: Subject ids that were looked at: only what is about them is resolved. Null for all.
            besides: Ids of findings of which nothing could be told: they are not resolved either.

        Raises:
            ValueError: when a finding is of another detector or there twice, or ``at`` has no time zone.
        """
        found = _by_id(department, detector, present)
        if at.tzinfo is None:
            raise ValueError("The instant of a finding needs a time zone.")
        with kept(self._engine, f"the findings of {detector}") as connection:
            self._lock(connection)
            known = self._known(connection, department, detector)
            counts = {"opened": 0, "changed": 0, "resolved": 0, "unchanged": 0, "late": 0}
            rows: list[dict[str, Any]] = []
            for finding_id, finding in found.items():
                outcome, row = _next_row(finding_id, finding, known.get(finding_id), at)
                counts[outcome] += 1
                rows += [row] if row else []
            gone = _gone(known, {*found, *besides}, scope)
            resolved = [item for item in gone if item["observed_at"] <= at]
            counts["resolved"] = len(resolved)
            counts["late"] += len(gone) - len(resolved)
            if rows or resolved:
                mine = {"studio_id": self.studio_id, "observed_at": at}
                mine |= {"run_id": run_id, "code_version": code_version}
                first = self._last_number(connection) + 1
                numbered = enumerate(rows, start=first)
                if rows:
                    connection.execute(insert(FINDINGS), [mine | {"number": n} | row for n, row in numbered])
                for start in range(0, len(resolved), _MOST_AT_ONCE):
                    some = resolved[start : start + _MOST_AT_ONCE]
                    self._resolve(connection, some, first + len(rows) + start, mine)
            return Applied(**counts)

    def open(self, department: str | None = None) -> list[StoredFinding]:
        """Return what is open now, worst first, then oldest; of one department if given."""
        query = self._current().where(FINDINGS.c.state == FindingState.OPEN)
        if department is not None:
            query = query.where(FINDINGS.c.department == department)
        worst = list(reversed(Severity))
        return sorted(
            self._read(query),
            key=lambda kept: (worst.index(kept.finding.severity), kept.finding.since, kept.finding_id),
        )

    def current(self, finding_id: str) -> StoredFinding | None:
        """Return a finding as it is now; None when there is none of that id."""
        found = self._read(self._revisions(finding_id).order_by(desc(FINDINGS.c.revision)).limit(1))
        return found[0] if found else None

    def current_of(self, finding_ids: Collection[str]) -> dict[str, StoredFinding]:
        """Return the findings of these ids as they are now, by id; those there never were are not in it."""
        if not finding_ids:
            return {}
        # One look into the index per finding, however many revisions it has.
        ids = func.unnest(cast(list(finding_ids), ARRAY(Text)))
        wanted = ids.table_valued("finding_id", name="wanted").render_derived()
        columns = FINDINGS.c
        newest = (
            select(FINDINGS)
            .where(columns.studio_id == self.studio_id, columns.finding_id == wanted.c.finding_id)
            .order_by(desc(columns.revision))
            .limit(1)
            .lateral("newest")
        )
        found = self._read(select(newest).select_from(wanted).join(newest, true()))
        return {one.finding_id: one for one in found}

    def revisions(self, finding_id: str) -> list[StoredFinding]:
        """Return all that was ever known of a finding, oldest first."""
        return self._read(self._revisions(finding_id).order_by(FINDINGS.c.revision))

    def changes_after(
        self, number: int, limit: int = _PAGE, *, department: str | None = None
    ) -> list[StoredFinding]:
        """Return the revisions kept after a number, in the order they were committed, at most ``limit``.

        Start with 0, then hand in the ``number`` of the last one seen. Nothing appears later among the
        numbers already passed.
        """
        query = select(FINDINGS).where(FINDINGS.c.studio_id == self.studio_id, FINDINGS.c.number > number)
        if department is not None:
            query = query.where(FINDINGS.c.department == department)
        return self._read(query.order_by(FINDINGS.c.number).limit(limit))

    def kept_at(self, number: int) -> datetime | None:
        """Return when the revision of a number was kept, UTC; null when there is none of that number."""
        query = select(FINDINGS.c.recorded_at).where(
            FINDINGS.c.studio_id == self.studio_id, FINDINGS.c.number == number
        )
        with kept(self._engine, "a look at the findings") as connection:
            return connection.scalar(query)

    def _lock(self, connection: Connection) -> None:
        connection.execute(select(func.pg_advisory_xact_lock(FINDINGS_LOCK, func.hashtext(self.studio_id))))

    def _last_number(self, connection: Connection) -> int:
        mine = FINDINGS.c.studio_id == self.studio_id
        return connection.scalar(select(func.max(FINDINGS.c.number)).where(mine)) or 0

    def _known(self, connection: Connection, department: str, detector: str) -> dict[str, RowMapping]:
        """Return the newest revision of all a detector ever found, by finding id."""
        columns = FINDINGS.c
        query = (
            select(
                *(columns.finding_id, columns.revision, columns.state, columns.content_hash),
                *(columns.subject_id, columns.since, columns.observed_at),
            )
            .ext(distinct_on(columns.finding_id))
            .where(columns.studio_id == self.studio_id)
            .where(columns.department == department, columns.detector == detector)
            .order_by(desc(columns.finding_id), desc(columns.revision))
        )
        return {row["finding_id"]: row for row in connection.execute(query).mappings()}

    def _resolve(
        self, connection: Connection, gone: Sequence[RowMapping], first: int, mine: Mapping[str, Any]
    ) -> None:
        """Append to findings that they are resolved; all else stays as their newest revision says.

        The rows are copied where they are: only what the new hash is made of comes here.

        Args:
            connection: That holds the lock.
            gone: Newest revisions, all open.
            first: Number of the first row appended.
            mine: Values that all rows have alike.
        """
        known = _listed(
            finding_id=(Text, [row["finding_id"] for row in gone]),
            revision=(Integer, [row["revision"] for row in gone]),
        )
        newest = self._rows_at(known)
        said = select(known.c.finding_id, *(newest.c[name] for name in _HASHED))
        hashes = {
            row["finding_id"]: finding_hash(_finding_from(row), FindingState.RESOLVED, row["since"])
            for row in connection.execute(said.join_from(known, newest, true())).mappings()
        }
        given = _listed(
            finding_id=(Text, [row["finding_id"] for row in gone]),
            revision=(Integer, [row["revision"] for row in gone]),
            number=(BigInteger, list(range(first, first + len(gone)))),
            content_hash=(Text, [hashes[row["finding_id"]] for row in gone]),
        )
        newest = self._rows_at(given)
        new: dict[str, Any] = {name: literal(value, FINDINGS.c[name].type) for name, value in mine.items()}
        new |= {"state": literal(FindingState.RESOLVED.value), "revision": given.c.revision + 1}
        new |= {name: given.c[name] for name in ("finding_id", "number", "content_hash")}
        new |= {name: newest.c[name] for name in (*_HASHED, "evidence")}
        rows = select(*new.values()).join_from(given, newest, true())
        connection.execute(insert(FINDINGS).from_select([*new], rows, include_defaults=False))

    def _rows_at(self, given: TableValuedAlias) -> FromClause:
        """Return the rows of some revisions, by one look into the index each."""
        columns = FINDINGS.c
        return (
            select(FINDINGS)
            .where(columns.studio_id == self.studio_id, columns.finding_id == given.c.finding_id)
            .where(columns.revision == given.c.revision)
            .limit(1)
            .lateral("newest")
        )

    def _revisions(self, finding_id: str) -> Select[Any]:
        columns = FINDINGS.c
        return select(FINDINGS).where(columns.studio_id == self.studio_id, columns.finding_id == finding_id)

    def _current(self) -> Select[Any]:
        other, columns = FINDINGS.alias("other"), FINDINGS.c
        # Not "none is newer": joined so, a finding of many revisions takes the square of them.
        newest = (
            select(func.max(other.c.revision))
            .where(other.c.studio_id == columns.studio_id, other.c.finding_id == columns.finding_id)
            .scalar_subquery()
        )
        return select(FINDINGS).where(columns.studio_id == self.studio_id, columns.revision == newest)

    def _read(self, query: Select[Any]) -> list[StoredFinding]:
        with kept(self._engine, "a look at the findings") as connection:
            return [_stored(row) for row in connection.execute(query).mappings()]


def _by_id(department: str, detector: str, present: Sequence[Finding]) -> dict[str, Finding]:
    found: dict[str, Finding] = {}
    for finding in present:
        if (finding.department, finding.detector) != (department, detector):
            raise ValueError(f"A finding of {finding.detector} was handed over as one of {detector}.")
        if found.setdefault(finding.finding_id, finding) is not finding:
            raise ValueError(f"The detector {detector} found {finding.kind} twice about one subject.")
    return found


def _next_row(
    finding_id: str, finding: Finding, known: RowMapping | None, at: datetime
) -> tuple[str, dict[str, Any] | None]:
    """Return what becomes of a finding that is there, and its next row if it gets one."""
    if known is not None and known["observed_at"] > at:
        return "late", None
    is_open = known is not None and known["state"] == FindingState.OPEN
    since = known["since"] if known is not None and is_open and finding.since is None else finding.since
    since = at if since is None else min(since, at)
    revision = 1 if known is None else known["revision"] + 1
    row = _row(finding, FindingState.OPEN, finding_id, revision, since)
    if not is_open:
        return "opened", row
    if known is not None and known["content_hash"] == row["content_hash"]:
        return "unchanged", None
    return "changed", row


def _gone(
    known: Mapping[str, RowMapping], found: Collection[str], scope: Collection[str] | None
) -> list[RowMapping]:
    looked_at = None if scope is None else set(scope)
    return [
        row
        for finding_id, row in known.items()
        if row["state"] == FindingState.OPEN
        and finding_id not in found
        and (looked_at is None or row["subject_id"] in looked_at)
    ]


def _listed(**columns: tuple[type[TypeEngine[Any]], Sequence[Any]]) -> TableValuedAlias:
    """Return values of rows, column by column, as a table that the server is handed."""
    arrays = (cast(values, ARRAY(kind)) for kind, values in columns.values())
    named = (column(name, kind) for name, (kind, _) in columns.items())
    return func.unnest(*arrays).table_valued(*named, name="given").render_derived()


def _row(
    finding: Finding, state: FindingState, finding_id: str, revision: int, since: datetime
) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in _SAID} | {
        "finding_id": finding_id,
        "revision": revision,
        "severity": finding.severity.value,
        "state": state.value,
        "since": since,
        "evidence": [
            {"asset": link.asset, "revision": link.revision, "row": link.row} for link in finding.evidence
        ],
        "content_hash": finding_hash(finding, state, since),
    }


def _finding_from(row: RowMapping) -> Finding:
    return restored_finding(
        severity=Severity(row["severity"]),
        since=row["since"],
        evidence=tuple(FindingEvidence(**link) for link in row.get("evidence", ())),
        **{name: row[name] for name in _SAID},
    )


def _stored(row: RowMapping) -> StoredFinding:
    about = {name: row[name] for name in _ABOUT}
    return StoredFinding(finding=_finding_from(row), state=FindingState(row["state"]), **about)
