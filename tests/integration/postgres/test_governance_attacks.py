"""What an attacker with the runtime's own login cannot do: to tables, the log, the rules, other studios.

Each attack is refused by PostgreSQL itself and leaves every table as it was. The lawful path beside it
passes, so the refusals are not for a mistake of the test.

Over 400 lines because every attack is compared with the same lawful path and the same whole-database look.
"""

# ruff: noqa: S608 - the SQL is made of tests' own names

import threading
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from resources.postgres.engine import analyst_url, app_engine
from resources.postgres.tables_governance import CHANGING_TABLES, GOVERNANCE_TABLES, REGISTRY_TABLES, RULES
from resources.postgres.urls import normalise_url
from tests.integration.postgres.governance_desk import (
    ANN,
    CLEO,
    EXECUTOR,
    HASH,
    NOTE,
    OTHER_HASH,
    STATES,
    STUDIO,
    Desk,
    proposal_id,
)

pytestmark = pytest.mark.integration

_NO_RIGHT = "permission denied|must be owner|row-level security|[Oo]nly roles with"


# The lawful path


def test_the_lawful_path_passes(desk, standing):
    """Every state is reached by the runtime's login, each step with its event; versions are kept."""
    with desk.engine.connect() as connection:
        rows = connection.execute(text("SELECT proposal_id, state FROM studio.proposals")).all()
        assert {(standing[state], state) for state in STATES} <= {tuple(row) for row in rows}
        versions = connection.scalar(text("SELECT count(*) FROM studio.proposal_versions WHERE version = 1"))
        assert versions == len(rows)


def test_the_log_is_gapless_and_chained(desk, standing):
    """Numbers count from 1, and each entry names the hash of the one before."""
    query = text(
        "SELECT seq, prev_hash, hash, lag(hash, 1, decode(repeat('00', 32), 'hex')) OVER (ORDER BY seq) "
        "AS due, sha256('\\x00'::bytea || convert_to(concat(seq, E'\\n', encode(prev_hash, 'hex'), "
        "E'\\n', payload), 'UTF8')) AS again FROM studio.audit_events ORDER BY seq"
    )
    with desk.engine.connect() as connection:
        rows = connection.execute(query).all()
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert all(bytes(row.prev_hash) == bytes(row.due) for row in rows)
    assert all(bytes(row.hash) == bytes(row.again) for row in rows)


def test_an_edit_makes_a_version_and_voids_approvals(desk, approved):
    """After an edit the earlier yes counts no more, though its row is still there."""
    with desk.engine.begin() as connection:
        desk.step(connection, approved, "pending_approval", version=2, input_hash=OTHER_HASH)
    with desk.refused("proposal-quorum") as connection:
        desk.step(connection, approved, "approved", actor=CLEO)
    with desk.engine.begin() as connection:
        desk.new_approval(connection, approved, version=2, input_hash=OTHER_HASH)
        desk.step(connection, approved, "approved", actor=CLEO)


def test_an_abandoned_attempt_is_taken_over_and_released(desk, approved):
    """The fence goes up with the executor; the proposal may then be executed again under the same key."""
    execution = desk.start(approved)
    desk.now += timedelta(minutes=2)
    with desk.engine.begin() as connection:
        seq = desk.of_proposal(connection, approved, "taken_over", "executing", EXECUTOR)
        lease = {"executor_id": "run-2", "fence": 2, "lease_until": desk.now + timedelta(minutes=2)}
        desk.update(connection, "executions", execution, **lease, audit_seq=seq)
    desk.finish(approved, execution, "released", "approved")
    desk.finish(approved, desk.start(approved))


# Rows arrive and stay


@pytest.mark.parametrize("table", [table.name for table in GOVERNANCE_TABLES])
@pytest.mark.parametrize(
    "change",
    ["UPDATE studio.{} SET studio_id = 'other'", "DELETE FROM studio.{}", "TRUNCATE studio.{} CASCADE"],
)
def test_nothing_is_rewritten_or_removed(desk, standing, table, change):
    """The runtime lacks the right, on every table; where rows change, keys do not."""
    if table in {one.name for one in REGISTRY_TABLES}:
        change = change.replace("studio_id", "capability_id")
    with desk.refused("permission denied") as connection:
        connection.execute(text(change.format(table)))


@pytest.mark.parametrize("table", [table.name for table in GOVERNANCE_TABLES if table not in REGISTRY_TABLES])
def test_not_even_the_superuser_removes_rows(desk, standing, table):
    """The triggers fire for everybody, also when replication is pretended."""
    changes = [f"DELETE FROM studio.{table}", f"TRUNCATE studio.{table} CASCADE"]
    if table not in {one.name for one in CHANGING_TABLES}:
        changes.append(f"UPDATE studio.{table} SET studio_id = 'other'")
    for change in changes:
        for before in ("", "SET LOCAL ROLE studio_owner; ", "SET LOCAL session_replication_role = replica; "):
            with pytest.raises(DBAPIError, match="append-only"), desk.superuser.begin() as connection:
                connection.execute(text(before + change))


