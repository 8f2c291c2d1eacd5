"""What an attacker with the runtime's own login cannot do to proposals, approvals, executions and the log.

Each attack is refused by PostgreSQL itself and leaves every table as it was. The lawful path beside it
passes, so the refusals are not for a mistake of the test.
"""

# ruff: noqa: S608 - the SQL is made of tests' own names

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from policies.actors import Actor, ActorKind
from policies.proposals import TRANSITIONS, ProposalState
from resources.postgres.engine import app_engine, owner_engine
from resources.postgres.migrate import migrate
from resources.postgres.tables_governance import CHANGING_TABLES, GOVERNANCE_TABLES, REGISTRY_TABLES
from resources.postgres.urls import parse
from tests.integration.postgres.governance_desk import (
    ANN,
    BEN,
    BOT,
    CLEO,
    CLOSE,
    EXECUTOR,
    HASH,
    NOTE,
    OTHER_HASH,
    STUDIO,
    Desk,
    proposal_id,
)

pytestmark = pytest.mark.integration

_NO_RIGHT = "permission denied|must be owner|row-level security|[Oo]nly roles with"
STATES = [state.value for state in ProposalState]
_LOGINS = "studio_app_monsoonfire", "studio_app_claycorner"


def _login_url(url, login):
    return parse(url).set(username=login).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def house(postgres_server, _template):
    """Return the URL of one database for this module; what is attacked in it stays as it was."""
    engine = owner_engine(postgres_server.url("postgres")).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE attacked TEMPLATE {_template} STRATEGY file_copy"))
        for login in _LOGINS:
            if not connection.scalar(text("SELECT to_regrole(:login) IS NOT NULL"), {"login": login}):
                connection.execute(text(f"CREATE ROLE {login} LOGIN IN ROLE studio_app"))
    migrate(owner_engine(postgres_server.url("attacked")), STUDIO, "claycorner")
    return postgres_server.url("attacked")


@pytest.fixture(scope="module")
def desk(house):
    """Return the desk of the studio, over a login that has no other right than the runtime's."""
    engine = app_engine(_login_url(house, _LOGINS[0]), STUDIO)
    desk = Desk(engine, owner_engine(house))
    desk.open()
    yield desk
    engine.dispose()


@pytest.fixture(scope="module")
def standing(desk):
    """Return one proposal in every state."""
    return {state: desk.in_state(state) for state in STATES}


@pytest.fixture
def pending(desk):
    """Return a fresh proposal that awaits approval."""
    return desk.propose()


@pytest.fixture
def approved(desk):
    """Return a fresh approved proposal."""
    return desk.in_state("approved")


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
        "AS due, sha256('\\x00'::bytea || convert_to(concat(seq, E'\\n', encode(prev_hash, 'hex'), E'\\n', payload), "
        "'UTF8')) AS again FROM studio.audit_events ORDER BY seq"
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
    with desk.engine.begin() as connection:
        later = desk.now + timedelta(minutes=9)
        desk.update(connection, "executions", execution, executor_id="run-2", fence=2, lease_until=later)
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


# A change and its event


def test_a_change_without_an_event_is_refused(desk, pending):
    with desk.refused("event-of-this-transaction") as connection:
        desk.update(connection, "proposals", pending, state="rejected", state_reason="no", audit_seq=10**9)
    with desk.refused("event-of-this-transaction") as connection:  # still the event of its creation
        desk.update(connection, "proposals", pending, state="rejected", state_reason="no")


def test_an_event_of_an_earlier_transaction_explains_nothing(desk, pending):
    with desk.engine.begin() as connection:
        seq = desk.of_proposal(connection, pending, "rejected", "rejected")
    with desk.refused("event-of-this-transaction") as connection:
        desk.update(
            connection, "proposals", pending, state="rejected", state_reason="no", audit_seq=seq,
            updated_at=desk.now,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"subject_id": proposal_id(999)}, "event-of-this-subject"),
        ({"subject_kind": "policy"}, "event-of-this-subject"),
        ({"state": "approved"}, "event-of-this-state"),
        ({"state": None}, "event-of-this-state"),
        ({"name": f"proposal:{CLOSE}:rejected"}, "event-of-this-capability"),
        ({"name": f"policy:{NOTE}:denied"}, "event-of-this-capability"),
    ],
)
def test_an_event_about_something_else_explains_nothing(desk, pending, changes, rule):
    with desk.refused(rule) as connection:
        seq = desk.of_proposal(connection, pending, "rejected", "rejected", changes=changes)
        desk.update(
            connection, "proposals", pending, state="rejected", state_reason="no", audit_seq=seq,
            updated_at=desk.now,
        )  # fmt: skip


