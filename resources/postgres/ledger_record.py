"""How an event and the rows it explains become one statement, which the database takes or refuses as a whole.

The statement appends the event first and writes each row with the event's number. Rows that change name the
event that made them what the caller saw: if another event came since, no row is written, and that is told.
"""

# ruff: noqa: S608 - the SQL is made of this module's constants; every value is an argument

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from operator import attrgetter, is_, itemgetter
from typing import Any, Final

from policies.decisions import Exemption
from policies.marks import DraftReview, FindingMark, SwarmControl, TriageDecision
from policies.ports import CheckResult, ExemptionEnd, IntakeOverride, QuotaReset, Row, SwitchChange
from policies.proposals import Approval, Execution, Proposal, ProposalState
from resources.postgres.ledger_rows import evidence_json
from resources.postgres.ledger_statements import Statement
from resources.postgres.values import dump_json, storable_text

_J: Final = "jsonb"
_T: Final = "text"
_I: Final = "timestamptz"
_N: Final = "bigint"
_B: Final = "boolean"


@dataclass(frozen=True, slots=True)
class ProposalStep:
    """What is written of a proposal that takes a step: nothing of what is proposed, which stays."""

    proposal_id: str
    state: ProposalState
    updated_at: datetime
    state_reason: str | None


@dataclass(frozen=True, slots=True)
class _Shape:
    """How rows of one kind are written.

    Attributes:
        table: Where.
        insert: Columns and types of a new row, in the order ``values`` gives them.
        values: Takes a row to its values for ``insert``.
        key: Column that identifies a row that changes; null for rows that never do.
        update: Columns that may change.
        revision: Column that counts the studio's rows, null for none.
    """

    table: str
    insert: tuple[tuple[str, str], ...]
    values: Callable[[Any], tuple[Any, ...]]
    key: str | None = None
    update: tuple[str, ...] = ()
    revision: str | None = None


def _text(value: str | None) -> str | None:
    return None if value is None else storable_text(value)


def _json(value: Any) -> str | None:
    return None if value is None else dump_json(value)


def _marks(table: str, *names: str) -> _Shape:
    """Return how a person's word is written: its own columns (text but the revision), by, why, when."""
    columns = tuple((name, _N if name == "revision" else _T) for name in names)

    def values(row: Any) -> tuple[Any, ...]:
        plain = (getattr(row, name) for name in (*names, "by", "reason"))
        return (*(_text(str(it)) if isinstance(it, str) else it for it in plain), row.at)

    return _Shape(table, (*columns, ("by", _T), ("reason", _T), ("at", _I)), values)


