"""What a row says by itself: every rule of its form is refused by the name it had as a CHECK of its own."""

# ruff: noqa: S608 - the SQL is made of tests' own names

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

pytestmark = pytest.mark.integration

_AT, _LATER = "'2026-10-01T15:00:00Z'::timestamptz", "'2026-10-01T16:00:00Z'::timestamptz"
_HASH = "repeat('0a', 32)"
# Of each table's form: what the arguments may be, in order. Null is wanted where a column may be null.
FORMS = {
    "proposals": (
        "is_proposal",
        {
            "studio_id": "'monsoonfire'",
            "proposal_id": "'prp_' || repeat('0z', 13)",
            "state": "'approved'",
            "version": "1",
            "predicted_effects": "'[]'::jsonb",
            "evidence": "'[]'::jsonb",
            "input": "'{}'::jsonb",
            "input_hash": _HASH,
            "requester_id": "'ann'",
            "requester_principal_id": "'ann'",
            "owner_id": "null",
            "dedupe_key": "null",
            "dry_run": "null",
            "created_at": _AT,
            "expires_at": _LATER,
            "intake": "'clear'",
            "intake_classifier": "'rules/1'",
            "state_reason": "null",
        },
    ),
    "approvals": (
        "is_approval",
        {
            "studio_id": "'monsoonfire'",
            "approval_id": "'apr_1'",
            "version": "1",
            "kind": "'execute'",
            "input_hash": _HASH,
            "approver_id": "'ben'",
            "role": "'approver'",
            "reason": "'Right.'",
            "given_at": _AT,
            "expires_at": _LATER,
        },
    ),
    "executions": (
        "is_execution",
        {
            "studio_id": "'monsoonfire'",
            "execution_id": "'exe_1'",
            "proposal_id": "'prp_1'",
            "version": "1",
            "kind": "'execute'",
            "state": "'intent'",
            "input_hash": _HASH,
            "idempotency_key": "'prp_1_rollback'",
            "executor_id": "'run-1'",
            "fence": "1",
            "lease_until": _LATER,
            "started_at": _AT,
            "finished_at": "null",
            "pointer": "null",
            "failure_code": "null",
        },
    ),
    "quota_buckets": (
        "is_quota_bucket",
        {
            "studio_id": "'monsoonfire'",
            "scope": "'owner'",
            "subject_id": "'uid'",
            "limit_count": "2",
            "window_seconds": "60",
            "used": "2",
            "window_started_at": _AT,
        },
    ),
}
_DONE = {"state": "'succeeded'", "finished_at": _LATER}
_STUDIO = ("'m'", "''", "'Monsoon'", "'1fire'", "'mon soon'", "repeat('a', 42)", "'mé'", "E'fire\\n'")
_NO_HASH = ("''", "repeat('0', 63)", "repeat('0', 65)", "repeat('0', 63) || 'g'", "repeat('A', 64)")
BROKEN = [
    *(("proposals", "studio_id_check", {"studio_id": wrong}) for wrong in _STUDIO),
    *(("approvals", "studio_id_check", {"studio_id": wrong}) for wrong in _STUDIO),
    *(("executions", "studio_id_check", {"studio_id": wrong}) for wrong in _STUDIO),
    *(("quota_buckets", "studio_id_check", {"studio_id": wrong}) for wrong in _STUDIO),
    *(("proposals", "input_hash_check", {"input_hash": wrong}) for wrong in _NO_HASH),
    *(("approvals", "input_hash_check", {"input_hash": wrong}) for wrong in _NO_HASH),
    *(("executions", "input_hash_check", {"input_hash": wrong}) for wrong in _NO_HASH),
    *(
        ("proposals", "proposal_id_check", {"proposal_id": wrong})
        for wrong in ("'prp_1'", "'prp_' || repeat('0', 27)", "'exe_' || repeat('0', 26)", "repeat('A', 30)")
    ),
    *(("approvals", "approval_id_check", {"approval_id": it}) for it in ("''", "repeat('a', 61)", "'A'")),
    *(("executions", "execution_id_check", {"execution_id": it}) for it in ("''", "repeat('a', 61)", "'A'")),
    *((of, "version_check", {"version": "0"}) for of in ("proposals", "approvals", "executions")),
    *((of, "kind_check", {"kind": "'undo'"}) for of in ("approvals", "executions")),
    ("proposals", "state_check", {"state": "'unheard_of'"}),
    ("proposals", "predicted_effects_check", {"predicted_effects": "'{}'::jsonb"}),
    ("proposals", "evidence_check", {"evidence": "'{}'::jsonb"}),
    ("proposals", "input_check", {"input": "'[]'::jsonb"}),
    ("proposals", "dry_run_check", {"dry_run": "'[]'::jsonb"}),
    *(
        ("proposals", f"{name}_check", {name: "''"})
        for name in (
            *("requester_id", "requester_principal_id", "owner_id", "dedupe_key", "intake"),
            "intake_classifier",
        )
    ),
    ("proposals", "expire_later", {"expires_at": _AT}),
    ("proposals", "rejected_has_reason", {"state": "'rejected'"}),
    ("proposals", "rejected_has_reason", {"state": "'rejected'", "state_reason": "''"}),
    *(("approvals", f"{name}_check", {name: "''"}) for name in ("approver_id", "role", "reason")),
    ("approvals", "expire_later", {"expires_at": _AT}),
    ("executions", "state_check", {"state": "'begun'", "finished_at": _LATER}),
    ("executions", "check", {"idempotency_key": "'another'"}),
    ("executions", "executor_id_check", {"executor_id": "''"}),
    ("executions", "fence_check", {"fence": "0"}),
    ("executions", "failure_code_check", {"failure_code": "''"}),
    ("executions", "lease_later", {"lease_until": _AT}),
    ("executions", "finished_or_not", {"finished_at": _LATER}),
    ("executions", "finished_or_not", {"state": "'failed'"}),
    ("executions", "only_effects_have_pointer", {"pointer": "'{}'::jsonb"}),
    ("executions", "pointer_check", {**_DONE, "pointer": "'[]'::jsonb"}),
    ("quota_buckets", "scope_check", {"scope": "'member'"}),
    ("quota_buckets", "subject_id_check", {"subject_id": "''"}),
    ("quota_buckets", "limit_count_check", {"limit_count": "-1"}),
    ("quota_buckets", "window_seconds_check", {"window_seconds": "0"}),
    ("quota_buckets", "within_limit", {"used": "3"}),
    ("quota_buckets", "within_limit", {"used": "-1"}),
    ("quota_buckets", "used_since", {"window_started_at": "null"}),
]
WELL_FORMED = [
    *((table, {}) for table in FORMS),
    *((table, {"studio_id": right}) for table in FORMS for right in ("'ab'", "'a_1'", "repeat('a', 41)")),
    ("proposals", {"state": "'rejected'", "state_reason": "'No.'"}),
    ("proposals", {"owner_id": "'uid'", "dedupe_key": "'k'", "dry_run": "'{}'::jsonb"}),
    ("approvals", {"approval_id": "repeat('a', 60)", "kind": "'rollback'"}),
    ("executions", {**_DONE, "pointer": "'{}'::jsonb", "failure_code": "null"}),
    ("executions", {"execution_id": "repeat('a', 60)", "failure_code": "'GONE'"}),
    ("quota_buckets", {"used": "0", "window_started_at": "null"}),
]