def test_one_event_explains_one_change(desk, pending):
    """An event that has made a row what it is cannot make it something else in the same transaction."""
    with desk.refused("event-newer") as connection:
        seq = desk.of_proposal(connection, pending, "edited", "pending_approval")
        for version in (2, 3):
            desk.update(connection, "proposals", pending, version=version, audit_seq=seq, updated_at=desk.now)


def test_an_instant_is_the_logs(desk, pending):
    """Nobody dates a change otherwise than the log does."""
    with desk.refused("event-of-this-instant") as connection:
        seq = desk.of_proposal(connection, pending, "rejected", "rejected")
        long_ago = desk.now - timedelta(days=9)
        desk.update(
            connection, "proposals", pending, state="rejected", state_reason="no", audit_seq=seq,
            updated_at=long_ago,
        )  # fmt: skip


# Proposals


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"capability": "firestore.everything.delete"}, "capability-known"),
        ({"version": 2}, "proposal-begins"),
        ({"requester_id": "ben"}, "proposal-requester"),
        ({"requester_kind": "system"}, "proposal-requester"),
        ({"requester_principal_id": "nobody"}, "proposal-requester"),
        ({"actor": Actor(ActorKind.HUMAN, "dee", STUDIO)}, "proposal-requester-kind"),
        ({"input_hash": "xyz"}, "proposals_input_hash_check"),
        ({"studio_id": "claycorner"}, "one-studio"),
        *(({"state": state}, "proposal-begins") for state in STATES[2:] if state != "rejected"),
        ({"state": "unheard_of"}, "proposal"),
    ],
)
def test_a_forged_proposal_is_refused(desk, changes, rule):
    with desk.refused(rule) as connection:
        desk.new_proposal(connection, proposal_id(500), **changes)


def test_a_proposal_cannot_wait_for_ever(desk, pending):
    with desk.refused("proposal-expiry") as connection:
        long = desk.now + timedelta(days=7, minutes=2)
        desk.new_proposal(connection, proposal_id(500), expires_at=long)
    with desk.refused("proposal-expiry") as connection:
        desk.step(connection, pending, "pending_approval", expires_at=desk.now + timedelta(days=1))


def test_a_live_dedupe_key_is_used_once(desk):
    desk.propose(dedupe_key="tick-1")
    with desk.refused("proposals_live_dedupe") as connection:
        desk.new_proposal(connection, proposal_id(500), dedupe_key="tick-1")


@pytest.mark.parametrize("before", [*STATES, "unheard_of"])
@pytest.mark.parametrize("after", [*STATES, "unheard_of", ""])
def test_the_databases_transitions_are_pythons(desk, before, after):
    """Every pair of states, known or not, both ways: allowed in one exactly when in the other."""
    with desk.engine.connect() as connection:
        query = text("SELECT studio.may_become(:before, :after)")
        if before in STATES and after in STATES:
            allowed = ProposalState(after) in TRANSITIONS[ProposalState(before)]
            assert connection.scalar(query, {"before": before, "after": after}) is allowed
        else:
            with pytest.raises(DBAPIError, match="is no state of a proposal"):
                connection.execute(query, {"before": before, "after": after})


_ILLEGAL = [
    (before, after)
    for before in STATES
    for after in [*STATES, "unheard_of"]
    if after != before
    and (after not in STATES or ProposalState(after) not in TRANSITIONS[ProposalState(before)])
]


@pytest.mark.parametrize(("before", "after"), _ILLEGAL)
def test_an_illegal_transition_is_refused(desk, standing, before, after):
    """Even with its own event, a proposal goes no way that the table does not have."""
    with desk.refused("proposal-") as connection:
        desk.step(connection, standing[before], after, state_reason="no")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("approved", "executing"),
        ("executing", "executed"),
        ("executing", "failed"),
        ("executing", "approved"),
        ("executed", "rolled_back"),
    ],
)
def test_a_state_its_attempts_do_not_bear_out_is_refused(desk, standing, before, after):
    """Legal in the table, but nothing was attempted, or it went otherwise: refused when it commits."""
    with desk.refused("proposal-and-attempts") as connection:
        desk.step(connection, standing[before], after)