_PROPOSAL: Final = _Shape(
    "proposals",
    (
        ("proposal_id", _T),
        ("capability_id", _T),
        ("state", _T),
        ("version", _N),
        ("rationale", _T),
        ("predicted_effects", _J),
        ("evidence", _J),
        ("input", _J),
        ("input_hash", _T),
        ("requester_id", _T),
        ("requester_kind", _T),
        ("requester_principal_id", _T),
        ("owner_id", _T),
        ("dedupe_key", _T),
        ("dry_run", _J),
        ("created_at", _I),
        ("updated_at", _I),
        ("expires_at", _I),
        ("intake", _T),
        ("is_intake_blocked", _B),
        ("intake_classifier", _T),
        ("state_reason", _T),
    ),
    lambda row: (
        row.proposal_id,
        row.capability_id,
        row.state.value,
        row.version,
        _text(row.rationale),
        dump_json(list(row.predicted_effects)),
        dump_json(evidence_json(row.evidence)),
        dump_json(row.input),
        row.input_hash,
        row.requester_id,
        row.requester_kind,
        row.requester_principal_id,
        row.owner_id,
        _text(row.dedupe_key),
        _json(row.dry_run),
        row.created_at,
        row.updated_at,
        row.expires_at,
        row.intake,
        row.is_intake_blocked,
        row.intake_classifier,
        _text(row.state_reason),
    ),
    key="proposal_id",
    update=(
        "state",
        "version",
        "rationale",
        "predicted_effects",
        "evidence",
        "input",
        "input_hash",
        "dry_run",
        "updated_at",
        "expires_at",
        "intake",
        "is_intake_blocked",
        "intake_classifier",
        "state_reason",
    ),
)
_EXECUTION: Final = _Shape(
    "executions",
    (
        ("execution_id", _T),
        ("proposal_id", _T),
        ("version", _N),
        ("kind", _T),
        ("state", _T),
        ("input_hash", _T),
        ("idempotency_key", _T),
        ("executor_id", _T),
        ("fence", _N),
        ("lease_until", _I),
        ("started_at", _I),
        ("finished_at", _I),
        ("pointer", _J),
        ("failure_code", _T),
        ("failure", _T),
        ("exemption_id", _T),
    ),
    lambda row: (
        row.execution_id,
        row.proposal_id,
        row.version,
        row.kind.value,
        row.state.value,
        row.input_hash,
        row.idempotency_key,
        row.executor_id,
        row.fence,
        row.lease_until,
        row.started_at,
        row.finished_at,
        _json(row.pointer),
        row.failure_code,
        _text(row.failure),
        row.exemption_id,
    ),
    key="execution_id",
    update=(
        "state",
        "executor_id",
        "fence",
        "lease_until",
        "finished_at",
        "pointer",
        "failure_code",
        "failure",
    ),
)
_SHAPES: Final[dict[type, _Shape]] = {
    Proposal: _PROPOSAL,
    Execution: _EXECUTION,
    ProposalStep: _Shape(
        "proposals",
        (("proposal_id", _T), ("state", _T), ("updated_at", _I), ("state_reason", _T)),
        lambda row: (row.proposal_id, row.state.value, row.updated_at, _text(row.state_reason)),
        key="proposal_id",
        update=("state", "updated_at", "state_reason"),
    ),
    Approval: _Shape(
        "approvals",
        (
            ("approval_id", _T),
            ("proposal_id", _T),
            ("version", _N),
            ("kind", _T),
            ("input_hash", _T),
            ("approver_id", _T),
            ("role", _T),
            ("reason", _T),
            ("at", _I),
            ("expires_at", _I),
        ),
        lambda row: (
            row.approval_id,
            row.proposal_id,
            row.version,
            row.kind.value,
            row.input_hash,
            row.approver_id,
            row.role,
            _text(row.reason),
            row.at,
            row.expires_at,
        ),
    ),
    SwitchChange: _Shape(
        "kill_switch_changes",
        (("kind", _T), ("actor_id", _T), ("reason", _T), ("at", _I)),
        lambda row: (row.kind, row.actor_id, _text(row.reason), row.at),
        revision="revision",
    ),
    Exemption: _Shape(
        "exemptions",
        (
            ("exemption_id", _T),
            ("capability_id", _T),
            ("owner_id", _T),
            ("justification", _T),
            ("granted_by", _T),
            ("granted_at", _I),
            ("expires_at", _I),
        ),
        lambda row: (
            row.exemption_id,
            row.capability_id,
            row.owner_id,
            _text(row.justification),
            row.granted_by,
            row.granted_at,
            row.expires_at,
        ),
    ),
    ExemptionEnd: _Shape(
        "exemption_ends",
        (("exemption_id", _T), ("kind", _T), ("by", _T), ("reason", _T), ("at", _I)),
        lambda row: (row.exemption_id, row.kind, row.by, _text(row.reason), row.at),
    ),
    IntakeOverride: _Shape(
        "intake_overrides",
        (("proposal_id", _T), ("version", _N), ("reason_code", _T), ("reason", _T), ("by", _T), ("at", _I)),
        lambda row: (row.proposal_id, row.version, row.reason_code, _text(row.reason), row.by, row.at),
    ),
    CheckResult: _Shape(
        "governance_checks",
        (("name", _T), ("holds", _B), ("at", _I)),
        lambda row: (row.name, row.holds, row.at),
    ),
    SwarmControl: _marks("swarm_controls", "department", "kind"),
    FindingMark: _marks("finding_dispositions", "finding_id", "revision", "verdict"),
    DraftReview: _marks(
        "draft_reviews",
        *("draft_id", "revision", "from_status", "to_status", "before_hash", "after_hash"),
        *("subject", "body"),
    ),
    TriageDecision: _marks("triage_decisions", "report_id", "category", "severity", "verdict"),
}
_content_of: Final = attrgetter(*sorted({*_PROPOSAL.update}.difference(_SHAPES[ProposalStep].update)))
# Takes the values of a new row to those of a changed one, for rows that may change.
_CHANGED_VALUES: Final[dict[type, Callable[[tuple[Any, ...]], tuple[Any, ...]]]] = {
    kind: itemgetter(
        *(place for place, (name, _) in enumerate(shape.insert) if name in {shape.key, *shape.update})
    )
    for kind, shape in _SHAPES.items()
    if shape.key is not None
}
# Setting of the session that has the number of its newest event; it only tells the client.
APPENDED: Final = "studio.appended"
# An event that explains no row. Its arguments are as with rows, so $1, which only they use, is named here.
LONE_EVENT: Final = Statement(
    "ledger_record",
    f"SELECT set_config('{APPENDED}', studio.append_audit_v1($2)::text, false) WHERE $1 <> ''",
    ("text", "text"),
)
_CHANGED: Final = "studio.refuse('row-as-seen', 'It was changed by somebody else.', 'SO001')::text"
_RESET: Final = (("capability_id", _T), ("scope", _T), ("subject_id", _T))


def row_key(row: Row) -> str | None:
    """Return the id of a row that may change (a proposal or an attempt); null for rows that never do."""
    shape = _SHAPES.get(type(row))
    return None if shape is None or shape.key is None else str(getattr(row, shape.key))


