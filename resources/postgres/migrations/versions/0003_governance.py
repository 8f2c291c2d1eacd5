"""The gateway's tables: proposals, approvals, executions, policies, and the audit log that explains them.

The statements are plain SQL in ``migrations/governance``; rights and row-level security are given here.
"""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

_SCRIPTS = Path(__file__).parent.parent / "governance"
_SCRIPT_ORDER = (
    *("tables", "audit", "rules_common", "rules_proposals", "rules_approvals", "rules_executions"),
    "rules_policies",
)

# Table -> what the runtime may do besides reading. Columns are named where rows change: others never do.
_INSERT = "INSERT"
_RIGHTS = {
    "audit_events": "",  # only through append_audit_v1
    "proposals": "INSERT, UPDATE (state, version, rationale, predicted_effects, evidence, input, input_hash, "
    "dry_run, updated_at, expires_at, intake, is_intake_blocked, intake_classifier, state_reason, audit_seq)",
    "proposal_versions": "",  # a trigger of proposals writes it
    "approvals": _INSERT,
    "executions": "INSERT, UPDATE (state, executor_id, fence, lease_until, finished_at, pointer, "
    "failure_code, failure, audit_seq)",
    "kill_switch_changes": _INSERT,
    "exemptions": _INSERT,
    "exemption_ends": _INSERT,
    "quota_buckets": "INSERT, UPDATE (limit_count, window_seconds, used, window_started_at, last_used_at, "
    "audit_seq)",
    "intake_overrides": _INSERT,
    "governance_checks": _INSERT,
    "audit_checkpoints": _INSERT,
}
_REGISTRY = ("capabilities", "capability_quotas")


def upgrade() -> None:
    """Create the tables, wall them off by studio, give the runtime what it needs, and add the rules."""
    for script in _SCRIPT_ORDER:
        _run(script)
    for table, rights in _RIGHTS.items():
        _protect(table, rights)
    for table in _REGISTRY:
        _protect_registry(table)
    # Ordinary triggers fall silent under session_replication_role; these do not.
    op.execute(
        """
        DO $$ DECLARE rule record; BEGIN
            FOR rule IN SELECT tgrelid::regclass AS of_table, tgname FROM pg_trigger
                WHERE NOT tgisinternal AND tgenabled <> 'A'
                    AND tgrelid::regclass::text LIKE 'studio.%'
            LOOP
                EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', rule.of_table, rule.tgname);
            END LOOP;
        END $$
        """
    )


def _run(name: str) -> None:
    script = (_SCRIPTS / f"{name}.sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(script, execution_options={"no_parameters": True})


def _protect(table: str, rights: str) -> None:
    name, refused = ("kept", "") if "UPDATE" in rights else ("append_only", "UPDATE OR ")
    op.execute(
        f"CREATE TRIGGER {table}_{name} BEFORE {refused}DELETE OR TRUNCATE ON studio.{table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION studio.refuse_change()"
    )
    _wall(table)
    op.execute(
        f"CREATE POLICY {table}_of_one_studio ON studio.{table} "
        "USING (studio_id = studio.current_studio_id()) WITH CHECK (studio_id = studio.current_studio_id())"
    )
    op.execute(f"GRANT {', '.join(filter(None, ('SELECT', rights)))} ON studio.{table} TO studio_app")


def _protect_registry(table: str) -> None:
    # One registry for all studios; who has chosen none sees none of it, as with every other table.
    _wall(table)
    op.execute(f"CREATE POLICY {table}_owner ON studio.{table} TO studio_owner USING (true)")
    op.execute(
        f"CREATE POLICY {table}_readers ON studio.{table} FOR SELECT USING (studio.current_studio_id() <> '')"
    )
    op.execute(f"GRANT SELECT ON studio.{table} TO studio_app")


def _wall(table: str) -> None:
    op.execute(f"ALTER TABLE studio.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE studio.{table} FORCE ROW LEVEL SECURITY")


def downgrade() -> None:
    """Refuse: the audit log is never taken back."""
    raise NotImplementedError("The audit log is append-only; restore a backup instead.")