def test_content_changes_only_with_a_new_version(desk, pending):
    for change in ({"input": {"note": "x"}}, {"input_hash": OTHER_HASH}, {"rationale": "other"}):
        with desk.refused("proposal-content") as connection:
            desk.step(connection, pending, "pending_approval", **change)
    with desk.refused("proposal-version") as connection:
        desk.step(connection, pending, "pending_approval", version=3)
    with desk.refused("proposal-version-awaits") as connection:
        desk.new_approval(connection, pending)
        desk.step(connection, pending, "approved", version=2)


@pytest.mark.parametrize("column", ["requester_id", "requester_principal_id", "capability_id", "created_at"])
def test_where_a_proposal_comes_from_never_changes(desk, pending, column):
    with desk.refused("permission denied") as connection:
        connection.execute(text(f"UPDATE studio.proposals SET {column} = {column}"))


# Approvals


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"actor": ANN}, "approval-four-eyes"),
        ({"actor": EXECUTOR}, "approval-person"),
        ({"actor": BOT}, "approval-person"),
        ({"approver_id": "ben"}, "approval-person"),
        ({"input_hash": OTHER_HASH}, "approval-version"),
        ({"version": 2}, "approval-version"),
        ({"version": 0}, "approval-version"),
        ({"role": "staff"}, "approval-role"),
        ({"role": "owner"}, "approval-role"),
        ({"kind": "rollback"}, "approval-state"),
        ({"kind": "anything"}, "approval-state"),
        ({"reason": ""}, "approvals_reason_check"),
        ({"proposal_id": proposal_id(999)}, "event-of-this-subject"),
        ({"studio_id": "claycorner"}, "one-studio"),
        ({"seq": 1}, "event-of-this-transaction"),
    ],
)
def test_a_forged_approval_is_refused(desk, pending, changes, rule):
    with desk.refused(rule) as connection:
        desk.new_approval(connection, pending, **changes)


def test_an_agents_owner_does_not_approve_what_the_agent_asked_for(desk):
    which = desk.propose(actor=BOT)
    with desk.refused("approval-four-eyes") as connection:
        desk.new_approval(connection, which, actor=BEN)
    desk.approve(which)


@pytest.mark.parametrize(
    ("at", "until", "rule"),
    [
        (timedelta(0), timedelta(hours=24, seconds=1), "approval-expiry"),
        (timedelta(0), timedelta(0), "approvals_expire_later"),
        (timedelta(days=-3), timedelta(days=-2), "event-of-this-instant"),
    ],
)
def test_an_approval_lives_no_longer_than_the_registry_lets_it(desk, pending, at, until, rule):
    with desk.refused(rule) as connection:
        seq = desk.of_proposal(connection, pending, "approval_given", "pending_approval", CLEO)
        desk.new_approval(connection, pending, seq=seq, at=desk.now + at, expires_at=desk.now + until)


def test_an_expired_proposal_is_not_approved(desk, pending):
    desk.now += timedelta(days=8)
    with desk.refused("approval-too-late") as connection:
        desk.new_approval(connection, pending)


@pytest.mark.parametrize("state", [state for state in STATES if state != "pending_approval"])
def test_only_what_waits_is_approved(desk, standing, state):
    with desk.refused("approval-state") as connection:
        desk.new_approval(connection, standing[state])


def test_one_person_is_no_quorum_of_two(desk):
    which = desk.propose(capability=CLOSE)
    with desk.refused("approval-once") as connection:
        for _ in range(2):
            desk.new_approval(connection, which, capability=CLOSE)
    with desk.refused("proposal-quorum") as connection:
        desk.new_approval(connection, which, capability=CLOSE)
        desk.step(connection, which, "approved", actor=CLEO, capability=CLOSE)
    desk.approve(which, (BEN, CLEO), CLOSE)


def test_nothing_is_approved_without_approval(desk, pending):
    with desk.refused("proposal-quorum") as connection:
        desk.step(connection, pending, "approved", actor=CLEO)


# Executions


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"version": 2}, "execution-version"),
        ({"input_hash": OTHER_HASH}, "execution-version"),
        ({"state": "succeeded"}, "execution-begins"),
        ({"fence": 2}, "execution-begins"),
        ({"idempotency_key": "another-key"}, "executions_check"),
        ({"kind": "rollback"}, "execution-state"),
        ({"actor": CLEO}, "execution-executor"),
        ({"seq": 1}, "event-of-this-transaction"),
        ({"studio_id": "claycorner"}, "one-studio"),
    ],
)
def test_a_forged_intent_is_refused(desk, approved, changes, rule):
    with desk.refused(rule) as connection:
        desk.new_execution(connection, approved, **changes)


