"""The ledger's fixed statements. Each is prepared once a connection, so the server plans it once.

Rows come back as one JSON text: decoding that is cheaper than column by column, and one statement can say
everything a decision rests on.
"""

# ruff: noqa: S608 - the SQL is made of this module's constants; every value is an argument

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from resources.postgres.ledger_locks import QUOTA_LOCK, SWITCH_LOCK


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: its name, its SQL with ``$1`` and so on, and the types of those."""

    name: str
    sql: str
    types: tuple[str, ...]
    preparation: str = field(init=False)
    call: str = field(init=False)

    def __post_init__(self) -> None:
        marks = ", ".join(["%s"] * len(self.types))
        prepare = f"PREPARE {self.name} ({', '.join(self.types)}) AS {self.sql}"
        object.__setattr__(self, "preparation", prepare)
        object.__setattr__(self, "call", f"EXECUTE {self.name} ({marks})")


# The newest change says what the switch is.
_SWITCH: Final = (
    "(SELECT row_to_json(s) FROM (SELECT revision, kind, actor_id, at, reason "
    "FROM studio.kill_switch_changes WHERE studio_id = $1 ORDER BY revision DESC LIMIT 1) AS s)"
)
_APPROVALS: Final = (
    "(SELECT json_agg(a ORDER BY a.audit_seq) FROM studio.approvals AS a "
    "WHERE a.studio_id = $1 AND a.proposal_id = {id})"
)
_EXECUTIONS: Final = (
    "(SELECT json_agg(x ORDER BY x.started_at, x.execution_id) FROM studio.executions AS x "
    "WHERE x.studio_id = $1 AND x.proposal_id = {id})"
)
_EXEMPTION: Final = (
    "SELECT m.*, e.at AS ended_at, e.kind AS ended_by_kind FROM studio.exemptions AS m "
    "LEFT JOIN studio.exemption_ends AS e USING (studio_id, exemption_id) WHERE m.studio_id = $1"
)
# The cloud last said what the current snapshot says: its newest confirmation, or the reading that made it.
# Past days are confirmed, too: looking back along the index ends at the first that is of the current one.
_SNAPSHOT_READ_AT: Final = """
    (SELECT greatest((now.payload ->> 'asOf')::timestamptz,
        (SELECT (c.payload ->> 'asOf')::timestamptz FROM studio.operational_events AS c
        WHERE c.studio_id = $1 AND c.name = 'studio_state:snapshot:confirmed'
            AND c.payload ->> 'snapshotDate' = now.day AND c.payload ->> 'revision' = now.revision::text
        ORDER BY c.at DESC LIMIT 1))
    FROM (SELECT to_char(snapshot_date, 'YYYY-MM-DD') AS day, revision, payload
        FROM studio.studio_state_snapshots
        WHERE studio_id = $1 ORDER BY snapshot_date DESC, revision DESC LIMIT 1) AS now)"""
_RED_CHECKS: Final = (
    "(SELECT json_agg(g.name ORDER BY g.name) FROM studio.governance_checks AS g "
    "WHERE g.studio_id = $1 AND NOT g.holds AND NOT EXISTS (SELECT FROM studio.governance_checks AS newer "
    "WHERE newer.studio_id = $1 AND newer.name = g.name AND newer.audit_seq > g.audit_seq))"
)

# Its own statement before the facts: what they see must be from after the wait for the lock.
LOCK_PROPOSAL: Final = Statement(
    "ledger_lock_proposal",
    "SELECT FROM studio.proposals WHERE studio_id = $1 AND proposal_id = $2 FOR NO KEY UPDATE",
    ("text", "text"),
)


def facts_call(
    studio_id: str,
    capability_id: str | None,
    proposal_id: str | None,
    quotas: Sequence[tuple[str, str]],
    *,
    is_for_deed: bool,
) -> tuple[Statement, list[Any]]:
    """Return the statement for what a decision rests on, with its arguments."""
    statement = facts_statement(
        has_proposal=proposal_id is not None, has_quotas=bool(quotas), is_for_deed=is_for_deed
    )
    arguments: list[Any] = [studio_id, capability_id]
    if proposal_id is not None:
        arguments.append(proposal_id)
    if quotas:
        arguments += [scope for scope, _ in quotas], [subject for _, subject in quotas]
    return statement, arguments


@cache
def facts_statement(*, has_proposal: bool, has_quotas: bool, is_for_deed: bool) -> Statement:
    """Return the statement for what a decision rests on: making ready to look costs more than looking.

    Arguments: studio, capability (null: the proposal's), proposal where there is one, and scopes and subjects
    of the wanted quotas where there are any. What is not asked for is not in the answer.
    """
    capability = "coalesce($2, (SELECT capability_id FROM p))" if has_proposal else "$2"
    types, said = ["text", "text"], {"switch": _SWITCH}
    said["exemptions"] = (
        f"(SELECT json_agg(m ORDER BY m.audit_seq DESC) FROM ({_EXEMPTION} "
        f"AND m.capability_id = {capability}) AS m)"
    )
    if has_proposal:
        types.append("text")
        said["proposal"] = "(SELECT row_to_json(p) FROM p)"
        said["approvals"] = _APPROVALS.format(id="$3")
        said["executions"] = _EXECUTIONS.format(id="$3")
    if has_quotas:
        scopes, subjects = f"${len(types) + 1}", f"${len(types) + 2}"
        types += ["text[]", "text[]"]
        said["quotas"] = (
            f"(SELECT json_agg(q ORDER BY w.place) FROM unnest({scopes}, {subjects}) WITH ORDINALITY "
            "AS w (scope, subject_id, place) JOIN studio.quota_buckets AS q ON q.studio_id = $1 "
            f"AND q.capability_id = {capability} AND q.scope = w.scope AND q.subject_id = w.subject_id "
            "AND q.used > 0)"
        )
    if is_for_deed:
        said["snapshot_read_at"], said["red_checks"] = _SNAPSHOT_READ_AT, _RED_CHECKS
    name = "_".join(
        ["ledger_facts"]
        + [f"of_{part}" for part in ("proposal", "quotas", "snapshot_read_at") if part in said]
    )
    answer = ", ".join(f"'{part}', {sql}" for part, sql in said.items())
    proposal = (
        "WITH p AS MATERIALIZED (SELECT * FROM studio.proposals WHERE studio_id = $1 AND proposal_id = $3) "
    )
    sql = f"{proposal if has_proposal else ''}SELECT json_build_object({answer})::text"
    return Statement(name, sql, tuple(types))


LIVE_DUPLICATE: Final = Statement(
    "ledger_live_duplicate",
    "SELECT row_to_json(p)::text FROM studio.proposals AS p "
    "WHERE p.studio_id = $1 AND p.capability_id = $2 AND p.dedupe_key = $3 "
    "AND p.state IN ('draft', 'pending_approval', 'approved', 'executing', 'executed')",
    ("text", "text", "text"),
)

# Quotas: capabilities, scopes, subjects, limits, windows, one instant, and whether rows may be added. Rows
# are locked in one order for everybody, so nobody waits in a circle. A quota nobody has used yet has no row
# to lock: nothing is locked or counted then, and the caller comes again with the lock for adding rows.
_KEY: Final = "(q.capability_id, q.scope, q.subject_id) = (w.capability_id, w.scope, w.subject_id)"
USE_QUOTAS: Final = Statement(
    "ledger_use_quotas",
    f"""WITH wanted AS MATERIALIZED (
        SELECT * FROM unnest($2, $3, $4, $5, $6) WITH ORDINALITY
            AS w (capability_id, scope, subject_id, limit_count, window_seconds, place)
    ), held AS MATERIALIZED (
        SELECT w.*, q.used, q.window_started_at, q.last_used_at, q.window_started_at IS NULL
                OR q.window_started_at + make_interval(secs => w.window_seconds) <= $7 AS is_over
        FROM wanted AS w JOIN studio.quota_buckets AS q ON q.studio_id = $1 AND {_KEY}
        WHERE $8 OR (SELECT count(*) FROM wanted AS w JOIN studio.quota_buckets AS q
            ON q.studio_id = $1 AND {_KEY}) = cardinality($2)
        ORDER BY w.capability_id, w.scope, w.subject_id FOR NO KEY UPDATE OF q
    ), fresh AS MATERIALIZED (
        SELECT w.*, 0::bigint AS used, NULL::timestamptz AS window_started_at,
            NULL::timestamptz AS last_used_at, true AS is_over
        FROM wanted AS w WHERE $8 AND NOT EXISTS (SELECT FROM held AS q WHERE {_KEY})
    ), spent AS MATERIALIZED (
        SELECT * FROM (SELECT * FROM held UNION ALL SELECT * FROM fresh) AS w
        WHERE CASE WHEN is_over THEN 0 ELSE used END >= limit_count
    ), counted AS (
        UPDATE studio.quota_buckets AS q SET limit_count = w.limit_count, window_seconds = w.window_seconds,
            used = CASE WHEN w.is_over THEN 1 ELSE w.used + 1 END,
            window_started_at = CASE WHEN w.is_over THEN $7 ELSE w.window_started_at END,
            last_used_at = CASE WHEN w.is_over THEN $7 ELSE greatest($7, w.last_used_at) END
        FROM held AS w WHERE q.studio_id = $1 AND {_KEY} AND NOT EXISTS (SELECT FROM spent) RETURNING 1
    ), added AS (
        INSERT INTO studio.quota_buckets (studio_id, capability_id, scope, subject_id, limit_count,
            window_seconds, used, window_started_at, last_used_at)
        SELECT $1, w.capability_id, w.scope, w.subject_id, w.limit_count, w.window_seconds, 1, $7, $7
        FROM fresh AS w WHERE NOT EXISTS (SELECT FROM spent) RETURNING 1
    )
    SELECT (SELECT row_to_json(s)::text FROM spent AS s ORDER BY s.place LIMIT 1),
        (SELECT count(*) FROM counted) + (SELECT count(*) FROM added)""",
    ("text", "text[]", "text[]", "text[]", "bigint[]", "bigint[]", "timestamptz", "boolean"),
)
# Without making rows, and refused as a whole unless all were there and had room: nobody reads the answer.
USE_QUOTAS_LATE: Final = Statement(
    "ledger_use_quotas_late",
    f"""WITH held AS MATERIALIZED (
        SELECT w.*, q.window_started_at IS NULL
                OR q.window_started_at + make_interval(secs => w.window_seconds) <= $7 AS is_over
        FROM unnest($2, $3, $4, $5, $6) AS w (capability_id, scope, subject_id, limit_count, window_seconds)
        JOIN studio.quota_buckets AS q ON q.studio_id = $1 AND {_KEY}
        ORDER BY w.capability_id, w.scope, w.subject_id FOR NO KEY UPDATE OF q
    ), counted AS (
        UPDATE studio.quota_buckets AS q SET limit_count = w.limit_count, window_seconds = w.window_seconds,
            used = CASE WHEN w.is_over THEN 1 ELSE q.used + 1 END,
            window_started_at = CASE WHEN w.is_over THEN $7 ELSE q.window_started_at END,
            last_used_at = CASE WHEN w.is_over THEN $7 ELSE greatest($7, q.last_used_at) END
        FROM held AS w WHERE q.studio_id = $1 AND {_KEY}
            AND CASE WHEN w.is_over THEN 0 ELSE q.used END < w.limit_count RETURNING 1
    )
    SELECT CASE WHEN (SELECT count(*) FROM counted) = cardinality($2) THEN '' ELSE
        studio.refuse('quota-has-room', 'A quota is used up or new.', 'SO001')::text END""",
    ("text", "text[]", "text[]", "text[]", "bigint[]", "bigint[]", "timestamptz"),
)
LOCK_NEW_QUOTAS: Final = Statement(
    "ledger_lock_new_quotas", f"SELECT pg_advisory_xact_lock({QUOTA_LOCK}, hashtext($1))", ("text",)
)
LOCK_QUOTA: Final = Statement(
    "ledger_lock_quota",
    "SELECT FROM studio.quota_buckets WHERE studio_id = $1 AND capability_id = $2 AND scope = $3 "
    "AND subject_id = $4 FOR NO KEY UPDATE",
    ("text", "text", "text", "text"),
)

# The row first, then the switch: what is read of the switch is from after every wait.
LOCK_EXECUTION: Final = Statement(
    "ledger_lock_execution",
    "SELECT FROM studio.executions WHERE studio_id = $1 AND execution_id = $2 FOR NO KEY UPDATE",
    ("text", "text"),
)
SHARE_SWITCH: Final = Statement(
    "ledger_share_switch",
    f"SELECT pg_advisory_xact_lock_shared({SWITCH_LOCK}, hashtext($1))",
    ("text",),
)
BEGIN_CALL: Final = Statement(
    "ledger_begin_call",
    f"SELECT row_to_json(x)::text, {_SWITCH}::text FROM studio.executions AS x "
    "WHERE x.studio_id = $1 AND x.execution_id = $2",
    ("text", "text"),
)
TAKE_OVER: Final = Statement(
    "ledger_take_over",
    "SELECT row_to_json(x)::text FROM studio.executions AS x "
    "WHERE x.studio_id = $1 AND x.execution_id = $2 FOR NO KEY UPDATE SKIP LOCKED",
    ("text", "text"),
)
HOLD_SWITCH: Final = Statement(
    "ledger_hold_switch",
    f"SELECT pg_advisory_xact_lock({SWITCH_LOCK}, hashtext($1))",
    ("text",),
)
IN_FLIGHT: Final = Statement(
    "ledger_in_flight",
    "SELECT count(*) FROM studio.executions WHERE studio_id = $1 AND state = 'intent'",
    ("text",),
)

SWITCH: Final = Statement("ledger_switch", f"SELECT {_SWITCH}::text", ("text",))
PROPOSALS: Final = Statement(
    "ledger_proposals",
    "SELECT json_agg(p ORDER BY p.proposal_id DESC)::text FROM (SELECT * FROM studio.proposals "
    "WHERE studio_id = $1 AND ($2 = '{}' OR state = ANY ($2)) AND ($3 IS NULL OR capability_id = $3) "
    "AND ($4 IS NULL OR proposal_id < $4) ORDER BY proposal_id DESC LIMIT $5) AS p",
    ("text", "text[]", "text", "text", "bigint"),
)
APPROVALS: Final = Statement(
    "ledger_approvals", f"SELECT {_APPROVALS.format(id='$2')}::text", ("text", "text")
)
EXECUTIONS: Final = Statement(
    "ledger_executions", f"SELECT {_EXECUTIONS.format(id='$2')}::text", ("text", "text")
)
READY_TO_EXECUTE: Final = Statement(
    "ledger_ready_to_execute",
    "SELECT json_agg(p.proposal_id ORDER BY p.updated_at, p.proposal_id)::text FROM ("
    "SELECT p.proposal_id, p.updated_at FROM studio.proposals AS p "
    "JOIN studio.capabilities AS c USING (capability_id) "
    "WHERE p.studio_id = $1 AND p.state = 'approved' AND c.adapter IS NOT NULL "
    "ORDER BY p.updated_at, p.proposal_id LIMIT $2) AS p",
    ("text", "bigint"),
)
READY_TO_ROLL_BACK: Final = Statement(
    "ledger_ready_to_roll_back",
    "SELECT json_agg(p.proposal_id ORDER BY p.updated_at, p.proposal_id)::text FROM ("
    "SELECT p.proposal_id, p.updated_at FROM (SELECT proposal_id, max(at) AS at FROM studio.approvals "
    "WHERE studio_id = $1 AND kind = 'rollback' GROUP BY proposal_id) AS wanted "
    "JOIN studio.proposals AS p ON p.studio_id = $1 AND p.proposal_id = wanted.proposal_id "
    "WHERE p.state = 'executed' AND NOT EXISTS (SELECT FROM studio.executions AS x "
    "WHERE x.studio_id = $1 AND x.proposal_id = p.proposal_id AND x.kind = 'rollback' "
    "AND x.state <> 'released' AND x.started_at >= wanted.at) "
    "ORDER BY p.updated_at, p.proposal_id LIMIT $2) AS p",
    ("text", "bigint"),
)
ABANDONED: Final = Statement(
    "ledger_abandoned",
    "SELECT json_agg(x ORDER BY x.lease_until, x.execution_id)::text FROM (SELECT * FROM studio.executions "
    "WHERE studio_id = $1 AND state = 'intent' AND lease_until <= $2 "
    "ORDER BY lease_until, execution_id LIMIT $3) AS x",
    ("text", "timestamptz", "bigint"),
)
# An approved proposal is overdue when too few of its approvals still live and no exemption stands in.
OVERDUE: Final = Statement(
    "ledger_overdue",
    """SELECT json_agg(p ORDER BY p.proposal_id)::text FROM (SELECT p.* FROM studio.proposals AS p
    LEFT JOIN studio.capabilities AS c USING (capability_id)
    WHERE p.studio_id = $1 AND p.state IN ('draft', 'pending_approval', 'approved')
    AND CASE WHEN p.state <> 'approved' OR coalesce(c.approvals_required, 0) = 0 THEN p.expires_at <= $2
        ELSE c.approvals_required > (SELECT count(DISTINCT a.approver_id) FROM studio.approvals AS a
            WHERE a.studio_id = $1 AND a.proposal_id = p.proposal_id AND a.kind = 'execute'
            AND a.version = p.version AND a.input_hash = p.input_hash AND a.expires_at > $2)
        AND NOT EXISTS (SELECT FROM studio.exemptions AS m
            LEFT JOIN studio.exemption_ends AS e USING (studio_id, exemption_id)
            WHERE m.studio_id = $1 AND m.capability_id = p.capability_id
            AND m.expires_at > $2 AND (e.exemption_id IS NULL OR e.at > $2)
            AND (m.owner_id IS NULL OR m.owner_id = p.owner_id)
            AND m.granted_by NOT IN (p.requester_id, p.requester_principal_id)) END
    ORDER BY p.proposal_id LIMIT $3) AS p""",
    ("text", "timestamptz", "bigint"),
)
EXEMPTIONS: Final = Statement(
    "ledger_exemptions",
    f"SELECT json_agg(m ORDER BY m.audit_seq DESC)::text FROM ({_EXEMPTION} AND ($2 IS NULL OR ("
    "m.granted_at <= $2 AND m.expires_at > $2 AND (e.at IS NULL OR e.at > $2)))) AS m",
    ("text", "timestamptz"),
)
QUOTA_USES: Final = Statement(
    "ledger_quota_uses",
    "SELECT json_agg(q ORDER BY q.capability_id, q.scope, q.subject_id)::text FROM studio.quota_buckets AS q "
    "WHERE q.studio_id = $1 AND q.used > 0",
    ("text",),
)