@pytest.mark.parametrize("table", ["audit_events", "proposal_versions", "capabilities", "capability_quotas"])
def test_what_the_database_writes_nobody_else_inserts(desk, standing, table):
    with desk.refused("permission denied") as connection:
        connection.execute(text(f"INSERT INTO studio.{table} SELECT * FROM studio.{table} LIMIT 1"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE studio.capabilities SET approvals_required = 0",
        "UPDATE studio.capability_quotas SET limit_count = 1000000",
        "DELETE FROM studio.capability_quotas",
        "ALTER TABLE studio.proposals DISABLE TRIGGER proposals_rule",
        "ALTER TABLE studio.approvals DISABLE TRIGGER ALL",
        "ALTER TABLE studio.audit_events NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE studio.proposals DROP CONSTRAINT proposals_pkey",
        "DROP TRIGGER executions_rule_intent ON studio.executions",
        "DROP TABLE studio.audit_events CASCADE",
        "DROP FUNCTION studio.append_audit_v1(text)",
        (
            "CREATE OR REPLACE FUNCTION studio.check_approval() RETURNS trigger LANGUAGE plpgsql AS "
            "$$BEGIN RETURN NEW; END$$"
        ),
        "CREATE FUNCTION studio.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        (
            "CREATE TRIGGER mine BEFORE INSERT ON studio.proposals FOR EACH ROW "
            "EXECUTE FUNCTION studio.keep_proposal_version()"
        ),
        (
            "CREATE TRIGGER mine BEFORE INSERT ON studio.proposals FOR EACH ROW "
            "EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"
        ),
        "CREATE RULE mine AS ON INSERT TO studio.proposals DO INSTEAD NOTHING",
        "CREATE POLICY mine ON studio.proposals USING (true)",
        "DROP INDEX studio.executions_one_live",
        "UPDATE studio.alembic_version SET version_num = '0002'",
        "SET ROLE studio_owner",
        "SET SESSION AUTHORIZATION postgres",
        "SET session_replication_role = replica",
        "SET LOCAL row_security = off; SELECT * FROM studio.proposals",
        "GRANT studio_owner TO studio_app",
        "ALTER ROLE studio_app BYPASSRLS",
        "COPY studio.audit_events FROM PROGRAM 'cat'",
        "LOCK TABLE studio.audit_events IN ACCESS EXCLUSIVE MODE",
    ],
)
def test_the_rules_themselves_cannot_be_touched(desk, standing, statement):
    with desk.refused(_NO_RIGHT) as connection:
        connection.execute(text(statement))


def test_reset_role_gives_nothing_back(desk, standing):
    """The runtime's login is no more than the role it takes."""
    with desk.refused("permission denied") as connection:
        connection.execute(text("RESET ROLE"))
        connection.execute(text("DELETE FROM studio.approvals"))


# The log


@pytest.mark.parametrize(
    ("payload", "rule"),
    [
        ("not json", "invalid input syntax"),
        ("{}", "audit-payload-shape"),
        ("[]", "audit-payload-shape"),
        ("null", "audit-payload-shape"),
        (None, "audit-payload-shape"),
        ('{"studio": "monsoonfire", "v": 1}', "audit-payload-shape"),
        ('{"x": "' + "y" * 17_000 + '"}', "audit-payload-size"),
        ('{"x": "\\u0000"}', "unsupported Unicode"),
    ],
)
def test_what_is_no_event_is_not_logged(desk, payload, rule):
    with desk.refused(rule) as connection:
        connection.execute(text("SELECT studio.append_audit_v1(:payload)"), {"payload": payload})


def test_an_event_of_another_studio_is_not_logged(desk):
    """The studio of an event is the connection's, whatever the event and the session say."""
    forged = '{{"actor":{{"id":"x","kind":"staff","owner":null}},"at":"2026-03-01T12:00:00.000000Z",'
    forged += (
        '"details":{{}},"name":"a:b:c","state":null,"studio":"{}","subject":{{"id":"b","kind":"a"}},"v":1}}'
    )
    for before in ("SELECT 1", "SELECT set_config('studio.studio_id', 'claycorner', false)"):
        with desk.refused("audit-payload-shape") as connection:
            connection.execute(text(before))
            connection.execute(
                text("SELECT studio.append_audit_v1(:payload)"), {"payload": forged.format("claycorner")}
            )
    with desk.engine.begin() as connection:  # the same event of one's own studio is taken
        seq = connection.scalar(
            text("SELECT studio.append_audit_v1(:payload)"), {"payload": forged.format(STUDIO)}
        )
    assert seq > 0