def test_an_intent_goes_with_its_proposals_step(desk, approved):
    """Each alone is refused when it commits."""
    with desk.refused("proposal-and-attempts") as connection:
        desk.new_execution(connection, approved)


@pytest.mark.parametrize("state", [state for state in STATES if state not in {"approved", "executing"}])
def test_nothing_unapproved_is_executed(desk, standing, state):
    with desk.refused("execution-state") as connection:
        desk.new_execution(connection, standing[state])


def test_approvals_that_have_run_out_execute_nothing(desk, approved):
    desk.now += timedelta(hours=2)
    with desk.refused("execution-quorum") as connection:
        desk.start(approved, connection)


@pytest.mark.parametrize("state", ["executing", "executed"])
def test_a_second_live_attempt_is_refused(desk, state):
    which = desk.in_state(state)
    rule = {"executing": "executions_one_live", "executed": "execution-state"}[state]
    with desk.refused(rule) as connection:
        desk.new_execution(connection, which, execution_id="exe_second")


def test_two_executors_at_once_make_one_attempt(desk, approved):
    """Both pass every check before the other commits; the index lets one of them through."""
    results = []
    gate = threading.Barrier(4)

    def run(number):
        gate.wait()
        try:
            desk.start(approved, execution_id=f"exe_racer_{number}")
        except DBAPIError as error:
            results.append(error.orig.diag.constraint_name or error.orig.pgcode)
        else:
            results.append("begun")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("begun") == 1, results


def test_an_attempt_that_has_a_result_keeps_it(desk, approved):
    execution = desk.start(approved)
    desk.finish(approved, execution)
    for state in ("intent", "failed", "released"):
        with desk.refused("execution") as connection:
            seq = desk.of_proposal(connection, approved, "result", "executed", EXECUTOR)
            desk.update(connection, "executions", execution, state=state, audit_seq=seq)


def test_a_lease_is_not_stolen(desk, standing):
    which = standing["executing"]
    with desk.engine.connect() as connection:
        query = text("SELECT execution_id FROM studio.executions WHERE proposal_id = :id")
        execution = connection.scalar(query, {"id": which})
    later = desk.now + timedelta(days=1)
    for changes in (
        {"executor_id": "thief"},
        {"lease_until": later},
        {"fence": 0},
        {"fence": 3, "executor_id": "thief"},
    ):
        with desk.refused("execution") as connection:
            desk.update(connection, "executions", execution, **changes)
    with desk.refused("event-of-this-transaction") as connection:
        desk.update(connection, "executions", execution, state="succeeded", finished_at=desk.now)


def test_proposal_only_capabilities_are_never_executed(desk):
    with desk.engine.connect() as connection:
        query = text("SELECT capability_id, approver_roles[1] AS role, approvals_required FROM "
                     "studio.capabilities WHERE adapter IS NULL AND approvals_required = 1 "
                     "AND 'staff' = ANY (requester_kinds) LIMIT 1")  # fmt: skip
        row = connection.execute(query).one_or_none()
    if row is None:
        pytest.skip("the registry has no such capability")
    which = desk.propose(capability=row.capability_id)
    with desk.engine.begin() as connection:
        desk.new_approval(connection, which, role=row.role, capability=row.capability_id)
        desk.step(connection, which, "approved", capability=row.capability_id)
    with desk.refused("execution-proposal-only") as connection:
        desk.new_execution(connection, which)


# Kill switch, checks, screening


def test_the_switch_stops_attempts_until_two_people_resume(desk, approved):
    with desk.engine.begin() as connection:
        desk.switch(connection, "halted")
    with desk.refused("execution-kill-switch") as connection:
        desk.start(approved, connection)
    with desk.refused("switch-step") as connection:
        desk.switch(connection, "resumed", CLEO)
    with desk.refused("switch-people") as connection:
        desk.switch(connection, "resume_requested", EXECUTOR)
    with desk.engine.begin() as connection:
        desk.switch(connection, "resume_requested")
    with desk.refused("execution-kill-switch") as connection:
        desk.start(approved, connection)
    with desk.refused("switch-second-person") as connection:
        desk.switch(connection, "resumed")
    with desk.refused("switch-person") as connection:
        desk.switch(connection, "resumed", ANN, actor_id="cleo")
    with desk.engine.begin() as connection:
        desk.switch(connection, "resumed", CLEO)
    desk.start(approved)


