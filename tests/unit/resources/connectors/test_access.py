"""Promises of the one door to devices: a permit first, every call recorded, nothing without settings."""

import threading
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from policies.errors import DeniedError
from policies.reads import ReadPermit
from policies.registry import default_registry
from policies.rules import deny
from resources.clock import SystemClock
from resources.connector import ConnectorError, Fault
from resources.connectors.access import DeviceAccess, NotConfiguredError
from resources.connectors.circuits import CircuitState, MemoryBreakerStore
from resources.connectors.records import Ending, MemoryCallLog, Operation
from resources.connectors.registry import ROWS, ConnectorRow, rows_by_id
from resources.connectors.runner import CallPolicy
from resources.settings import Settings

STUDIO = "monsoonfire"
READ = "puppet.devices.read"


class Gateway:
    """Says yes, or the no it is told; remembers who asked for what."""

    def __init__(self):
        self.asked = []
        self.no = None
        self.studio_id = STUDIO

    def permit_read(self, actor, capability_id):
        self.asked.append((actor.actor_id, capability_id))
        if self.no is not None:
            raise DeniedError(deny(self.no))
        return ReadPermit(self.studio_id, capability_id, actor.actor_id, datetime.now(UTC))


@pytest.fixture
def gateway():
    return Gateway()


@pytest.fixture
def make_access(gateway, puppet, log, store, clock):
    """Return a function that makes the door to a puppet, set up unless told otherwise."""
    made = []

    def make(*, is_configured=True, settings=None, **policy):
        def new(settings, clock):
            made.append(settings)
            return puppet

        quick = CallPolicy(**{"deadline_seconds": 5.0, "attempts": 1} | policy)
        row = ConnectorRow("puppet", READ, "1", quick, lambda _: is_configured, new)
        access = DeviceAccess(
            settings or Settings(), gateway=gateway, breakers=store, calls=log, clock=clock, rows=[row]
        )
        access.made = made
        return access

    return make


@pytest.fixture
def access(make_access):
    return make_access()


def test_every_call_asks_first_and_is_recorded(access, gateway, puppet, log):
    """One permit and one record per call, for our own process, with the run on whose behalf."""
    access.read("puppet", run_id="run-7")
    access.health("puppet")
    assert gateway.asked == [("system:connectors", READ)] * 2
    assert puppet.calls == ["read", "health"]
    told = [(one.operation, one.ending, one.run_id) for one in log.records]
    assert told == [(Operation.READ, Ending.OK, "run-7"), (Operation.HEALTH, Ending.OK, None)]
    assert len(access.made) == 1


@pytest.mark.parametrize("call", ["read", "health"])
def test_a_no_asks_nobody(access, gateway, puppet, log, call):
    """Without a permit no connector is made or asked; the no is the gateway's to record."""
    gateway.no = "reader-kind"
    with pytest.raises(DeniedError):
        getattr(access, call)("puppet")
    assert (puppet.calls, log.records, access.made) == ([], [], [])


def test_a_permit_for_something_else_is_none(access, gateway, puppet):
    """A permit of another studio opens nothing here."""
    gateway.studio_id = "elsewhere"
    with pytest.raises(ConnectorError, match="something else"):
        access.read("puppet")
    assert puppet.calls == []


def test_what_is_not_configured_is_no_fault(make_access, gateway, log):
    """Nobody is asked, nothing is recorded, no state is made up; and the error says so."""
    access = make_access(is_configured=False)
    assert access.configured() == ()
    assert access.states() == ()
    with pytest.raises(NotConfiguredError, match="not configured"):
        access.read("puppet")
    assert (gateway.asked, log.records) == ([], [])


def test_unknown_connectors_are_a_mistake(access):
    """A name that is in no row is an error of the caller."""
    with pytest.raises(KeyError):
        access.read("toaster")


