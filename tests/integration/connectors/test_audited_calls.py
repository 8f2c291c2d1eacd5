"""Every call and every change of mode is in the audit log, and no killed process takes one away."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from policies.audit import GENESIS
from resources.connector import Fault
from resources.connectors.records import Ending
from resources.postgres.breakers import PostgresBreakerStore
from resources.postgres.connector_calls import PostgresCallLog
from resources.postgres.engine import app_engine as engine_for
from resources.postgres.engine import owner_engine
from resources.postgres.errors import ServerUnreachableError
from resources.postgres.governance import GovernanceReads
from tests.integration.postgres.samples import NOON, make_call, sha

pytestmark = pytest.mark.integration
STUDIO = "monsoonfire"
DYING = Path(__file__).with_name("dying_process.py")


@pytest.fixture
def store(app_engine):
    return PostgresBreakerStore(app_engine, STUDIO)


@pytest.fixture
def log(app_engine):
    return PostgresCallLog(app_engine, STUDIO)


def events(engine, connector_id="hubitat"):
    query = text("SELECT payload FROM studio.audit_events WHERE subject_id = :id ORDER BY seq")
    with engine.begin() as connection:
        return [orjson.loads(row) for row in connection.scalars(query, {"id": connector_id})]


def said(engine, connector_id="hubitat"):
    return [(one["name"].rpartition(":")[2], one["state"]) for one in events(engine, connector_id)]


def failed_call(number, fault=Fault.TIMEOUT, **changes):
    values = {"ending": Ending.FAILED, "fault": fault, "output_hash": None}
    none = {"device_count": None, "failed_device_count": None, "request_id": sha(str(number))[:32]}
    return make_call(**values | none | changes)


def chain_holds(engine):
    report = GovernanceReads(engine, STUDIO).verify_chain(0, GENESIS)
    return not report.broken


def test_a_call_is_an_event_with_hashes_and_no_contents(log, app_engine):
    """The event has what proves a call and nothing of what was said."""
    log.append(make_call())
    (one,) = events(app_engine)
    assert one["name"] == "connector:hubitat:called"
    assert one["subject"] == {"id": "hubitat", "kind": "connector"}
    assert one["actor"] == {"id": "system:connectors", "kind": "system", "owner": None}
    assert one["at"] == (NOON + timedelta(seconds=0.08)).isoformat(timespec="microseconds").replace(
        "+00:00", "Z"
    )
    assert one["state"] == "in_order"
    assert one["details"] == {
        "attempts": 1,
        "ending": "ok",
        "fault": None,
        "input_hash": sha("asked"),
        "is_dry_run": True,
        "latency_bucket": "100",
        "operation": "read",
        "output_hash": sha("answered"),
        "request_id": sha("call")[:32],
        "run_id": "run-1",
        "version": "1",
    }


def test_entering_and_leaving_are_events_once(store, log, app_engine):
    """However often a fault is noted and a circuit opened, degraded mode is entered once and left once."""
    store.note("hubitat", Fault.AUTH)
    store.note("hubitat", Fault.AUTH)
    store.open("hubitat", Fault.TIMEOUT, 60)
    log.append(failed_call(1))
    store.recover("hubitat")
    store.recover("hubitat")
    log.append(make_call())
    assert said(app_engine) == [
        ("degraded_entered", "degraded"),
        ("called", "degraded"),
        ("degraded_left", "in_order"),
        ("called", "in_order"),
    ]
    entered = events(app_engine)[0]["details"]
    assert entered == {"circuit": "closed", "failures": 0, "fault": "auth"}
    assert chain_holds(app_engine)


def test_what_an_older_version_left_unsaid_is_said(store, log, app_engine):
    """A circuit that was degraded before its events existed is told of with the next call."""
    with app_engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO studio.connector_breakers (studio_id, circuit, state, failures, fault) "
                "VALUES ('monsoonfire', 'hubitat', 'closed', 0, 'auth')"
            )
        )
    log.append(failed_call(1, Fault.AUTH))
    log.append(failed_call(2, Fault.AUTH))
    assert said(app_engine) == [
        ("degraded_entered", "degraded"),
        ("called", "degraded"),
        ("called", "degraded"),
    ]


def test_a_refused_row_leaves_no_event(log, app_engine):
    """The same call twice, or one that contradicts itself: neither row nor event."""
    log.append(make_call())
    for wrong in (make_call(), make_call(request_id=sha("b")[:32], seconds=-1.0)):
        with pytest.raises(DBAPIError):
            log.append(wrong)
    assert said(app_engine) == [("called", "in_order")]


def test_many_processes_keep_the_log_true(postgres_url, app_engine):
    """Eight at once change modes and append calls: the log alternates, and ends as the circuit is."""
    engines = [engine_for(postgres_url, STUDIO) for _ in range(8)]

    def act(number):
        engine = engines[number]
        store, log = PostgresBreakerStore(engine, STUDIO), PostgresCallLog(engine, STUDIO)
        for turn in range(6):
            if (number + turn) % 2:
                store.open("hubitat", Fault.TIMEOUT, 60)
            else:
                store.recover("hubitat")
            log.append(failed_call(number * 100 + turn))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(8)))
    for engine in engines:
        engine.dispose()
    told = said(app_engine)
    assert [name for name, _ in told].count("called") == 48
    assert_true_story(told)
    is_degraded = PostgresBreakerStore(app_engine, STUDIO).look("hubitat").is_degraded
    assert (told[-1][1] == "degraded") is is_degraded
    assert chain_holds(app_engine)


def assert_true_story(told):
    """Modes change only by their events, which alternate, and every call is said in the mode it was in."""
    mode = "in_order"
    for name, state in told:
        if name == "called":
            assert state == mode
        else:
            assert (name, mode) in {("degraded_entered", "in_order"), ("degraded_left", "degraded")}
            mode = "degraded" if name == "degraded_entered" else "in_order"
            assert state == mode


@pytest.mark.timeout(280)
def test_killed_at_any_word_no_event_is_lost(postgres_url, app_engine):
    """A process killed before or after any statement or commit: log, circuit and calls say the same."""
    done = subprocess.run(
        [sys.executable, str(DYING), postgres_url, STUDIO],
        capture_output=True,
        text=True,
        timeout=270,
        check=True,
    )
    deaths = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(deaths) > 60
    assert [one["was_killed"] for one in deaths] == [True] * (len(deaths) - 1) + [False]
    modes = set()
    for one in deaths:
        for found in (one["after"], one["later"]):
            told = [tuple(each) for each in found["events"]]
            assert_true_story(told)
            mode = told[-1][1] if told else "in_order"
            assert (mode == "degraded") is found["is_degraded"], one["words"]
            assert [name for name, _ in told].count("called") == found["calls"], one["words"]
            modes.add(mode)
        assert one["later"]["is_degraded"] is False
    assert modes == {"in_order", "degraded"}
    whole = [name for name, _ in deaths[-1]["after"]["events"]]
    assert whole.count("degraded_entered") == whole.count("degraded_left") == 2
    assert whole.count("called") == 8
    assert chain_holds(app_engine)


def test_a_cut_connection_keeps_all_or_nothing(postgres_url, app_engine):
    """The server ends the connection before each statement in turn: row and events are there, or none."""
    said_words, at = [0], [0]
    engine = engine_for(postgres_url, STUDIO)
    knife = owner_engine(postgres_url)

    @event.listens_for(engine, "before_cursor_execute")
    def cut(connection, *_):
        said_words[0] += 1
        if said_words[0] == at[0]:
            with knife.begin() as other:
                pid = connection.connection.driver_connection.info.backend_pid
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

    owner = PostgresBreakerStore(engine, STUDIO), PostgresCallLog(engine, STUDIO)
    cuts = 0
    for number in range(1, 30):
        name = f"hub_{number}"
        said_words[0], at[0] = 0, number
        with suppress(ServerUnreachableError):
            owner[0].open(name, Fault.TIMEOUT, 60)
            owner[1].append(failed_call(number, connector_id=name, started_at=datetime.now(UTC)))
        at[0] = 0
        told = said(app_engine, name)
        assert_true_story(told)
        circuit = PostgresBreakerStore(app_engine, STUDIO).look(name)
        assert (bool(told) and told[-1][1] == "degraded") is circuit.is_degraded
        calls = PostgresCallLog(app_engine, STUDIO).newest(name)
        assert [each for each, _ in told].count("called") == len(calls)
        if said_words[0] < number:
            break
        cuts += 1
    assert cuts > 5
    assert chain_holds(app_engine)
    engine.dispose()
    knife.dispose()