def test_the_switch_is_opened_once(desk):
    with desk.refused("switch-step") as connection:
        desk.switch(connection, "opened")


def test_a_switch_that_was_never_set_is_on(house):
    """Without any row nobody knows: nothing is executed."""
    engine = app_engine(_login_url(house, _LOGINS[1]), "claycorner")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM studio.kill_switch_changes")) == 0
        assert connection.scalar(text("SELECT count(*) FROM studio.kill_switch_current")) == 0
    engine.dispose()


def test_a_red_check_stops_attempts(desk, approved):
    def turn(connection, word):
        seq = desk.event(connection, f"check:no_orphan:{word}", "check/no_orphan", None, EXECUTOR)
        desk.insert(
            connection,
            "governance_checks",
            name="no_orphan",
            holds=word == "green",
            at=desk.now,
            audit_seq=seq,
        )

    with desk.engine.begin() as connection:
        turn(connection, "red")
    with desk.refused("execution-red-check") as connection:
        desk.start(approved, connection)
    with desk.refused("check-event") as connection:  # the log would say red, the row green
        seq = desk.event(connection, "check:no_orphan:red", "check/no_orphan", None, EXECUTOR)
        desk.insert(connection, "governance_checks", name="no_orphan", holds=True, at=desk.now, audit_seq=seq)
    with desk.engine.begin() as connection:
        turn(connection, "green")
    desk.start(approved)


def test_what_screening_holds_back_waits_for_a_person(desk):
    which = desk.propose(is_intake_blocked=True, intake="weaponisation")
    with desk.refused("proposal-intake-blocked") as connection:
        desk.new_approval(connection, which)
        desk.step(connection, which, "approved")
    with desk.refused("proposal-intake") as connection:
        desk.step(connection, which, "pending_approval", is_intake_blocked=False)
    override = {"proposal_id": which, "version": 1, "reason_code": "seen", "reason": "it is a teapot"}
    with desk.refused("override-person") as connection:
        seq = desk.of_proposal(connection, which, "intake_overridden", "pending_approval", EXECUTOR)
        desk.insert(
            connection, "intake_overrides", **override, by="system:executor", at=desk.now, audit_seq=seq
        )
    with desk.engine.begin() as connection:
        seq = desk.of_proposal(connection, which, "intake_overridden", "pending_approval", CLEO)
        desk.insert(connection, "intake_overrides", **override, by="cleo", at=desk.now, audit_seq=seq)
        desk.update(
            connection, "proposals", which, is_intake_blocked=False, audit_seq=seq, updated_at=desk.now
        )
    desk.approve(which)


# Exemptions and quotas


def _exemption(desk, connection, number, actor=CLEO, capability=NOTE, **changes):
    which = f"exm_{number}"
    seq = desk.event(connection, f"exemption:{capability}:granted", f"exemption/{which}", "live", actor)
    row = {"exemption_id": which, "capability_id": capability, "justification": "fair week", "audit_seq": seq}
    row |= {"granted_by": actor.actor_id, "granted_at": desk.now, "expires_at": desk.now + timedelta(days=1)}
    desk.insert(connection, "exemptions", **row | changes)
    return which


def test_an_exemption_stands_in_while_it_lives(desk):
    which = desk.propose(owner_id="uid-1")
    with desk.engine.begin() as connection:
        other = _exemption(desk, connection, "other", owner_id="uid-2")
    with desk.refused("proposal-quorum") as connection:
        desk.step(connection, which, "approved")
    with desk.engine.begin() as connection:
        mine = _exemption(desk, connection, "mine", owner_id="uid-1")
        desk.step(connection, which, "approved")
    for name in (None, other, "exm_nowhere"):
        with desk.refused("execution-quorum") as connection:
            desk.start(which, connection, exemption_id=name)
    with desk.refused("exemption-expired") as connection:
        _end(desk, connection, mine, "expired")
    with desk.engine.begin() as connection:
        _end(desk, connection, mine, "revoked")
    with desk.refused("execution-quorum") as connection:
        desk.start(which, connection, exemption_id=mine)
    with desk.refused("exemption_ends_pkey") as connection:
        _end(desk, connection, mine, "revoked")