def written_as(row: Row, seen: Proposal | None) -> Row | ProposalStep:
    """Return what is to be written of a row: its step alone, of a proposal ``seen`` with this content."""
    # The very same: what is equal in Python, as 1 and true are, is not so in JSON.
    if seen is None or type(row) is not Proposal or not all(map(is_, _content_of(row), _content_of(seen))):
        return row
    return ProposalStep(row.proposal_id, row.state, row.updated_at, row.state_reason)


def record_statement(rows: Sequence[tuple[Row | ProposalStep, bool]]) -> Statement:
    """Return the statement for rows, at least one, each with whether it changes one that is there.

    Arguments: the studio, the payload, then the values of each row and, where one is changed, the event it
    was seen with (below zero: so many events before this one, in the same transaction). The answer is the
    event's number, which ``APPENDED`` keeps for the session; refused when a row was changed by somebody else.
    """
    return _statement(tuple((type(row), is_change) for row, is_change in rows))


def row_arguments(row: Row | ProposalStep, *, is_change: bool) -> tuple[Any, ...]:
    """Return the values of a row in the order of its statement; of a changed row only what may change."""
    if isinstance(row, QuotaReset):
        return (row.capability_id, row.scope, row.subject_id)
    values = _SHAPES[type(row)].values(row)
    return _CHANGED_VALUES[type(row)](values) if is_change else values


def mark_statement(kind: type) -> Statement:
    """Return the statement that finds a person's word; its arguments are the studio, then the values."""
    shape = _SHAPES[kind]
    same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM ${n}" for n, (name, _) in enumerate(shape.insert, 2))
    sql = f"SELECT 1 FROM studio.{shape.table} AS t WHERE t.studio_id = $1 AND {same} LIMIT 1"
    return Statement(
        f"ledger_has_{kind.__name__.lower()}", sql, ("text", *(kept for _, kept in shape.insert))
    )


@lru_cache(maxsize=64)
def _statement(kinds: tuple[tuple[type, bool], ...]) -> Statement:
    types, words = ["text", "text"], ["ledger_record"]
    parts = ["e AS MATERIALIZED (SELECT studio.append_audit_v1($2) AS seq)"]
    written = [
        # To reset a quota that was never used writes nothing.
        f"(SELECT count(*) FROM r{place}) >= 0" if kind is QuotaReset else f"EXISTS (SELECT FROM r{place})"
        for place, (kind, _) in enumerate(kinds)
    ]
    for place, (kind, is_change) in enumerate(kinds):
        # Each part waits for the one before it, so rules see rows in the order the event names them.
        before = "true" if place == 0 else written[place - 1]
        sql, more = _part(kind, is_change=is_change, before=before, first=len(types) + 1)
        parts.append(f"r{place} AS ({sql} RETURNING 1)")
        types += more
        words.append(f"{kind.__name__.lower()}{'_change' if is_change else ''}")
    number = f"set_config('{APPENDED}', e.seq::text, false)"
    answer = f"CASE WHEN {' AND '.join(written)} THEN {number} ELSE {_CHANGED} END"
    return Statement("_".join(words), f"WITH {', '.join(parts)} SELECT {answer} FROM e", tuple(types))


def _part(kind: type, *, is_change: bool, before: str, first: int) -> tuple[str, list[str]]:
    if kind is QuotaReset:
        return _reset(before, first)
    shape = _SHAPES[kind]
    changed = {shape.key, *shape.update}
    given = [pair for pair in shape.insert if not is_change or pair[0] in changed]
    marks = {name: f"${first + place}" for place, (name, _) in enumerate(given)}
    types = [type_ for _, type_ in given]
    if is_change:
        seen = f"${first + len(types)}"
        values = ", ".join(f"{name} = {marks[name]}" for name in shape.update)
        where = f"t.studio_id = $1 AND t.{shape.key} = {marks[str(shape.key)]} "
        where += f"AND t.audit_seq = CASE WHEN {seen} < 0 THEN e.seq + {seen} ELSE {seen} END"
        sql = f"UPDATE studio.{shape.table} AS t SET {values}, audit_seq = e.seq FROM e WHERE {where}"
        return f"{sql} AND {before}", [*types, _N]
    columns, values = ", ".join(marks), ", ".join(marks.values())
    if shape.revision is not None:
        columns += f", {shape.revision}"
        newest = f"SELECT max({shape.revision}) FROM studio.{shape.table} WHERE studio_id = $1"
        values += f", coalesce(({newest}), 0) + 1"
    sql = f"INSERT INTO studio.{shape.table} (studio_id, audit_seq, {columns}) "
    return f"{sql}SELECT $1, e.seq, {values} FROM e WHERE {before}", types


def _reset(before: str, first: int) -> tuple[str, list[str]]:
    where = " AND ".join(f"t.{name} = ${first + place}" for place, (name, _) in enumerate(_RESET))
    sql = "UPDATE studio.quota_buckets AS t SET used = 0, window_started_at = NULL, audit_seq = e.seq "
    sql += f"FROM e WHERE t.studio_id = $1 AND {where} AND {before}"
    return sql, [type_ for _, type_ in _RESET]
