"""What only a real database can show: many at once, broken connections, and when a change is durable.

Over 400 lines because the cases share the tools that cut connections and watch what is sent.
"""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import psycopg2
import pytest
from sqlalchemy import event, text

from cockpit.facts import confirmed_at
from policies.decisions import QuotaUse, Switch
from policies.ports import LedgerRefusedError, OutcomeUnknownError
from policies.proposals import ExecutionState, ProposalState
from resources.postgres import ledger, ledger_wire
from resources.postgres.engine import app_engine, owner_engine
from resources.postgres.errors import DatabaseRefusedError, ServerUnreachableError, SessionResetError
from resources.postgres.ledger import PostgresLedger
from resources.postgres.ledger_engine import _FLUSH_BY_COMMIT, FLUSH, FLUSH_WITH_NUMBER, ledger_engine
from resources.rows import OperationalEvent
from studio_assets.studio_state.events import SNAPSHOT_CONFIRMED
from tests.contract.ledger.steps import APPROVER, ASKER, EXECUTOR, NOTE, STUDIO, Steps

pytestmark = pytest.mark.integration
MANY = 50


@pytest.fixture
def steps(postgres_ledger):
    """Return the steps on a PostgreSQL ledger whose kill switch is off."""
    steps = Steps(postgres_ledger)
    steps.open()
    return steps


def at_once(count, act):
    """Run ``act(number)`` in so many threads that start together; return their results or errors."""
    barrier = threading.Barrier(count)

    def run(number):
        barrier.wait()
        try:
            return act(number)
        except Exception as error:  # noqa: BLE001 - judged by the test
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def cut(url, *, only=None):
    """End the ledger's connections to the test's database as an administrator would."""
    with owner_engine(url).connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name LIKE 'studio-ledger-%' "
                "AND pid <> pg_backend_pid() AND (:only IS NULL OR pid = :only)"
            ).bindparams(only=only)
        )


def test_of_fifty_executors_one_begins(steps):
    """Nobody locked anything first: the database alone keeps all but one out."""
    proposal = steps.approved()
    at = steps.tick()
    executing = replace(proposal, state=ProposalState.EXECUTING, updated_at=at)
    intents = [steps.intent(proposal, f"run-{number}") for number in range(MANY)]

    def execute(number):
        with steps.ledger.transaction() as transaction:
            transaction.record(steps.event("executing", executing, EXECUTOR), executing, intents[number])
        return number

    outcomes = at_once(MANY, execute)
    winners = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(winners) == 1
    others = [outcome for outcome in outcomes if not isinstance(outcome, int)]
    assert {type(error) for error in others} == {LedgerRefusedError}
    assert {error.code for error in others} == {"STATE_CHANGED"}
    (found,) = steps.ledger.executions(proposal.proposal_id)
    assert found.executor_id == f"run-{winners[0]}"


def test_of_fifty_that_look_first_one_begins(steps):
    """With the proposal locked, the others see that it is executing, and say so without an error."""
    proposal = steps.approved()
    at = steps.tick()

    def execute(number):
        with steps.ledger.transaction() as transaction:
            found = transaction.facts(now=at, capability_id=None, proposal_id=proposal.proposal_id, lock=True)
            if found.proposal.state is not ProposalState.APPROVED:
                assert len(found.executions) == 1
                return None
            executing = replace(found.proposal, state=ProposalState.EXECUTING, updated_at=at)
            intent = replace(steps.intent(proposal), executor_id=f"run-{number}")
            transaction.record(steps.event("executing", executing, EXECUTOR), executing, intent)
        return number

    outcomes = at_once(MANY, execute)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [int]


def test_of_fifty_uses_eight_fit_a_quota_of_eight(steps):
    """Nobody has used the quotas before, so even their rows are made by all at once."""

    def use(number):
        wanted = [
            QuotaUse(NOTE, "capability", "*", 8, 3600, 0, None, None),
            QuotaUse(NOTE, "owner", "uid_owner", 20, 86400, 0, None, None),
            QuotaUse(NOTE, "actor", f"uid_{number % 7}", 40, 86400, 0, None, None),
        ]
        with steps.ledger.transaction() as transaction:
            return transaction.use_quotas(wanted if number % 2 else wanted[::-1], steps.now)

    outcomes = at_once(MANY, use)
    assert outcomes.count(None) == 8
    assert all(outcome is None or outcome.scope == "capability" for outcome in outcomes), outcomes
    used = {}
    for found in steps.ledger.quota_uses():
        used[found.scope] = used.get(found.scope, 0) + found.used
    assert used == {"capability": 8, "owner": 8, "actor": 8}