def form(desk, table, given):
    function, right = FORMS[table]
    assert set(given) <= set(right)
    arguments = ", ".join(f"{name} => {value}" for name, value in {**right, **given}.items())
    with desk.engine.connect() as connection:
        return connection.scalar(text(f"SELECT studio.{function}({arguments})"))


@pytest.mark.parametrize(("table", "given"), WELL_FORMED)
def test_a_row_of_the_right_form_is_taken(desk, table, given):
    """Also at the edges of every rule, and with null wherever a column may be null."""
    assert form(desk, table, given) is True


@pytest.mark.parametrize(("table", "rule", "given"), BROKEN)
def test_a_broken_form_is_told_by_its_rule(desk, table, rule, given):
    with pytest.raises(IntegrityError) as refused:
        form(desk, table, given)
    assert refused.value.orig.pgcode == "23514"
    assert refused.value.orig.diag.constraint_name == f"{table}_{rule}"
    assert refused.value.orig.diag.table_name == table


def test_every_rule_of_form_is_broken_by_some_case(desk):
    """Whatever the functions can say is said by a case above, and each table asks its function."""
    with desk.superuser.connect() as connection:
        for table, (function, _) in FORMS.items():
            body = connection.scalar(text(f"SELECT prosrc FROM pg_proc WHERE proname = '{function}'"))
            rules = {line.rsplit("THEN '", 1)[1].strip("'") for line in body.splitlines() if "THEN '" in line}
            assert rules == {rule for of, rule, _ in BROKEN if of == table}
            checks = connection.scalars(
                text(
                    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' "
                    f"AND convalidated AND conrelid = 'studio.{table}'::regclass"
                )
            ).all()
            assert len(checks) == 1
            assert f"studio.{function}(" in checks[0]