def test_no_log_begins_under_a_name_no_studio_can_have(desk):
    """Who may choose the studio by a setting cannot choose one whose name the tables refuse."""
    event = '{"actor":{"id":"x","kind":"staff","owner":null},"at":"2026-03-01T12:00:00.000000Z",'
    event += (
        '"details":{},"name":"a:b:c","state":null,"studio":"No Studio","subject":{"id":"b","kind":"a"},"v":1}'
    )
    with desk.superuser.begin() as connection:
        connection.execute(text("SELECT set_config('studio.studio_id', 'No Studio', true)"))
        with pytest.raises(DBAPIError, match="the audit event is of another studio"):
            connection.execute(text("SELECT studio.append_audit_v1(:payload)"), {"payload": event})


def test_a_stale_view_of_the_log_makes_no_fork(desk):
    """A transaction that cannot see the newest entry is refused; it never writes beside it."""
    mine = desk.engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with mine, mine.begin():
        mine.execute(text("SELECT count(*) FROM studio.audit_events"))
        with desk.engine.begin() as connection:
            desk.event(connection, "audit:monsoonfire:looked", f"audit/{STUDIO}", None)
        with pytest.raises(DBAPIError, match="audit_events_pkey"):
            desk.event(mine, "audit:monsoonfire:looked", f"audit/{STUDIO}", None)


def test_writers_at_once_leave_no_gap_and_no_fork(desk):
    def write():
        for _ in range(10):
            with desk.engine.begin() as connection:
                desk.event(connection, "audit:monsoonfire:looked", f"audit/{STUDIO}", None)

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    test_the_log_is_gapless_and_chained(desk, None)


# Other studios


_TRICKS = [
    "SELECT 1",
    "SET studio.studio_id = 'monsoonfire'",
    "SELECT set_config('studio.studio_id', 'monsoonfire', true)",
    "RESET ROLE; SET studio.studio_id = 'monsoonfire'",
    "SET ROLE studio_app; SET studio.studio_id = 'monsoonfire'",
    "CREATE DOMAIN pg_temp.text AS pg_catalog.varchar; SET search_path = pg_temp, pg_catalog, studio",
    (
        "CREATE FUNCTION pg_temp.current_studio_id() RETURNS text LANGUAGE sql AS "
        "$$SELECT 'monsoonfire'::text$$; "
        "SET search_path = pg_temp, studio, pg_catalog"
    ),
    (
        "CREATE FUNCTION pg_temp.starts_with(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false'; "
        "SET search_path = pg_temp, pg_catalog; SET studio.studio_id = 'monsoonfire'"
    ),
]


@pytest.mark.parametrize("trick", _TRICKS)
def test_another_studios_rows_are_out_of_reach(desk, standing, neighbour, trick):
    """A login named for a studio serves that one, whatever the session is set to and whatever it shadows."""
    before = desk.picture()
    for table in GOVERNANCE_TABLES:
        if table not in REGISTRY_TABLES:
            with neighbour.connect() as connection:
                connection.execute(text(trick))
                assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0
    with neighbour.connect() as connection:
        connection.execute(text(trick))
        changed = connection.execute(
            text("UPDATE studio.proposals SET state = 'rejected' WHERE proposal_id = :id"),
            {"id": standing["pending_approval"]},
        )
        assert changed.rowcount == 0
    crossed = Desk(neighbour, desk.superuser)
    with crossed.refused("audit-payload-shape") as connection:
        connection.execute(text(trick))
        crossed.new_proposal(connection, proposal_id(600))
    with crossed.refused("one-studio") as connection:
        connection.execute(text(trick))
        crossed.insert(
            connection, "quota_buckets", capability_id=NOTE, scope="capability", subject_id=NOTE,
            limit_count=8, window_seconds=3600, used=1, window_started_at=desk.now, last_used_at=desk.now,
        )  # fmt: skip
    assert desk.picture() == before


def test_a_change_of_studio_before_the_commit_is_refused(house, approved, desk):
    """A login that may choose its studio cannot leave it between a change and the check at commit."""
    chooser = app_engine(house, STUDIO)
    crossed = Desk(chooser, desk.superuser)
    crossed.now = desk.now
    with crossed.refused("one-studio") as connection:
        crossed.step(connection, approved, "executing")
        connection.execute(text("SELECT set_config('studio.studio_id', 'claycorner', false)"))
    chooser.dispose()


# Shadows


