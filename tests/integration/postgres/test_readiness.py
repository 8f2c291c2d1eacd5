"""Readiness names every reason not to rely on the database, with its remedy, and is silent otherwise."""

import pytest
from sqlalchemy import text

from resources.postgres.engine import app_engine, owner_engine
from resources.postgres.readiness import database_problems

pytestmark = pytest.mark.integration


def _execute(url, *statements):
    with owner_engine(url).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_a_migrated_database_has_no_problem(app_engine, owner_url):
    assert database_problems(app_engine) == []
    assert database_problems(owner_engine(owner_url)) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("ALTER TABLE studio.source_reads NO FORCE ROW LEVEL SECURITY", "no row-level security"),
        ("ALTER TABLE studio.source_reads DISABLE ROW LEVEL SECURITY", "no row-level security"),
        (
            "ALTER TABLE studio.source_reads DISABLE TRIGGER source_reads_append_only",
            "no append-only trigger",
        ),
        ("DROP TRIGGER source_reads_append_only ON studio.source_reads", "no append-only trigger"),
        ("GRANT UPDATE ON studio.source_reads TO studio_app", "may change studio.source_reads"),
        ("REVOKE INSERT ON studio.source_reads FROM studio_app", "may not read and append"),
        ("DROP TABLE studio.operational_events CASCADE", "studio.operational_events is missing"),
        ("ALTER TABLE studio.approvals DISABLE TRIGGER approvals_rule", "lacks the rule approvals_rule"),
        ("DROP TRIGGER executions_rule_intent ON studio.executions", "lacks the rule executions_rule_int"),
        ("ALTER TABLE studio.executions DISABLE TRIGGER executions_kept", "keeps its rows"),
        ("DROP TRIGGER audit_events_append_only ON studio.audit_events", "no append-only trigger"),
        ("GRANT UPDATE (note) ON studio.audit_checkpoints TO studio_app", "may change studio.audit_check"),
        ("GRANT INSERT ON studio.audit_events TO studio_app", "may write studio.audit_events itself"),
        ("GRANT UPDATE ON studio.capabilities TO studio_app", "may change studio.capabilities"),
        ("ALTER TABLE studio.capabilities DISABLE ROW LEVEL SECURITY", "no row-level security"),
        ("ALTER TABLE studio.findings DISABLE TRIGGER findings_rule", "lacks the rule findings_rule"),
        ("ALTER TABLE studio.findings DISABLE TRIGGER findings_append_only", "no append-only trigger"),
        ("ALTER TABLE studio.findings DISABLE ROW LEVEL SECURITY", "no row-level security"),
        ("GRANT UPDATE (state) ON studio.findings TO studio_app", "may change studio.findings"),
        ("GRANT DELETE ON studio.connector_readings TO studio_app", "may change studio.connector_readings"),
        ("DROP TABLE studio.connector_confirmations CASCADE", "studio.connector_confirmations is missing"),
        ("COMMENT ON SCHEMA studio IS 'x'", "views are of another version"),
        ("UPDATE studio.alembic_version SET version_num = '0001'", "at version 0001"),
        ("UPDATE studio.alembic_version SET version_num = '9000'", "newer one made it"),
    ],
)
def test_each_weakness_is_named(app_engine, owner_url, damage, words):
    _execute(owner_url, damage)
    problems = database_problems(app_engine)
    assert len(problems) == 1
    assert words in problems[0]


def test_an_empty_database_says_how_to_start(empty_database_url):
    problems = database_problems(owner_engine(empty_database_url))
    assert problems == ["The database has no tables of Studio OS yet. Start once with: ./studio up"]


@pytest.mark.usefixtures("_template")
def test_a_server_without_our_roles_says_how_to_start(empty_database_url):
    """The runtime's engine cannot even take its role there, and says so instead of looking broken."""
    engine = app_engine(empty_database_url, "monsoonfire")
    _execute(empty_database_url, "ALTER ROLE studio_app RENAME TO studio_app_aside")
    try:
        problems = database_problems(engine)
    finally:
        _execute(empty_database_url, "ALTER ROLE studio_app_aside RENAME TO studio_app")
        engine.dispose()
    assert len(problems) == 1
    assert "./studio up" in problems[0]


def test_an_unreachable_server_is_a_problem_not_an_error():
    nowhere = "postgresql://ann:canary-9x@/studio?host=/nowhere"
    problems = database_problems(owner_engine(nowhere))
    assert len(problems) == 1
    assert "cannot be used now" in problems[0]
    assert "canary-9x" not in problems[0]