def test_events_of_many_writers_have_no_gap(steps, postgres_url):
    proposals = [steps.new() for _ in range(MANY)]

    def write(number):
        proposal = proposals[number]
        with steps.ledger.transaction() as transaction:
            event = steps.event("created", proposal, ASKER, at=proposal.updated_at)
            seq = transaction.record(event, proposal)
            if number % 5 == 0:
                raise RuntimeError("thought better")
        return seq

    outcomes = at_once(MANY, write)
    kept = sorted(outcome for outcome in outcomes if isinstance(outcome, int))
    assert len(kept) == 40
    with app_engine(postgres_url, STUDIO).connect() as connection:
        numbers = list(connection.scalars(text("SELECT seq FROM studio.audit_events ORDER BY seq")))
    assert numbers == list(range(1, len(numbers) + 1))
    assert set(kept) <= set(numbers)


def test_a_halt_waits_for_a_call_that_ends(steps, postgres_url):
    """The call's result is in the log before the halt."""
    execution = steps.begin(steps.approved())
    halted = threading.Event()

    def halt():
        steps.switch("halted", APPROVER, hold=True)
        halted.set()

    with steps.ledger.transaction() as transaction:
        assert transaction.begin_call(execution).switch is Switch.OFF
        thread = threading.Thread(target=halt)
        thread.start()
        assert not halted.wait(0.3), "a halt that commits now would have let a call begin after it"
        steps.result(transaction, execution, ExecutionState.SUCCEEDED)
    thread.join()
    with app_engine(postgres_url, STUDIO).connect() as connection:
        order = "SELECT split_part(name, ':', 3) FROM studio.audit_events ORDER BY seq DESC LIMIT 2"
        assert list(connection.scalars(text(order))) == ["halted", "executed"]
    assert steps.ledger.switch().switch is Switch.ON
    assert steps.ledger.in_flight() == 0


def test_a_halt_does_not_wait_for_ever(steps):
    """A call that hangs began before the halt; the next one is refused."""
    hanging, waiting = steps.begin(steps.approved()), steps.begin(steps.approved())
    with steps.ledger.transaction() as transaction:
        assert transaction.begin_call(hanging).switch is Switch.OFF
        started = time.monotonic()
        assert steps.switch("halted", APPROVER, hold=True) == 2, "while the call still hangs"
        assert time.monotonic() - started >= 0.9 * ledger.HOLD_SECONDS, "it did wait"
        with steps.ledger.transaction() as other:
            assert other.begin_call(waiting).switch is Switch.ON


def test_no_call_begins_after_a_halt_is_committed(steps, monkeypatch):
    """Fifty calls on their way when the switch is thrown: each begins before it, or not at all."""
    # The halt waits as long as it takes, so that a call that has begun has noted it before the halt is over.
    monkeypatch.setattr(ledger, "_HOLD", ledger._HOLD.replace(f"'{ledger.HOLD_SECONDS}s'", "'200s'"))
    executions = [steps.begin(steps.approved()) for _ in range(16)]
    began, halted_at = [], []

    def call(number):
        if number == 16:
            steps.switch("halted", APPROVER, hold=True)
            halted_at.append(time.monotonic())
            return
        for _ in range(6):
            with contextlib.suppress(RuntimeError), steps.ledger.transaction() as transaction:
                if transaction.begin_call(executions[number]).switch is Switch.OFF:
                    began.append(time.monotonic())
                raise RuntimeError("the result is not this test's business")

    outcomes = at_once(17, call)
    assert set(outcomes) == {None}
    assert len(halted_at) == 1
    assert all(instant <= halted_at[0] for instant in began)