@pytest.mark.parametrize(
    "shadow",
    [
        (
            "CREATE TEMP TABLE capabilities AS SELECT * FROM studio.capabilities; "
            "UPDATE capabilities SET approvals_required = 0"
        ),
        "CREATE FUNCTION pg_temp.refuse(text, text, text DEFAULT '') RETURNS void LANGUAGE sql AS 'SELECT'",
        (
            "CREATE FUNCTION pg_temp.live_approvals(text, text, int, text, text, timestamptz) RETURNS bigint "
            "LANGUAGE sql AS 'SELECT 9::bigint'"
        ),
        "CREATE FUNCTION pg_temp.count(text) RETURNS bigint LANGUAGE sql AS 'SELECT 9::bigint'",
        "CREATE DOMAIN pg_temp.text AS pg_catalog.varchar",
    ],
)
def test_temporary_objects_do_not_stand_in_for_ours(desk, pending, shadow):
    """Functions, tables and types of the session, first in its search_path, change no rule."""
    with desk.refused("proposal-quorum") as connection:
        connection.execute(text(shadow))
        connection.execute(text("SET LOCAL search_path = pg_temp, studio, pg_catalog"))
        desk.step(connection, pending, "approved", actor=CLEO)
    with desk.refused("approval-four-eyes") as connection:
        connection.execute(text(shadow))
        connection.execute(text("SET LOCAL search_path = pg_temp, studio, pg_catalog"))
        desk.new_approval(connection, pending, actor=ANN)


def test_an_analyst_appends_nothing(house):
    """Neither by the function nor by the tables; nor do temporary types show another studio's rows."""
    engine = create_engine(normalise_url(analyst_url(house, STUDIO)))
    for statement in (
        "SET default_transaction_read_only = off; SELECT studio.append_audit_v1('{}')",
        "INSERT INTO studio.approvals (studio_id) VALUES ('monsoonfire')",
        "SELECT * FROM studio.proposals",
    ):
        with pytest.raises(DBAPIError, match="permission denied"), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()
    neighbour = create_engine(normalise_url(analyst_url(house, "claycorner")))
    with neighbour.begin() as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
    with neighbour.connect() as connection:
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; COMMIT"))
        connection.execute(
            text(
                "CREATE TYPE pg_temp.text AS (word pg_catalog.varchar); "
                "CREATE FUNCTION pg_temp.lie(name) RETURNS pg_temp.text LANGUAGE sql AS "
                "$$SELECT ROW('studio_analyst_monsoonfire')::pg_temp.text$$; "
                "CREATE CAST (name AS pg_temp.text) WITH FUNCTION pg_temp.lie(name) AS IMPLICIT"
            )
        )
        assert connection.scalar(text("SELECT count(*) FROM analytics.proposals")) == 0
    neighbour.dispose()


def test_functions_with_the_owners_rights_are_few_and_pinned(desk):
    """Two of them, each with its own search_path; the one that writes versions is a trigger and no more."""
    query = text(
        "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'studio'::regnamespace AND prosecdef"
    )
    with desk.engine.connect() as connection:
        found = {row.proname: row.proconfig for row in connection.execute(query)}
    assert set(found) == {"append_audit_v1", "keep_proposal_version"}
    assert all(config == ["search_path=pg_catalog, pg_temp"] for config in found.values())
    with desk.refused("trigger functions can only be called as triggers") as connection:
        connection.execute(text("SELECT studio.keep_proposal_version()"))


def test_every_rule_is_always_on(desk):
    """Including the checks at commit: none is left in the mode that replication silences."""
    query = text(
        "SELECT tgrelid::regclass || '.' || tgname FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid "
        "WHERE NOT tgisinternal AND c.relnamespace = 'studio'::regnamespace AND tgenabled <> 'A'"
    )
    with desk.engine.connect() as connection:
        assert list(connection.scalars(query)) == []
        names = text(
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = to_regclass(:table) "
            "AND tgname !~ '_(append_only|kept)$'"
        )
        for table in GOVERNANCE_TABLES:  # readiness knows every one of them
            assert set(connection.scalars(names, {"table": table.fullname})) == set(RULES.get(table.name, ()))


def test_postponing_the_checks_does_not_escape_them(desk, approved):
    for when in ("SET CONSTRAINTS ALL DEFERRED", "SET CONSTRAINTS ALL IMMEDIATE"):
        with desk.refused("proposal-and-attempts") as connection:
            connection.execute(text(when))
            desk.step(connection, approved, "executing")


def test_the_hash_of_the_approval_is_the_hash_of_the_attempt(desk, approved):
    """What runs is what was approved: the version a person saw is kept, and its hash is the attempt's."""
    desk.finish(approved, desk.start(approved))
    query = text(
        "SELECT v.input_hash, a.input_hash, x.input_hash FROM studio.proposal_versions AS v "
        "JOIN studio.approvals AS a USING (studio_id, proposal_id, version) "
        "JOIN studio.executions AS x USING (studio_id, proposal_id, version) WHERE proposal_id = :id"
    )
    with desk.engine.connect() as connection:
        assert tuple(connection.execute(query, {"id": approved}).one()) == (HASH, HASH, HASH)
