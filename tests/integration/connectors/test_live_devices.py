"""The one door to devices on a real database and on twins: permits, reads, degraded mode, and no secrets."""

import threading

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from policies.actors import Actor, ActorKind, system_actor
from policies.errors import DeniedError
from resources.connector import ConnectorError, Fault
from resources.connectors.access import NotConfiguredError
from resources.connectors.breaker import CallRefusedError
from resources.connectors.circuits import CircuitState
from resources.settings import SettingsError
from studio_assets.doors import live_devices, live_gateway
from tests.integration.connectors.conftest import HUB_CANARY, ROBOT_CANARIES, ROBOT_KEY, STUDIO

pytestmark = pytest.mark.integration
REASON = "A drill: what happens to reading?"


@pytest.fixture
def opened(bare_settings):
    """Return nothing: the studio's gateway has opened it."""
    with live_gateway(bare_settings) as gateway:
        gateway.open_studio()


def story(engine, subject="%"):
    query = text("SELECT name FROM studio.audit_events WHERE subject_id LIKE :s ORDER BY seq")
    with engine.begin() as connection:
        return list(connection.scalars(query, {"s": subject}))


def test_both_connectors_are_read_at_the_same_time(opened, settings, hub, robots, app_engine):
    """One door, two threads: every device is read, every call is a row and an event, nothing acts."""
    readings = {}
    with live_devices(settings) as devices:
        assert devices.configured() == ("hubitat", "roborock")
        threads = [
            threading.Thread(
                target=lambda name=name: readings.update({name: devices.read(name, run_id="run-1")})
            )
            for name in devices.configured()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        states = devices.states()
    assert len(readings["hubitat"].devices) == len(hub.devices)
    assert [one.device_id for one in readings["roborock"].devices] == ["robot-1"]
    assert [(one.connector_id, one.is_degraded) for one in states] == [
        ("hubitat", False),
        ("roborock", False),
    ]
    assert all(one.last_good_read_at is not None for one in states)
    assert story(app_engine, "hubitat") == ["connector:hubitat:called"]
    assert story(app_engine, "roborock") == ["connector:roborock:called"]
    with app_engine.begin() as connection:
        rows = connection.execute(
            text("SELECT connector_id, run_id, ending FROM studio.connector_calls")
        ).all()
    assert sorted(map(tuple, rows)) == [("hubitat", "run-1", "ok"), ("roborock", "run-1", "ok")]
    assert (hub.commands, list(robots.writes)) == ([], [])


def test_a_dead_hub_degrades_and_recovers_in_the_audit(opened, settings, hub, app_engine):
    """Entered once, refused while it rests, left once; the other connector goes on meanwhile."""
    hub.fail("refused")
    with live_devices(settings) as devices:
        for _ in range(2):
            with pytest.raises(ConnectorError) as raised:
                devices.read("hubitat")
            assert raised.value.fault is Fault.UNAVAILABLE
        with pytest.raises(CallRefusedError):
            devices.read("hubitat")
        assert devices.read("roborock").devices
        hubitat, roborock = devices.states()
        assert (hubitat.circuit, hubitat.fault) == (CircuitState.OPENED, Fault.UNAVAILABLE)
        assert not roborock.is_degraded
        hub.clear()
        with app_engine.begin() as connection:  # the rest is over
            connection.execute(text("UPDATE studio.connector_breakers SET retry_at = clock_timestamp()"))
        assert devices.read("hubitat").devices
        assert not devices.states()[0].is_degraded
    names = [name.rpartition(":")[2] for name in story(app_engine, "hubitat")]
    assert [name for name in names if name != "called"] == ["degraded_entered", "degraded_left"]
    assert names.count("called") == 4


def test_a_refused_login_degrades_at_once(opened, settings, hub, app_engine):
    """A wrong token is told, not tried again, and shows until it is right."""
    hub.fail("401")
    with live_devices(settings) as devices:
        assert devices.health("hubitat").fault is Fault.AUTH
        state = devices.states()[0]
        assert (state.is_degraded, state.circuit, state.next_retry_at) == (True, CircuitState.CLOSED, None)
        hub.clear()
        assert devices.health("hubitat").is_healthy
    names = [name.rpartition(":")[2] for name in story(app_engine, "hubitat")]
    assert names == ["degraded_entered", "called", "degraded_left", "called"]


def test_a_halt_does_not_blind_us(opened, settings):
    """The kill switch stops writes; devices are still read."""
    halter = Actor(ActorKind.STAFF, "u_1", STUDIO, frozenset({"staff"}))
    with live_gateway(settings) as gateway:
        gateway.halt(halter, REASON)
    with live_devices(settings) as devices:
        assert devices.read("hubitat").devices


def test_a_no_is_in_the_audit_of_the_database(opened, settings, app_engine):
    """What may not be read is denied by the gateway over the real ledger, too, and on record."""
    with live_gateway(settings) as gateway:
        for actor, capability_id in (
            (Actor(ActorKind.HUMAN, "u_member", STUDIO), "hubitat.devices.read"),
            (system_actor("connectors", STUDIO), "roborock.clean.start_full"),
        ):
            with pytest.raises(DeniedError):
                gateway.permit_read(actor, capability_id)
    assert story(app_engine)[-2:] == [
        "policy:hubitat.devices.read:denied",
        "policy:roborock.clean.start_full:denied",
    ]


def test_a_studio_without_devices(opened, bare_settings, app_engine):
    """Nothing is configured: no state, no call, no event, and no mistake."""
    with live_devices(bare_settings) as devices:
        assert (devices.configured(), devices.states()) == ((), ())
        with pytest.raises(NotConfiguredError):
            devices.read("hubitat")
    assert not [name for name in story(app_engine) if name.startswith("connector")]


def test_no_database_no_reading(settings):
    """Without a database no permit and no record could be had, so there is no door."""
    with (
        pytest.raises(SettingsError),
        live_devices(settings.model_copy(update={"database_url": None})),
    ):
        pytest.fail("there is a door")


def test_no_secret_in_any_row(opened, settings, hub, robots, app_engine):
    """After good reads and every kind of refusal no row of the database holds a canary."""
    with live_devices(settings) as devices:
        devices.read("hubitat")
        devices.read("roborock")
        hub.fail("401")
        robots.faults.add("broker_refuses")
        robots.faults.add("cloud_401")
        robots.settle()
        for name in devices.configured():
            devices.health(name)
    wrong = settings.model_copy(update={"hubitat_token": SecretStr("canary-wrong-token")})
    hub.clear()
    with live_devices(wrong) as devices, pytest.raises(ConnectorError) as raised:
        devices.read("hubitat")
    assert "canary" not in repr(raised.value)
    with app_engine.begin() as connection:
        rows = [
            str(row)
            for table in ("connector_calls", "audit_events", "connector_breakers")
            for row in connection.execute(text(f"SELECT to_json(t)::text FROM studio.{table} AS t"))  # noqa: S608 - names above
        ]
    assert rows
    told = " ".join(rows)
    canaries = (HUB_CANARY, ROBOT_KEY, ROBOT_CANARIES.token, ROBOT_CANARIES.email, "canary")
    assert not [one for one in canaries if one in told]