def test_a_connection_that_breaks_in_a_call_frees_the_attempt(steps, postgres_url):
    execution = steps.begin(steps.approved())
    lost = steps.ledger.transaction()
    transaction = lost.__enter__()
    transaction.begin_call(execution)
    now = steps.tick(minutes=5)
    with pytest.raises(LedgerRefusedError) as refused, steps.ledger.transaction() as other:
        other.take_over(execution, "run-2", now + timedelta(minutes=2), now)
    assert refused.value.code == "STATE_CHANGED", "its executor is still at it, whatever the lease says"
    cut(postgres_url, only=transaction._wire._lease.driver.info.backend_pid)
    with pytest.raises(ServerUnreachableError):
        steps.result(transaction, execution, ExecutionState.SUCCEEDED)
    with pytest.raises(ServerUnreachableError):
        lost.__exit__(None, None, None)
    with steps.ledger.transaction() as other:
        taken = other.take_over(execution, "run-2", now + timedelta(minutes=2), now)
    assert taken.fence == 2
    assert steps.read(execution.proposal_id).state is ProposalState.EXECUTING


def test_connections_that_died_in_the_pool_are_replaced(steps, postgres_url):
    at_once(4, lambda _: steps.ledger.in_flight())
    cut(postgres_url)
    proposal = steps.draft()
    cut(postgres_url)
    assert steps.ledger.proposals()[0] == proposal


def forget(steps, lost="DISCARD ALL"):
    """Let the next connection lose its state on the server, and think that it has it."""
    connections = steps.ledger._connections
    lease = connections.take()
    lease.driver.cursor().execute(lost)
    connections.give_back(lease)


@pytest.mark.parametrize("lost", ["DISCARD ALL", "DEALLOCATE ALL"])
def test_a_connection_that_forgot_its_statements_is_replaced(steps, lost):
    """As a pooler between may do to it: what it was asked first is asked anew on another connection."""
    proposal = steps.approved()
    forget(steps, lost)
    assert steps.read(proposal.proposal_id) == proposal
    steps.draft()
    forget(steps, lost)
    assert steps.draft() in steps.ledger.proposals()


@pytest.mark.parametrize("is_prepared", [True, False])
@pytest.mark.parametrize("is_late", [True, False])
def test_the_first_write_after_a_reset_is_made_elsewhere(steps, is_prepared, is_late):
    """Also what was never prepared: that would act in a session of other rights, and of no studio."""
    if is_prepared:
        steps.draft()
    else:
        steps.ledger._connections.dispose()
    forget(steps)
    proposal = steps.new()
    with steps.ledger.transaction() as transaction:
        record = transaction.record_late if is_late else transaction.record
        record(steps.event("created", proposal, ASKER, at=proposal.updated_at), proposal)
    assert steps.read(proposal.proposal_id).state is ProposalState.DRAFT


def test_sessions_that_are_always_reset_are_said_to_be(steps, postgres_url):
    """What happened, that nothing was kept, and what to do; and not that the server is away."""
    engine = ledger_engine(postgres_url, STUDIO)
    event.listen(engine, "checkout", lambda given, *_: given.cursor().execute("DISCARD ALL"))
    before = steps.ledger.proposals()
    proposal = steps.new()
    with (
        pytest.raises(SessionResetError, match=r"reset.*Nothing was changed.*keeps sessions"),
        PostgresLedger(engine, STUDIO).transaction() as transaction,
    ):
        transaction.record_late(steps.event("created", proposal, ASKER, at=proposal.updated_at), proposal)
    engine.dispose()
    assert steps.ledger.proposals() == before


def test_a_commit_whose_answer_is_lost_is_said_to_be_unknown(steps, monkeypatch, postgres_url):
    """The server commits, and then the connection breaks: reading again finds the change."""
    with owner_engine(postgres_url).begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION public.cut() RETURNS boolean LANGUAGE sql SECURITY DEFINER AS "
            "'SELECT pg_terminate_backend(pg_backend_pid())'"
        )
    proposal = steps.new()
    with monkeypatch.context() as patch:
        patch.setattr(ledger_wire, "flush_statement", lambda _: "SELECT public.cut()")
        with (
            pytest.raises(OutcomeUnknownError, match="Read again"),
            steps.ledger.transaction() as transaction,
        ):
            transaction.record(steps.event("created", proposal, ASKER, at=proposal.updated_at), proposal)
    assert steps.read(proposal.proposal_id).state is ProposalState.DRAFT


