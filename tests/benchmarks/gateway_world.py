"""What the gateway benchmark finds in its database: a million audit entries, proposals long done, a snapshot.

Everything is made in SQL. The chain of the log is a real one: every hash is over the entry before it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache

from policies.actors import system_actor
from policies.gateway import Gateway
from policies.intake import CLASSIFIER, RulesScreener
from policies.registry import Capability, default_registry
from resources.clock import SystemClock
from resources.postgres.capability_mirror import mirror_registry
from resources.postgres.engine import app_engine, ensure_databases, owner_engine
from resources.postgres.history import History
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_engine import ledger_engine
from resources.postgres.migrate import migrate
from resources.rows import OperationalEvent

STUDIO = "monsoonfire"
CAPABILITY = "firestore.ops_note.append"
ACCOUNTS = 100_000
EVENTS_PER_PROPOSAL = 6
DAYS = 60
_PLENTY = 1_000_000_000  # quotas are counted, never exhausted

# A cycle's six events with the fields, and so the size, that the gateway writes: what a verifier and a disk
# have to do depends on it. %1$s is a hash, %2$s what tells one proposal from another.
_ENTRIES = """
INSERT INTO studio.audit_events (studio_id, seq, payload, prev_hash, hash, transaction_id, name, at, actor_id,
    actor_kind, principal_id, subject_kind, subject_id, state)
