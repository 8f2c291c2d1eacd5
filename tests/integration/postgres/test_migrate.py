"""Migrations end in the declared shape, refuse what is not theirs, and change nothing when they refuse."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from resources.postgres import migrate as migrations
from resources.postgres.comments import describe
from resources.postgres.engine import app_engine, ensure_database, ensure_databases, owner_engine
from resources.postgres.errors import DatabaseRefusedError, ServerUnreachableError
from resources.postgres.migrate import HEAD, KNOWN_REVISIONS, MIGRATIONS, migrate
from resources.postgres.roles import OWNER
from resources.postgres.tables import METADATA
from resources.postgres.urls import parse, with_database

pytestmark = pytest.mark.integration

# Everything that makes up a schema, as text, so that two databases can be compared.
_SHAPE = """
SELECT 'column', c.oid::regclass || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
    a.attnotnull, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum))
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace::regnamespace::text IN ('studio', 'analytics')
UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace::regnamespace::text = 'studio'
UNION ALL SELECT 'trigger', tgrelid::regclass || '.' || tgname, concat(pg_get_triggerdef(oid), tgenabled)
FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'policy', polrelid::regclass || '.' || polname, pg_get_expr(polqual, polrelid)
FROM pg_policy
UNION ALL SELECT 'relation', oid::regclass::text, concat_ws(' ', relkind, relacl, relrowsecurity,
    relforcerowsecurity, relowner::regrole, reloptions, obj_description(oid, 'pg_class'))
FROM pg_class WHERE relnamespace::regnamespace::text IN ('studio', 'analytics')
UNION ALL SELECT 'function', oid::regprocedure::text, prosrc
FROM pg_proc WHERE pronamespace::regnamespace::text = 'studio'
UNION ALL SELECT 'schema', nspname, concat_ws(' ', nspacl, obj_description(oid, 'pg_namespace'))
FROM pg_namespace WHERE nspname IN ('studio', 'analytics')
ORDER BY 1, 2, 3
"""


def _shape(url):
    with owner_engine(url).connect() as connection:
        return [tuple(row) for row in connection.execute(text(_SHAPE))]


def _execute(url, *statements):
    with owner_engine(url).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_the_known_revisions_are_alembics():
    """The quick check at every start does not load Alembic, so it keeps its own list."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    assert tuple(step.revision for step in script.walk_revisions())[::-1] == KNOWN_REVISIONS
    assert script.get_current_head() == HEAD


def test_the_tables_are_exactly_the_declared_ones(owner_url):
    """Alembic, comparing the database with ``tables.py``, finds nothing to do; comments included."""
    with owner_engine(owner_url).connect() as connection:
        options = {
            "include_schemas": True,
            "version_table_schema": "studio",
            "include_name": lambda name, kind, _: kind != "schema" or name == "studio",
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []


def test_everything_is_described_in_the_database_as_it_is_here(owner_url):
    """Every table, view and column carries its comment; every view has the declared columns and types."""
    query = text(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), col_description(a.attrelid, a.attnum), "
        "obj_description(a.attrelid, 'pg_class') FROM pg_attribute AS a "
        "WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 ORDER BY a.attnum"
    )
    with owner_engine(owner_url).connect() as connection:
        for relation in describe():
            found = connection.execute(query, {"name": f"{relation.schema}.{relation.name}"}).all()
            declared = [(c.name, c.type, c.meaning, relation.meaning) for c in relation.columns]
            if relation.kind == "table":  # the order of a table's columns is the migrations' business
                found, declared = sorted(map(tuple, found)), sorted(declared)
            assert [tuple(row) for row in found] == declared, relation.name
        undescribed = connection.scalars(
            text(
                "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'v', 'm') "
                "AND relnamespace::regnamespace::text IN ('studio', 'analytics') "
                "AND obj_description(oid, 'pg_class') IS NULL AND relname <> 'alembic_version'"
            )
        )
        assert list(undescribed) == []