def test_a_commit_that_never_happened_is_also_unknown(steps, postgres_url):
    """The connection breaks while the server is about to commit: reading again finds nothing."""
    with owner_engine(postgres_url).begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION public.cut() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
            "ALTER FUNCTION public.cut() SECURITY DEFINER;"
            "CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON studio.proposals DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION public.cut()"
        )
    proposal = steps.new()
    with pytest.raises(OutcomeUnknownError), steps.ledger.transaction() as transaction:
        transaction.record(steps.event("created", proposal, ASKER, at=proposal.updated_at), proposal)
    assert not steps.ledger.proposals()


def test_a_refusal_at_commit_is_a_refusal(steps):
    """A proposal that executes without an attempt is refused when the transaction ends."""
    proposal = steps.approved()
    moved = replace(proposal, state=ProposalState.EXECUTING, updated_at=steps.tick())
    with pytest.raises(LedgerRefusedError) as refused, steps.ledger.transaction() as transaction:
        transaction.record(steps.event("executing", moved, EXECUTOR), moved)
    assert refused.value.code == "RULE"
    assert "proposal-and-attempts" in str(refused.value)
    assert steps.read(proposal.proposal_id) == proposal


def test_after_a_refusal_nothing_of_the_transaction_is_kept(steps):
    """Also when the caller carries on and leaves as if all were well."""
    first, stale = steps.new(), steps.draft()
    steps.move(stale, ProposalState.PENDING_APPROVAL, "submitted", ASKER)
    late = replace(stale, state=ProposalState.PENDING_APPROVAL, updated_at=steps.tick())
    left = steps.ledger.transaction()
    transaction = left.__enter__()
    transaction.record(steps.event("created", first, ASKER, at=first.updated_at), first)
    with pytest.raises(LedgerRefusedError) as refused:
        transaction.record(steps.event("submitted", late, ASKER), late)
    assert refused.value.code == "STATE_CHANGED"
    with pytest.raises(LedgerRefusedError):
        transaction.live_duplicate(NOTE, "k")
    with pytest.raises(LedgerRefusedError):
        left.__exit__(None, None, None)
    assert [found.proposal_id for found in steps.ledger.proposals()] == [stale.proposal_id]


@pytest.fixture
def sent(postgres_url):
    """Return a ledger and the list of everything it sends from then on."""
    messages = []

    class Listening(psycopg2.extensions.cursor):
        def execute(self, query, arguments=None):
            messages.append(query)
            return super().execute(query, arguments)

    def listen(connection):
        connection.cursor_factory = Listening

    engine = ledger_engine(postgres_url, STUDIO, on_connect=listen)
    yield PostgresLedger(engine, STUDIO), messages
    engine.dispose()


def test_what_was_written_is_flushed_in_the_message_that_commits(sent):
    ledger, messages = sent
    Steps(ledger).draft()
    written = [message for message in messages if message.startswith("COMMIT;")]
    assert written == [f"COMMIT;EXECUTE {FLUSH}"]


def test_what_ends_every_writing_transaction_waits_for_the_disk(postgres_url):
    """Both prepared statements write a message that is flushed before they answer."""
    engine = ledger_engine(postgres_url, STUDIO)
    connection = engine.raw_connection()
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, statement FROM pg_prepared_statements")
        prepared = dict(cursor.fetchall())
    connection.close()
    engine.dispose()
    assert "SELECT 1" in prepared.pop("ledger_session"), "which ends nothing: it marks the session as ours"
    assert set(prepared) == {FLUSH, FLUSH_WITH_NUMBER}
    assert all("pg_logical_emit_message(false, 'studio', '', true)" in said for said in prepared.values())


def test_reading_flushes_nothing(sent):
    ledger, messages = sent
    with ledger.transaction() as transaction:
        transaction.facts(now=Steps(ledger).now, capability_id=NOTE)
    with ledger.transaction():
        pass
    assert [message for message in messages if "COMMIT" in message] == ["COMMIT"]


def test_a_change_of_the_switch_is_seen_only_when_it_is_durable(sent):
    """A call may begin on what it reads of the switch, so nobody may read what a crash could take back."""
    ledger, messages = sent
    Steps(ledger).open()
    assert messages[-1] == "SET LOCAL synchronous_commit TO DEFAULT;COMMIT"