WITH RECURSIVE events (place, action, state, actor_id, actor_kind, details) AS (VALUES
    (0, 'created', 'draft', 'uid_asker_0', 'staff', '"evidence_hash":"%1$s","input_hash":"%1$s",'
        || '"intake":"clear","intake_classifier":"{classifier}","is_intake_blocked":false,'
        || '"owner_id":"uid_owner_5","rationale_hash":"%1$s","version":1'),
    (1, 'submitted', 'pending_approval', 'uid_asker_0', 'staff', '"input_hash":"%1$s","version":1'),
    (2, 'approval_given', 'pending_approval', 'uid_approver_0', 'staff', '"approval_id":"apr_%2$s",'
        || '"expires_at":"2026-10-08T15:00:00.000000Z","input_hash":"%1$s","reason_hash":"%1$s",'
        || '"role":"approver","version":1'),
    (3, 'approved', 'approved', 'uid_approver_0', 'staff', '"approvals":1,"input_hash":"%1$s","version":1'),
    (4, 'executing', 'executing', 'system:executor', 'system', '"approvals_required":1,'
        || '"execution_id":"exe_%2$s","executor_id":"run-bench","exemption_id":null,"fence":1,'
        || '"idempotency_key":"prp_%2$s","input_hash":"%1$s","lease_until":"2026-10-01T15:02:00.000000Z",'
        || '"version":1'),
    (5, 'executed', 'executed', 'system:executor', 'system', '"execution_id":"exe_%2$s",'
        || '"executor_id":"run-bench","fence":1,"idempotency_key":"prp_%2$s","input_hash":"%1$s",'
        || '"pointer_hash":"%1$s","version":1')
), chain AS (
    SELECT 0::bigint AS seq, ''::text AS payload, ''::bytea AS prev, decode(repeat('00', 32), 'hex') AS hash,
        ''::text AS name, now() AS at, ''::text AS actor_id, ''::text AS actor_kind, ''::text AS subject_id,
        ''::text AS state
    UNION ALL
    SELECT made.seq, made.payload, made.prev, sha256('\\x00'::bytea || convert_to(
        made.seq || E'\\n' || encode(made.prev, 'hex') || E'\\n' || made.payload, 'UTF8')),
        made.name, made.at, made.actor_id, made.actor_kind, made.subject_id, made.state
    FROM chain AS c
    JOIN events AS e ON e.place = c.seq % {per}
    CROSS JOIN LATERAL (
        SELECT lpad((c.seq / {per})::text, 26, '0') AS told,
            '2026-10-01T15:00:00Z'::timestamptz + c.seq * interval '1 second' AS at
    ) AS now
    CROSS JOIN LATERAL (
        SELECT c.seq + 1 AS seq, c.hash AS prev, 'proposal:{capability}:' || e.action AS name, now.at,
            e.actor_id, e.actor_kind, 'prp_' || now.told AS subject_id, e.state,
            '{{"actor":{{"id":"' || e.actor_id || '","kind":"' || e.actor_kind || '","owner":null}},"at":"'
            || to_char(now.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            || '","details":{{' || format(e.details, encode(c.hash, 'hex'), now.told)
            || '}},"name":"proposal:{capability}:' || e.action || '","state":"' || e.state
            || '","studio":"{studio}","subject":{{"id":"prp_' || now.told || '","kind":"proposal"}},"v":1}}'
            AS payload
    ) AS made
    WHERE c.seq < {rows}
)
SELECT '{studio}', seq, payload, prev, hash, 1, name, at, actor_id, actor_kind, actor_id, 'proposal',
    subject_id, state
FROM chain WHERE seq > 0
"""
_PROPOSALS = """
INSERT INTO studio.proposals (studio_id, proposal_id, capability_id, state, version, rationale,
    predicted_effects, evidence, input, input_hash, requester_id, requester_kind, requester_principal_id,
    owner_id, created_at, updated_at, expires_at, intake, is_intake_blocked, intake_classifier, audit_seq)
SELECT '{studio}', 'prp_' || lpad(n::text, 26, '0'), '{capability}', 'executed', 1,
    'The shelf was seen cracked this morning.', '[]', '[]', '{{"note": "The shelf is cracked."}}',
    repeat('a', 64), 'uid_asker', 'staff', 'uid_asker', 'uid_owner', '2026-10-01T15:00:00Z',
    '2026-10-01T15:00:00Z', '2026-10-08T15:00:00Z', 'clear', false, '{classifier}', n * {per} + {per}
FROM generate_series(0, {rows} / {per} - 1) AS n;
INSERT INTO studio.approvals (studio_id, approval_id, proposal_id, version, kind, input_hash, approver_id,
    role, reason, at, expires_at, audit_seq)
SELECT studio_id, 'apr' || substr(proposal_id, 4), proposal_id, 1, 'execute', input_hash, 'uid_approver',
    'approver', 'I saw it, too.', created_at, expires_at, audit_seq - 3
FROM studio.proposals;
INSERT INTO studio.executions (studio_id, execution_id, proposal_id, version, kind, state, input_hash,
    idempotency_key, executor_id, fence, lease_until, started_at, finished_at, pointer, audit_seq)
SELECT studio_id, 'exe' || substr(proposal_id, 4), proposal_id, 1, 'execute', 'succeeded', input_hash,
    proposal_id, 'run-1', 1, expires_at, created_at, updated_at, '{{}}', audit_seq
FROM studio.proposals;
"""
_UNRULED = """
ALTER TABLE studio.proposals DISABLE TRIGGER USER;
ALTER TABLE studio.approvals DISABLE TRIGGER USER;
ALTER TABLE studio.executions DISABLE TRIGGER USER;
"""
_RULED = """
DO $$ DECLARE rule record; BEGIN
    FOR rule IN SELECT tgrelid::regclass AS of_table, tgname FROM pg_trigger
        WHERE tgenabled = 'D' AND NOT tgisinternal
    LOOP EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', rule.of_table, rule.tgname); END LOOP;
END $$
"""
_ACCOUNTS = """
CREATE TABLE bench_accounts (account integer PRIMARY KEY, balance bigint NOT NULL, filler char(84));
INSERT INTO bench_accounts SELECT n, 0, '' FROM generate_series(0, {accounts} - 1) AS n;
CREATE TABLE bench_history (account integer, delta integer, at timestamptz, filler char(22));
"""


@cache
def wide_registry() -> Mapping[str, Capability]:
    """Return the registry of the product, with quotas that are counted and never exhausted."""
    registry = dict(default_registry())
    capability = registry[CAPABILITY]
    wide = tuple(replace(quota, limit=_PLENTY) for quota in capability.quotas)
    registry[CAPABILITY] = replace(capability, quotas=wide)
    return registry


def make_world(server_url: str, url: str, rows: int) -> None:
    """Fill a new database for the benchmark."""
    ensure_databases(server_url, ["studio"])
    owner = owner_engine(url)
    migrate(owner, STUDIO)
    words = {
        "studio": STUDIO,
        "capability": CAPABILITY,
        "rows": rows,
        "per": EVENTS_PER_PROPOSAL,
        "accounts": ACCOUNTS,
        "classifier": CLASSIFIER,
    }
    with owner.begin() as connection:
        mirror_registry(connection, wide_registry())
        # The rows are as the rules would have let them become; here they need not be asked so often.
        for statement in (_ENTRIES, _UNRULED, _PROPOSALS, _RULED, _ACCOUNTS):
            connection.exec_driver_sql(statement.format(**words), execution_options={"no_parameters": True})
    with owner.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        # All but the log, which the server does not vacuum for its inserts either (migration 0011).
        connection.exec_driver_sql("VACUUM studio.proposals, studio.approvals, studio.executions")
        connection.exec_driver_sql("ANALYZE")
        connection.exec_driver_sql("CHECKPOINT")
    _remember(url)
    engine = ledger_engine(url, STUDIO)
    ledger = PostgresLedger(engine, STUDIO)
    Gateway(ledger, wide_registry(), clock=SystemClock(), screener=RulesScreener()).open_studio()
    engine.dispose()


def _remember(url: str) -> None:
    """Keep two months of snapshots, and a month of confirmations of the newest."""
    engine = app_engine(url, STUDIO)
    history = History(engine, STUDIO)
    now = datetime.now(UTC)
    today = date.fromordinal(now.date().toordinal())
    for back in range(DAYS, -1, -1):
        at = now - timedelta(days=back)
        history.append_snapshot(
            today - timedelta(days=back),
            f"{back:064x}",
            {"schemaVersion": "v3.1", "asOf": at.isoformat()},
            {},
            observed_at=at,
            run_id="run-1",
            code_version="1",
        )
    for minutes in range(0, 30 * 24 * 60, 60):
        at = now - timedelta(minutes=minutes)
        payload = {"snapshotDate": today.isoformat(), "revision": 1, "asOf": at.isoformat()}
        history.record_event(OperationalEvent("studio_state:snapshot:confirmed", at, payload, "run-1"))
    engine.dispose()


EXECUTOR = system_actor("executor", STUDIO)