def _end(desk, connection, which, kind):
    seq = desk.event(connection, f"exemption:{NOTE}:{kind}", f"exemption/{which}", kind, CLEO)
    desk.insert(
        connection, "exemption_ends", exemption_id=which, kind=kind, by="cleo", reason="over", at=desk.now,
        audit_seq=seq,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"capability": CLOSE}, "exemption-allowed"),
        ({"capability": "nothing.known"}, "exemption-allowed"),
        ({"actor": EXECUTOR}, "exemption-person"),
        ({"granted_by": "ben"}, "exemption-person"),
        ({"justification": ""}, "exemptions_justification_check"),
    ],
)
def test_a_forged_exemption_is_refused(desk, changes, rule):
    with desk.refused(rule) as connection:
        _exemption(desk, connection, "forged", **changes)
    with desk.refused("exemption-expiry") as connection:
        _exemption(desk, connection, "long", expires_at=desk.now + timedelta(days=8))


def _use(desk, connection, used, **changes):
    row = {"capability_id": NOTE, "scope": "capability", "subject_id": NOTE, "limit_count": 8}
    row |= {"window_seconds": 3600, "used": used, "window_started_at": desk.now, "last_used_at": desk.now}
    desk.insert(connection, "quota_buckets", **row | changes)


@pytest.mark.parametrize(
    ("used", "changes", "rule"),
    [
        (0, {}, "quota-window"),
        (2, {}, "quota-window"),
        (-5, {}, "quota-window"),
        (1, {"limit_count": 9}, "quota-registry"),
        (1, {"window_seconds": 1}, "quota-registry"),
        (1, {"scope": "owner"}, "quota-registry"),
        (1, {"capability_id": "nothing.known"}, "quota-registry"),
        (1, {"studio_id": "claycorner"}, "one-studio"),
        (1, {"audit_seq": 1}, "event-of-this-transaction"),
    ],
)
def test_a_forged_quota_is_refused(desk, used, changes, rule):
    with desk.refused(rule) as connection:
        _use(desk, connection, used, **changes)


def test_a_quota_counts_up_to_its_limit_and_falls_only_by_a_reset(desk):
    subject = {"scope": "capability", "subject_id": "counted"}
    with desk.engine.begin() as connection:
        _use(desk, connection, 1, **subject)
    count = text("UPDATE studio.quota_buckets SET used = used + :n WHERE subject_id = 'counted'")
    for _ in range(7):
        with desk.engine.begin() as connection:
            connection.execute(count, {"n": 1})
    with desk.refused("quota_buckets_within_limit") as connection:
        connection.execute(count, {"n": 1})
    for number in (-1, 0, -8):
        with desk.refused("quota-counts-up") as connection:
            connection.execute(count, {"n": number})
    start_again = "UPDATE studio.quota_buckets SET used = {}, window_started_at = window_started_at + {}, "
    start_again += "last_used_at = window_started_at + {} WHERE subject_id = 'counted'"
    early, late = "interval '59 minutes'", "interval '1 hour'"
    with desk.refused("quota-counts-up") as connection:
        connection.execute(text(start_again.format(1, early, early)))
    with desk.refused("quota-window") as connection:
        connection.execute(text(start_again.format(0, late, late)))
    reset = text("UPDATE studio.quota_buckets SET used = :n, audit_seq = :seq WHERE subject_id = 'counted'")
    for number, about, rule in ((0, "someone", "event-of-this-subject"), (3, "counted", "quota-reset")):
        with desk.refused(rule) as connection:
            seq = desk.event(connection, f"quota:{NOTE}:reset", f"quota/{NOTE}|capability|{about}", None)
            connection.execute(reset, {"n": number, "seq": seq})
    with desk.engine.begin() as connection:
        connection.execute(text(start_again.format(1, late, late)))
    with desk.engine.begin() as connection:
        seq = desk.event(connection, f"quota:{NOTE}:reset", f"quota/{NOTE}|capability|counted", None)
        connection.execute(reset, {"n": 0, "seq": seq})


def test_a_checkpoint_is_of_entries_there_are(desk):
    row = {"root_hash": b"\0" * 32, "note": "x", "signed_at": desk.now}
    with desk.refused("checkpoint-size") as connection:
        desk.insert(connection, "audit_checkpoints", tree_size=10**9, **row)
    with desk.refused("event-of-this-transaction") as connection:
        desk.insert(connection, "audit_checkpoints", tree_size=1, audit_seq=1, **row)


# Other studios


@pytest.fixture
def neighbour(house):
    """Return the engine of another studio, over its own login."""
    engine = app_engine(_login_url(house, _LOGINS[1]), "claycorner")
    yield engine
    engine.dispose()


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