def test_a_flush_that_fails_is_no_refusal(steps, monkeypatch):
    """The change is there; whether it outlives a crash is not known."""
    proposal = steps.new()
    with monkeypatch.context() as patch:
        patch.setattr(ledger_wire, "flush_statement", lambda _: "SELECT pg_read_file('x')")
        with pytest.raises(OutcomeUnknownError), steps.ledger.transaction() as transaction:
            transaction.record(steps.event("created", proposal, ASKER, at=proposal.updated_at), proposal)
    assert steps.read(proposal.proposal_id).state is ProposalState.DRAFT


def test_without_the_right_to_flush_commits_wait(sent, monkeypatch):
    ledger, messages = sent
    monkeypatch.setattr(ledger_wire, "flush_statement", lambda _: None)
    Steps(ledger).draft()
    assert "SET LOCAL synchronous_commit TO DEFAULT;COMMIT" in messages


def test_older_servers_flush_with_a_transaction_of_their_own(steps, monkeypatch):
    monkeypatch.setattr(ledger_wire, "flush_statement", lambda _: _FLUSH_BY_COMMIT)
    proposal = steps.draft()
    assert steps.read(proposal.proposal_id) == proposal


def test_a_server_that_is_away_is_said_to_be_away(tmp_path):
    ledger = PostgresLedger(ledger_engine(f"postgresql://u@/studio?host={tmp_path}", STUDIO), STUDIO)
    with pytest.raises(ServerUnreachableError, match="Nothing was changed"):
        ledger.proposals()
    with pytest.raises(ServerUnreachableError):
        ledger.transaction().__enter__()
    assert ledger.switch().switch is Switch.UNREADABLE


def test_a_database_without_the_tables_is_said_to_be_unready(empty_database_url):
    ledger = PostgresLedger(ledger_engine(empty_database_url, STUDIO), STUDIO)
    with pytest.raises(DatabaseRefusedError, match="studio up"):
        ledger.proposals()


def test_a_snapshot_is_as_fresh_as_its_newest_confirmation(steps, history):
    """The same instant that the desk shows as the state's own."""
    day, first = date(2026, 11, 21), datetime(2026, 11, 21, 14, tzinfo=UTC)

    def read_at():
        with steps.ledger.transaction() as transaction:
            return transaction.facts(now=steps.now, capability_id=NOTE).snapshot_read_at

    def confirm(revision, as_of, on=day):
        said = {"snapshotDate": on.isoformat(), "revision": revision, "asOf": as_of.isoformat()}
        history.record_event(OperationalEvent(SNAPSHOT_CONFIRMED, as_of, said, "run-1"))

    payload = {"schemaVersion": "v3.1", "asOf": first.isoformat()}
    snapshot, _ = history.append_snapshot(
        day, "a" * 64, payload, {}, observed_at=first, run_id="run-1", code_version="1"
    )
    assert read_at() == first
    confirm(1, first + timedelta(hours=1))
    confirm(1, first - timedelta(days=9), on=date(2026, 11, 12))  # a past day, rebuilt later
    confirm(2, first + timedelta(hours=5))  # of another revision
    assert read_at() == first + timedelta(hours=1) == confirmed_at(history, snapshot)


def test_the_ledger_refuses_an_engine_that_is_not_its_own(app_engine, postgres_url):
    with pytest.raises(ValueError, match="ledger_engine"):
        PostgresLedger(app_engine, STUDIO)
    with pytest.raises(ValueError, match="ledger_engine"):
        PostgresLedger(ledger_engine(postgres_url, "elsewhere"), STUDIO)


def test_one_studio_sees_nothing_of_another(steps, postgres_url):
    proposal = steps.draft()
    engine = ledger_engine(postgres_url, "elsewhere")
    other = PostgresLedger(engine, "elsewhere")
    assert not other.proposals()
    assert other.switch().switch is Switch.UNREADABLE
    with other.transaction() as transaction:
        assert (
            transaction.facts(now=steps.now, capability_id=None, proposal_id=proposal.proposal_id).proposal
            is None
        )
    engine.dispose()