def test_states_ask_nobody(access, puppet, gateway):
    """How a connector is, is on record: no permit, no call, not even a connector."""

    def fail(_):
        raise ConnectorError(Fault.AUTH, "refused")

    puppet.act = fail
    with pytest.raises(ConnectorError):
        access.read("puppet")
    puppet.calls.clear()
    gateway.asked.clear()
    (state,) = access.states()
    assert (state.is_degraded, state.fault, state.circuit) == (True, Fault.AUTH, CircuitState.CLOSED)
    assert (puppet.calls, gateway.asked) == ([], [])


def test_secrets_of_the_settings_are_cut_from_errors(make_access, puppet):
    """Even a connector that repeats its token in an error does not get it out."""

    def leak(_):
        raise ConnectorError(Fault.AUTH, "refused canary-9f31c7")

    puppet.act = leak
    access = make_access(settings=Settings(hubitat_token=SecretStr("canary-9f31c7")))
    with pytest.raises(ConnectorError) as raised:
        access.read("puppet")
    assert "canary" not in str(raised.value)


def test_threads_share_one_connector_and_take_turns(make_access, puppet, log):
    """Reads from several threads at once reach the connector one after the other."""
    inside, most, gate = [], [], threading.Lock()

    def act(_):
        with gate:
            inside.append(1)
            most.append(len(inside))
        threading.Event().wait(0.01)
        with gate:
            inside.pop()

    puppet.act = act
    access = make_access()
    threads = [threading.Thread(target=access.read, args=("puppet",)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(access.made), max(most), len(log.records)) == (1, 1, 5)


def test_closing_lets_go_and_may_be_repeated(access, puppet):
    """Every connector that was made is closed, once."""
    access.read("puppet")
    access.close()
    access.close()
    assert puppet.calls == ["read", "close"]


def test_every_row_has_a_reading_capability_of_its_own():
    """Calls reach a connector through a capability of the registry: one that reads, of that target."""
    registry = default_registry()
    assert set(rows_by_id()) == {"hubitat", "roborock"}
    for row in ROWS:
        capability = registry[row.capability_id]
        assert capability.is_read_only
        assert capability.target == row.connector_id
    reading = {name for name, one in registry.items() if one.is_read_only}
    assert {row.capability_id for row in ROWS} == reading


def test_rows_make_what_they_say(tmp_path):
    """A row's id and version are those of the connector it makes; making one asks nobody."""
    settings = Settings(
        home=tmp_path,
        hubitat_url="http://127.0.0.1:9",
        hubitat_app_id="27",
        hubitat_token=SecretStr("canary-9f31c7"),
        roborock_session=tmp_path / "session.json",
    )
    for row in ROWS:
        assert row.is_configured(settings)
        connector = row.make(settings, SystemClock())
        assert (connector.connector_id, connector.version) == (row.connector_id, row.version)
        assert connector.is_read_only
        connector.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.connector_id)
def test_without_settings_a_row_is_not_configured(row):
    """No setting, no connector: not made in part, and not made by force."""
    assert not row.is_configured(Settings())
    with pytest.raises(ValueError, match="configured"):
        row.make(Settings(), SystemClock())


def test_a_probe_outlives_no_call():
    """While one call probes, no other may begin to: a probe's time is longer than any call's."""
    assert all(row.policy.breaker.probe_seconds > row.policy.deadline_seconds for row in ROWS)


def test_a_store_for_this_process_alone_will_do(clock, gateway, puppet):
    """The door works on stores in memory: trying a connector needs no house."""
    row = ConnectorRow("puppet", READ, "1", CallPolicy(), lambda _: True, lambda *_: puppet)
    access = DeviceAccess(
        Settings(),
        gateway=gateway,
        breakers=MemoryBreakerStore(clock),
        calls=MemoryCallLog(),
        clock=clock,
        rows=[row],
    )
    assert access.read("puppet").failures == []


def test_what_cannot_be_recorded_is_not_handed_out(access, log, monkeypatch):
    """A reading without a record would be one that nobody could prove: the caller gets the error instead."""

    def fail(_):
        raise OSError("the database is away")

    monkeypatch.setattr(log, "append", fail)
    with pytest.raises(OSError, match="away"):
        access.read("puppet")