def test_everything_belongs_to_the_owner_role(owner_url):
    owners = text(
        "SELECT DISTINCT relowner::regrole::text FROM pg_class "
        "WHERE relnamespace::regnamespace::text IN ('studio', 'analytics')"
    )
    with owner_engine(owner_url).connect() as connection:
        assert list(connection.scalars(owners)) == [OWNER]


def test_step_by_step_ends_where_a_fresh_database_ends(empty_database_url, owner_url):
    """An old database and a new one are the same afterwards, comments and grants included."""
    engine = owner_engine(empty_database_url)
    for revision in KNOWN_REVISIONS:
        migrate(engine, to=revision)
    assert _shape(empty_database_url) == _shape(owner_url)


def test_repeating_changes_nothing(owner_url):
    before = _shape(owner_url)
    migrate(owner_engine(owner_url), "monsoonfire")
    assert _shape(owner_url) == before


def test_views_of_another_version_are_made_again(owner_url):
    before = _shape(owner_url)
    _execute(
        owner_url,
        "DROP VIEW analytics.freshness",
        "CREATE VIEW analytics.left_behind AS SELECT 1 AS one",
        f"ALTER VIEW analytics.left_behind OWNER TO {OWNER}",
        "COMMENT ON SCHEMA studio IS 'as an older version left it'",
    )
    migrate(owner_engine(owner_url))
    assert _shape(owner_url) == before


def test_two_starters_at_once_both_succeed(empty_database_url):
    errors = []
    gate = threading.Barrier(4)

    def start():
        gate.wait()
        try:
            migrate(owner_engine(empty_database_url), "monsoonfire")
        except Exception as error:  # noqa: BLE001 - any error of a thread must reach the test
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE studio.paintings (n int)",
        "CREATE VIEW studio.paintings AS SELECT 1 AS n",
        "CREATE SEQUENCE studio.paintings",
    ],
)
def test_foreign_things_in_the_schema_are_refused_and_kept(empty_database_url, statement):
    """Another product's schema of the same name is not written into."""
    _execute(empty_database_url, "CREATE SCHEMA studio", statement)
    before = _shape(empty_database_url)
    with pytest.raises(
        DatabaseRefusedError, match=r"studio\.paintings, which Studio OS did not make"
    ) as refused:
        migrate(owner_engine(empty_database_url))
    assert "Nothing was changed" in str(refused.value)
    assert _shape(empty_database_url) == before


def test_foreign_views_in_analytics_are_refused(empty_database_url):
    _execute(empty_database_url, "CREATE SCHEMA analytics", "CREATE VIEW analytics.sales AS SELECT 1 AS n")
    with pytest.raises(DatabaseRefusedError, match=r"analytics\.sales"):
        migrate(owner_engine(empty_database_url))


def test_a_newer_database_is_refused_and_kept(owner_url):
    _execute(owner_url, "UPDATE studio.alembic_version SET version_num = '9000'")
    before = _shape(owner_url)
    with pytest.raises(DatabaseRefusedError, match=r"at version 9000.*Update this checkout"):
        migrate(owner_engine(owner_url))
    assert _shape(owner_url) == before


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM studio.alembic_version", "INSERT INTO studio.alembic_version VALUES ('0001')"],
)
def test_a_database_whose_version_is_unclear_is_refused(owner_url, statement):
    _execute(owner_url, statement)
    with pytest.raises(DatabaseRefusedError, match="versions instead of one"):
        migrate(owner_engine(owner_url))


def test_a_failing_migration_leaves_the_database_as_it_was(empty_database_url, monkeypatch):
    """All steps are one transaction: an error in the last one takes back the first."""
    monkeypatch.setattr(migrations, "comment_statements", lambda: ["COMMENT ON TABLE nowhere IS 'x'"])
    with pytest.raises(DatabaseRefusedError, match="Nothing was changed"):
        migrate(owner_engine(empty_database_url))
    assert _shape_is_empty(empty_database_url)


