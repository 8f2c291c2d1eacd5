"""Dagster's events written together: the tables of the stock log, nothing lost, nothing out of order.

Over 400 lines because every order and every interruption is held to the stock log on the same events.
"""

import threading

import dagster as dg
import psycopg2
import pytest
import sqlalchemy as sa
from dagster._core.errors import DagsterInvariantViolationError
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster_postgres.event_log import PostgresEventLogStorage
from sqlalchemy.exc import DBAPIError, OperationalError

from resources import dagster_event_log
from resources.dagster_event_log import BatchedEventLog
from resources.dagster_log_faults import NotItsTurnError

pytestmark = pytest.mark.integration
DAYS = dg.StaticPartitionsDefinition(["monday", "tuesday"])
WRITTEN = ("event_logs", "asset_keys", "asset_event_tags", "asset_check_executions")
GIVEN = {"create_timestamp", "id"}  # times of the database, and numbers that upserts use up
CLAY = dg.AssetKey("clay")


@dg.asset(partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("is_wet", asset="clay")])
def clay():
    """Yield a result that failed its check."""
    yield dg.MaterializeResult(
        metadata={"kilos": 3}, data_version=dg.DataVersion("a"), tags={"studio/by": "h"}
    )
    yield dg.AssetCheckResult(passed=False, check_name="is_wet", severity=dg.AssetCheckSeverity.WARN)


@dg.multi_asset_check(specs=[dg.AssetCheckSpec(name, asset="clay") for name in ("is_grey", "is_soft")])
def of_clay():
    """Judge what has been made."""
    yield dg.AssetCheckResult(passed=True, asset_key=CLAY, check_name="is_grey")
    yield dg.AssetCheckResult(passed=False, asset_key=CLAY, check_name="is_soft", metadata={"of": 9})


@dg.asset(deps=[clay], partitions_def=DAYS)
def pot(context: dg.AssetExecutionContext):
    """Fail on Tuesday; say something on Monday."""
    context.log.info("turning")
    context.log_event(dg.AssetObservation("pot", metadata={"height": 7}, partition=context.partition_key))
    if context.partition_key == "tuesday":
        raise dg.Failure("the wheel broke")


@pytest.fixture(scope="module")
def events():
    """Return the events of two runs, a good one and one with a failing step, as Dagster made them."""
    found = []
    with dg.DagsterInstance.ephemeral() as instance:
        for day in DAYS.get_partition_keys():
            run = dg.materialize(
                [clay, pot, of_clay], instance=instance, partition_key=day, raise_on_error=False
            )
            found += instance.all_logs(run.run_id)
    assert {event.dagster_event_type for event in found if event.is_dagster_event} >= {
        dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
        dg.DagsterEventType.ASSET_OBSERVATION,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.RUN_FAILURE,
    }
    assert any(not event.is_dagster_event for event in found)
    return found


@pytest.fixture
def log(empty_database_url):
    """Return our log over an empty database."""
    made = BatchedEventLog(empty_database_url)
    yield made
    made.dispose()
    made._engine.dispose()


@pytest.fixture
def another(empty_database_url, log):
    """Return what another process would see: the stock log over the same database."""
    return PostgresEventLogStorage(empty_database_url, should_autocreate_tables=False)


@pytest.fixture
def stock(postgres_url):
    """Return the stock log over a database of its own."""
    made = PostgresEventLogStorage(postgres_url)
    yield made
    made._engine.dispose()


def test_the_tables_are_those_of_the_stock_log(log, stock, events):
    """Every column of every table that events change, written together and written one by one."""
    judged = _one(events, "ASSET_CHECK_EVALUATION")
    told = [*events, judged._replace(run_id="nothing was planned in it"), judged._replace(run_id="")]
    for event in told:
        stock.store_event(event)
        log.store_event(event)
    assert log._waiting == []
    for table in WRITTEN:
        assert _rows(log, table), table
        assert _rows(log, table) == _rows(stock, table), table
    assert _numbers(log) == _numbers(stock)
    assert log.get_asset_records([CLAY]) == stock.get_asset_records([CLAY])