def _shape_is_empty(url):
    with owner_engine(url).connect() as connection:
        return connection.scalar(text("SELECT to_regnamespace('studio') IS NULL"))


@pytest.fixture
def outsider(empty_database_url, request):
    """Return the URL of the empty database for a user who is no superuser, with the rights asked for."""
    name = "outsider"
    _execute(empty_database_url, f"CREATE ROLE {name} LOGIN {request.param}")
    yield parse(empty_database_url).set(username=name).render_as_string(hide_password=False)
    _execute(empty_database_url, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")


@pytest.mark.parametrize("outsider", ["NOCREATEROLE"], indirect=True)
def test_missing_rights_are_told_with_the_statements_that_give_them(outsider):
    with pytest.raises(DatabaseRefusedError, match=r"outsider.*administrator.*GRANT") as refused:
        migrate(owner_engine(outsider))
    assert "Nothing was changed" in str(refused.value)


@pytest.mark.parametrize("outsider", ["NOCREATEROLE"], indirect=True)
def test_the_statements_in_the_refusal_are_enough(outsider, empty_database_url):
    """What an administrator is told to run makes the next start succeed, without a superuser."""
    with pytest.raises(DatabaseRefusedError) as refused:
        migrate(owner_engine(outsider))
    remedy = str(refused.value).partition("run once: ")[2].partition("; then start")[0]
    present = ["studio_owner", "studio_app", "studio_analyst"]
    statements = [
        statement
        for statement in remedy.split("; ")
        if not any(statement == f"CREATE ROLE {role}" for role in present)  # this server has them already
    ]
    _execute(empty_database_url, *statements)
    migrate(owner_engine(outsider), "monsoonfire")
    with app_engine(outsider, "monsoonfire").connect() as connection:
        assert connection.scalar(text("SELECT current_user")) == "studio_app"
        assert connection.scalar(text("SELECT count(*) FROM analytics.freshness")) == 0


def test_databases_are_made_once_and_then_left_alone(postgres_server):
    url = postgres_server.url("studio")
    ensure_databases(url, ["first one", "second"])
    ensure_databases(url, ["first one", "second"])
    with owner_engine(postgres_server.url("first one")).connect() as connection:
        assert connection.scalar(text("SHOW server_encoding")) == "UTF8"


@pytest.mark.parametrize("outsider", ["NOCREATEROLE"], indirect=True)
def test_a_database_that_is_there_needs_no_right_to_make_one(outsider, postgres_server):
    """A database given by URL is used as it is; only a missing one needs the right to create."""
    ensure_database(outsider)
    with pytest.raises(DatabaseRefusedError, match="CREATE DATABASE missing OWNER outsider") as refused:
        ensure_database(with_database(outsider, "missing"))
    assert "Nothing was changed" in str(refused.value)
    ensure_database(postgres_server.url("missing"))
    ensure_database(with_database(outsider, "missing"))


def test_an_unreachable_server_is_told_without_its_password():
    with pytest.raises(ServerUnreachableError, match="Check that the server runs") as refused:
        migrate(owner_engine("postgresql://ann:canary-9x@/studio?host=/nowhere"))
    assert "canary-9x" not in str(refused.value)
    with pytest.raises(ServerUnreachableError):
        ensure_databases("postgresql://ann:canary-9x@/studio?host=/nowhere")


def test_appending_is_no_reason_to_look_for_room_on_old_pages(postgres_url):
    """Else entries that are small would go there, each to another page that has to be read first."""
    with owner_engine(postgres_url).connect() as connection:
        options = connection.scalar(
            text("SELECT reloptions FROM pg_class WHERE oid = 'studio.audit_events'::regclass")
        )
    assert options == ["autovacuum_vacuum_insert_threshold=-1"]