def test_a_check_planned_twice_is_refused_as_by_the_stock_log(log, stock, events):
    """The one event is lost, and its error told; what came with it is kept."""
    planned = _one(events, "ASSET_CHECK_EVALUATION_PLANNED")
    of_it = planned.dagster_event.asset_check_planned_data.asset_check_key
    judged = next(
        event
        for event in _of(events, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        if event.dagster_event.asset_check_evaluation_data.asset_check_key == of_it
    )
    for event in (planned, planned):
        stock.store_event(event)
        log.store_event(event)
    log.store_event(judged)
    with pytest.raises(DagsterInvariantViolationError):
        stock.store_event(judged)
    with pytest.raises(DagsterInvariantViolationError):
        log.write_waiting()
    assert _rows(log, "event_logs") == _rows(stock, "event_logs")
    used_up = {"evaluation_event_storage_id"}  # numbers that were taken back
    assert _rows(log, "asset_check_executions", used_up) == _rows(stock, "asset_check_executions", used_up)


def test_who_asks_reads_all_that_was_stored_and_in_order(log, events):
    """Whatever is asked: events of the run, assets, checks."""
    told = [event for event in events if event.run_id == events[0].run_id]
    for number, event in enumerate(told, start=1):
        log.store_event(event)
        if number % 7 == 0:
            assert _kept(log, event.run_id) == told[:number]
    made = _of(events, dg.DagsterEventType.ASSET_MATERIALIZATION)[-1]
    log.store_event(made)
    assert log._waiting == [made]
    assert log.get_latest_materialization_events([CLAY]) == {CLAY: made}


def test_the_end_of_a_step_is_written_at_once_with_all_before_it(log, another, events):
    """Another process sees it, and everything that led to it, when storing it returns."""
    told = [event for event in events if event.run_id == events[0].run_id]
    ends = {
        *(dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE),
        *(dg.DagsterEventType.RUN_START, dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE),
    }
    looked, waited = 0, False
    for number, event in enumerate(told, start=1):
        log.store_event(event)
        if event.dagster_event_type in ends:
            assert _kept(another, event.run_id) == told[:number]
            looked += 1
        waited = waited or bool(log._waiting)
    assert looked > 4
    assert waited, "nothing was put together"


def test_few_statements_for_many_events(log, events):
    """A run of a hundred checks is no thousand statements."""
    judged, ended = _one(events, "ASSET_CHECK_EVALUATION_PLANNED"), _one(events, "STEP_SUCCESS")
    log.store_event(judged)
    log.write_waiting()
    statements = []
    sa.event.listen(log._engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    for number in range(100):
        log.store_event(judged._replace(run_id=f"run {number}"))
    log.store_event(ended)
    assert len(statements) < 5
    assert len(_numbers(log)) == 102


def test_what_waits_is_written_soon_though_nobody_asks(log, another, events, monkeypatch):
    """Staff who watch a slow step see what it did."""
    monkeypatch.setattr(dagster_event_log, "LONGEST_WAIT_SECONDS", 0.01)
    waits = _one(events, "STEP_START")
    log.store_event(waits)
    writer = log._writer
    if writer is not None:  # else it is already done
        writer.join(timeout=30)
    assert _kept(another, waits.run_id) == [waits]
    log.store_event(waits)
    assert log._writer is not writer, "nobody would write the next one"


def test_what_cannot_be_stored_is_lost_alone(log, another, events):
    """PostgreSQL keeps no NUL: the events before and after it are kept, and the error is told."""
    start, ended = _one(events, "STEP_START"), _one(events, "STEP_SUCCESS")
    log.store_event(start)
    log.store_event(start._replace(run_id="not\0storable"))
    with pytest.raises(ValueError, match="NUL"):
        log.store_event(ended._replace(run_id=start.run_id))
    assert _kept(another, start.run_id) == [start, ended._replace(run_id=start.run_id)]
    assert log._waiting == []


def test_what_is_too_large_for_an_index_is_lost_alone(log, another, events):
    """The driver calls it operational, as if the server were away: no other event waits for that to end."""
    start, ended = _one(events, "STEP_START"), _one(events, "STEP_SUCCESS")
    made = _one(events, "ASSET_MATERIALIZATION").dagster_event
    key = "".join(chr(ord("!") + number**3 % 9973) for number in range(6000))  # too odd to be packed
    data = made.event_specific_data
    data = data._replace(materialization=data.materialization._replace(partition=key))
    log.store_event(start)
    log.store_event(start._replace(dagster_event=made._replace(event_specific_data=data)))
    with pytest.raises(OperationalError, match="index row"):
        log.store_event(ended)
    assert _kept(another, start.run_id) == [start, ended]
    assert log._waiting == []


def test_what_waits_outlasts_a_server_that_is_away(log, another, events, monkeypatch):
    """Whoever stores or asks meanwhile is told; an event that could not wait is not stored later."""
    start, ended = _one(events, "STEP_START"), _one(events, "STEP_SUCCESS")

    def away():
        raise OperationalError("BEGIN", {}, ConnectionError("no server"))

    log.store_event(start)
    with monkeypatch.context() as patch:
        patch.setattr(log, "index_transaction", away)
        with pytest.raises(OperationalError):
            log.store_event(ended)
        with pytest.raises(OperationalError):
            log.get_records_for_run(start.run_id)
    assert _kept(another, start.run_id) == []
    log.write_waiting()
    assert _kept(another, start.run_id) == [start]


@pytest.mark.parametrize("error", [psycopg2.OperationalError, psycopg2.DatabaseError])
@pytest.mark.parametrize("is_kept", [True, False])
def test_a_batch_whose_commit_was_never_answered_stands_there_once(
    log, another, events, monkeypatch, *, error, is_kept
):
    """Whether the server had kept it or not; and so does what its writer, who was told, stores once more."""
    start, ended = _one(events, "STEP_START"), _one(events, "STEP_SUCCESS")
    told = [start, start, ended]  # the same twice is two events
    for event in told[:2]:
        log.store_event(event)
    with monkeypatch.context() as patch:
        patch.setattr(log._engine.dialect, "do_commit", _unanswered(error, is_kept=is_kept))
        with pytest.raises(DBAPIError, match="closed the connection"):
            log.store_event(ended)
    assert _kept(another, start.run_id) == (told if is_kept else [])
    log.store_event(start)
    log.store_event(ended)
    assert _kept(another, start.run_id) == ([*told, start] if is_kept else [start, start, start, ended])
    log.store_event(ended)
    assert _kept(another, start.run_id)[-2:] == ([start, ended] if is_kept else [ended, ended])


def test_a_batch_the_server_is_still_at_is_waited_for(log, another, events, monkeypatch):
    """Its commit may be on the way: nothing is written beside it before that is over."""
    start, ended = _one(events, "STEP_START"), _one(events, "STEP_SUCCESS")
    log.store_event(start)
    under_way = []

    def lose(connection):
        under_way.append(connection.dbapi_connection)
        raise psycopg2.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(log._engine.dialect, "do_commit", lose)
        for name in ("do_rollback", "do_close", "do_terminate"):
            patch.setattr(log._engine.dialect, name, lambda _: None)
        with pytest.raises(OperationalError):
            log.write_waiting()
    writer = threading.Thread(target=log.store_event, args=(ended,))
    writer.start()
    while writer.is_alive() and not _waits_for_a_lock(another):
        pass
    under_way[0].commit()
    under_way[0].close()
    writer.join()
    assert _kept(another, start.run_id) == [start, ended]


def test_a_process_that_is_frozen_at_its_turn_loses_it(log, empty_database_url, events, monkeypatch):
    """Others store their events after a while, and it hears that nothing of its turn was kept."""
    soon = sa.text(str(dagster_event_log._QUEUE).replace("60s", "1ms"))
    monkeypatch.setattr(dagster_event_log, "_QUEUE", soon)
    other, start = BatchedEventLog(empty_database_url), _one(events, "STEP_START")

    def freeze():
        with log.index_transaction() as frozen:
            frozen.execute(soon)
            other.store_event(start)
            assert _kept(other, start.run_id) == [start]
            frozen.execute(sa.text("SELECT 1"))

    with pytest.raises(DBAPIError):
        freeze()
    other.dispose()


def test_threads_store_at_once(log, events):
    """Nothing is lost or doubled, and each thread's events stay in their order."""
    start, ended = _one(events, "STEP_START"), _one(events, "STEP_SUCCESS")
    told = {
        f"thread {name}": [
            (ended if number % 10 == 9 else start)._replace(run_id=f"thread {name}", user_message=str(number))
            for number in range(100)
        ]
        for name in range(6)
    }

    def tell(mine):
        for event in mine:
            log.store_event(event)
            if event.user_message.endswith("5"):
                log.get_records_for_run(event.run_id)

    threads = [threading.Thread(target=tell, args=(mine,)) for mine in told.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run_id, mine in told.items():
        assert _kept(log, run_id) == mine


@pytest.mark.parametrize("kind", ["together", "one by one", "by the stock log"])
def test_events_become_visible_in_the_order_of_their_numbers(
    log, another, events, empty_database_url, monkeypatch, *, kind
):
    """Sensors remember the newest number they saw: what comes out below it later would be missed for ever."""
    ended, failed = _one(events, "RUN_SUCCESS"), _one(events, "RUN_FAILURE")
    if kind == "by the stock log":
        ended = _one(events, "ASSET_CHECK_EVALUATION")._replace(run_id="")
    other = BatchedEventLog(empty_database_url, should_autocreate_tables=False)
    held, let_go = threading.Event(), threading.Event()

    def hold(*_):
        held.set()
        let_go.wait(timeout=60)

    made = _of(events, dg.DagsterEventType.ASSET_MATERIALIZATION)[-1]
    log.store_event(made)
    monkeypatch.setattr(log, "_store_assets", hold)
    if kind == "one by one":
        monkeypatch.setattr(other, "_store_together", _refusing_the_first(other._store_together))
    slow = threading.Thread(target=log.store_event, args=(failed,))
    quick = threading.Thread(target=other.store_event, args=(ended,))
    slow.start()
    assert held.wait(timeout=60)
    quick.start()
    while quick.is_alive() and not _waits_for_a_lock(another):
        pass
    came_out_before = _number(another, ended)
    let_go.set()
    slow.join()
    quick.join()
    other.dispose()
    other._engine.dispose()
    assert came_out_before is None or came_out_before < _number(another, failed)
    assert _number(another, made) < _number(another, failed) < _number(another, ended)


def test_what_is_reported_outside_of_a_run_is_stored_at_once(log, another, events):
    """Nothing ends there, and the process that reports it may be gone in the next moment."""
    reported = _one(events, "ASSET_MATERIALIZATION")._replace(run_id="")
    log.store_event(reported)
    assert _kept(another, "") == [reported]


def test_closing_writes_what_waits(log, another, events):
    """An instance closed in the middle of a step has lost nothing; used afterwards, it lets nothing wait."""
    start = _one(events, "STEP_START")
    log.store_event(start)
    log.dispose()
    assert _kept(another, start.run_id) == [start]
    log.store_event(start)
    assert _kept(another, start.run_id) == [start, start]


def test_closing_lets_go_though_an_event_cannot_be_stored(log, events, monkeypatch):
    """Whoever closes hears of the event, and no connection is kept."""
    released = []

    def let_go(closed):
        released.append(closed)

    monkeypatch.setattr(PostgresEventLogStorage, "dispose", let_go)
    log.store_event(_one(events, "STEP_START")._replace(run_id="\0"))
    with pytest.raises(ValueError, match="NUL"):
        log.dispose()
    assert released == [log]


def test_a_batch_that_is_always_cancelled_is_written_by_halves(log, another, events):
    """Together they take the server too long: nothing is lost, nothing waits, and all are in order."""
    told = [_one(events, "STEP_START")._replace(user_message=str(number)) for number in range(7)]
    _cancel(
        log, "AFTER INSERT ON event_logs REFERENCING NEW TABLE AS given FOR EACH STATEMENT", _MORE_THAN_TWO
    )
    for event in told:
        log.store_event(event)
    log.write_waiting()
    assert _kept(another, told[0].run_id) == told
    assert log._waiting == []
    numbers = [number for number, _ in _numbers(log)]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("place", [0, 2, 4])
def test_an_event_the_server_always_cancels_is_set_aside_alone(log, another, events, caplog, *, place):
    """Wherever it stands: all before and after it is there, and the log tells kind, run and size only."""
    _cancel(log, *_ROWS_OF_ONE_RUN)
    start, ended = _one(events, "STEP_START"), _one(events, "STEP_SUCCESS")
    told = [start._replace(user_message=f"secret {number}") for number in range(4)]
    refused = start._replace(run_id="refused", user_message="secret of it")
    for event in (*told[:place], refused, *told[place:]):
        log.store_event(event)
    log.store_event(ended)
    assert _kept(another, start.run_id) == [*told, ended]
    assert _kept(another, "refused") == []
    assert log._waiting == []
    (said,) = [record.getMessage() for record in caplog.records if record.name == "dagster"]
    size = len(dg.serialize_value(refused))
    assert f"STEP_START of run 'refused', {size} characters (cancelled by the server" in said
    assert "secret" not in caplog.text
    log.store_event(start)
    log.store_event(ended)
    assert _kept(another, start.run_id) == [*told, ended, start, ended]


def test_many_events_the_server_always_cancels_keep_no_other_from_the_log(log, another, events):
    """Also when they are the first, and more than the others."""
    _cancel(log, *_ROWS_OF_ONE_RUN)
    start, ended = _one(events, "STEP_START"), _one(events, "STEP_SUCCESS")
    told = [start._replace(user_message=str(number)) for number in range(9)]
    for number, event in enumerate(told):
        log.store_event(event if number % 3 == 2 else event._replace(run_id="refused"))
    log.store_event(ended)
    assert _kept(another, start.run_id) == [*told[2::3], ended]


def test_who_stores_what_is_cancelled_hears_of_it_and_what_waited_is_stored(log, another, events):
    """As with the stock log: the end of a run that cannot be told is an error, not a line in a log."""
    _cancel(log, *_ROWS_OF_ONE_RUN)
    start, ended = _one(events, "STEP_START"), _one(events, "RUN_SUCCESS")
    log.store_event(start)
    with pytest.raises(OperationalError, match="too long"):
        log.store_event(ended._replace(run_id="refused"))
    assert _kept(another, start.run_id) == [start]
    assert log._waiting == []


def test_a_server_that_cancels_whatever_is_written_loses_nothing(log, another, events):
    """Then no event is at fault: all wait, and are stored when it takes events again; none is called lost."""
    start = _one(events, "STEP_START")
    told = [start._replace(user_message=str(number)) for number in range(5)]
    _cancel(log, "BEFORE INSERT ON event_logs FOR EACH ROW", "true")
    for event in told:
        log.store_event(event)
    for _ in range(3):
        with pytest.raises(OperationalError, match="too long"):
            log.write_waiting()
    assert log._waiting == told
    _let_all_in(log)
    log.write_waiting()
    assert _kept(another, start.run_id) == told


def test_a_batch_cancelled_while_it_waits_for_its_turn_is_stored_later(log, another, events):
    """Whoever holds the turn is slow, not the events: none is set aside."""
    start = _one(events, "STEP_START")
    log.store_event(start)
    raised = []

    def write():
        try:
            log.write_waiting()
        except NotItsTurnError as error:
            raised.append(error)

    with another.index_transaction() as slow:
        slow.execute(dagster_event_log._QUEUE)
        writer = threading.Thread(target=write)
        writer.start()
        done = set()
        while writer.is_alive():
            _cancel_who_waits(another, done)
        writer.join()
    assert len(raised) == 1
    assert log._waiting == [start]
    log.write_waiting()
    assert _kept(another, start.run_id) == [start]


def test_a_row_that_somebody_holds_for_ever_holds_up_no_other_event(log, another, events):
    """Its event is kept without its asset, as the stock log would, and all others whole and in order."""
    made, start = _one(events, "ASSET_MATERIALIZATION"), _one(events, "STEP_START")
    log.store_event(made)
    log.write_waiting()
    log.store_event(made)
    log.store_event(start)
    with another.index_transaction() as holder:
        holder.execute(sa.text("SELECT id FROM asset_keys FOR UPDATE"))
        writer = threading.Thread(target=log.write_waiting)
        writer.start()
        done = set()
        while writer.is_alive():
            _cancel_who_waits(another, done)
        writer.join()
    assert _kept(another, start.run_id) == [made, made, start]
    assert log._waiting == []


_ROWS_OF_ONE_RUN = "BEFORE INSERT ON event_logs FOR EACH ROW", "NEW.run_id = 'refused'"
_MORE_THAN_TWO = "(SELECT count(*) FROM given) > 2"


def _cancel(log, when, condition):
    """Let the server cancel what meets a condition, as if it took too long, without any waiting."""
    with log.index_connection() as connection:
        connection.execute(
            sa.text(
                "CREATE FUNCTION take_too_long() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                f"IF {condition} THEN RAISE 'it took too long' USING ERRCODE = '57014'; END IF; "
                "RETURN NEW; END $$"
            )
        )
        connection.execute(sa.text(f"CREATE TRIGGER patience {when} EXECUTE FUNCTION take_too_long()"))


def _let_all_in(log):
    with sa.create_engine(log.postgres_url).begin() as connection:
        connection.execute(sa.text("DROP TRIGGER patience ON event_logs"))


def _cancel_who_waits(log, done):
    """Cancel each statement that waits for a lock, once, as its time limit would; ``done`` grows by them."""
    with log.index_connection() as connection:
        waiting = connection.execute(
            sa.text(
                "SELECT pid, query_start FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )
        for statement in set(map(tuple, waiting)) - done:
            done.add(statement)
            connection.execute(sa.text("SELECT pg_cancel_backend(:pid)"), {"pid": statement[0]})


def _refusing_the_first(really):
    """Return what stores events together, but the first time finds one that cannot be stored."""
    times = iter([True])

    def store(events):
        if next(times, False):
            raise ValueError("one of them is at fault")
        really(events)

    return store


def _unanswered(error, *, is_kept):
    """Return a commit that ends the transaction on the server, whose answer is lost."""

    def commit(connection):
        if is_kept:
            connection.commit()
        connection.close()
        raise error("server closed the connection unexpectedly")

    return commit


def _of(events, kind):
    return [event for event in events if event.dagster_event_type is kind]


def _one(events, kind):
    return _of(events, dg.DagsterEventType[kind])[0]


def _kept(log, run_id):
    return [record.event_log_entry for record in log.get_records_for_run(run_id).records]


def _number(log, event):
    """Return the number of the newest event of its run and kind; null while there is none."""
    records = log.get_records_for_run(event.run_id, of_type=event.dagster_event_type).records
    return records[-1].storage_id if records else None


def _waits_for_a_lock(log):
    with log.index_connection() as connection:
        waiting = connection.execute(
            sa.text(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = "
                "(SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        )
        return bool(waiting.scalar())


def _all(log, table):
    with log.index_connection() as connection:
        rows = connection.execute(SqlEventLogStorageMetadata.tables[table].select())
        return [dict(row) for row in rows.mappings()]


def _rows(log, table, besides=frozenset()):
    """Return the rows of a table without the numbers and times that the database gave, sorted."""
    kept = [
        {name: value for name, value in row.items() if name not in GIVEN | besides}
        for row in _all(log, table)
    ]
    return sorted(kept, key=repr)


def _numbers(log):
    return [(row["id"], row["event"]) for row in _all(log, "event_logs")]
