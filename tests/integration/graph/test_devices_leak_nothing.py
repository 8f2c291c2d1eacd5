"""Every credential of every device is a canary; runs with devices in trouble keep and say none of them.

Searched: log lines down to debug, standard output and error, what runs return and raise, every event and
metadata of Dagster, every row of the studio's database, and every file of the home but the login itself.
"""

import json
import logging
import pickle

import dagster as dg
import pytest
from sqlalchemy import text

from resources.connector import ConnectorError
from resources.connectors.contract.watch import told_by
from resources.postgres.engine import owner_engine
from tests.integration.graph import pretend_devices
from tests.integration.graph.pretend_devices import PretendDevices
from twins.hubitat.devices import TwinDevice
from twins.roborock.account import Account
from twins.roborock.robots import FakeRobot
from twins.roborock.server import RoborockTwin

pytestmark = pytest.mark.integration
CANARIES = {
    "hub token": "canary-hub-6f1e22",
    "lock's PIN": "canary-pin-90c4",
    "door's last user": "canary-person-1d7",
    "mail": "canary-mail-3@studio.example",
    "login token": "canary-token-4",
    "broker user": "canary-user-5",
    "broker password": "canary-password-6",
    "signing key": "canary-signing-7",
    "sealing key": "canary-sealing-8",
    "robot's key": "canary_robotkey9",
    "robot's name": "canary-robotname-10",
}
# The pages of a hub that refuses repeat the address with the token; a redirect names it, too.
TROUBLES = (
    ("401", ("cloud_401", "broker_refuses", "off")),
    ("redirect", ("cloud_html_502", "off", "broker_down")),
    ("badjson", ("cloud_redirect", "wrong_key", "broker_garbage")),
)


@pytest.fixture
def devices(studio, app_engine, monkeypatch):
    """Return a hub and a robot that only canaries open."""
    monkeypatch.setattr(pretend_devices, "TOKEN", CANARIES["hub token"])
    made = PretendDevices(studio, app_engine)
    made.hub.token = CANARIES["hub token"]
    codes = json.dumps({"1": {"name": CANARIES["door's last user"], "code": CANARIES["lock's PIN"]}})
    kept = {"lockCodes": ("JSON_OBJECT", codes), "lastCodeName": ("STRING", CANARIES["door's last user"])}
    made.hub.devices.append(TwinDevice("19", "Door", "Generic Lock", {"Lock": [], "LockCodes": []}, kept, []))
    made.robots.stop()
    robot = FakeRobot(
        "robot-1", CANARIES["robot's key"], f"{made.addresses}.1", name=CANARIES["robot's name"]
    )
    account = Account(
        email=CANARIES["mail"],
        token=CANARIES["login token"],
        user=CANARIES["broker user"],
        password=CANARIES["broker password"],
        signing_key=CANARIES["signing key"],
        sealing_key=CANARIES["sealing key"],
    )
    made.robots = RoborockTwin([robot], account=account, now=studio.clock.now).start()
    made.robots.write_session(made.session)
    made.configure(failures_to_open=50)
    yield made
    made.close()


def everything(studio, devices, said):
    """Yield where and what of all that was kept or said."""
    yield from (("said", text) for text in said)
    for record in studio.instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION)
    ):
        yield "dagster event", str(record)
    for run in studio.instance.get_runs():
        yield "dagster run", repr(pickle.dumps(run.tags))
        yield from (("dagster log", str(entry)) for entry in studio.instance.all_logs(run.run_id))
    for key in studio.instance.all_asset_keys():
        found = studio.instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=50)
        yield "dagster metadata", repr(pickle.dumps(found.records))
    for path in studio.settings.home.rglob("*"):
        if path.is_file() and path != devices.session:
            yield f"file {path.name}", path.read_bytes().decode("latin-1")
    yield from rows(devices.engine)


def rows(engine):
    owner = owner_engine(engine.url.set(username="postgres").render_as_string(hide_password=False))
    with owner.connect() as connection:
        tables = connection.scalars(
            text("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'studio'")
        ).all()
        for table in tables:
            for row in connection.scalars(text(f"SELECT t::text FROM {table} t")):  # noqa: S608 - the catalogue's
                yield f"row of {table}", row
    owner.dispose()


def leaked(places):
    return {(where, name) for where, told in places for name, canary in CANARIES.items() if canary in told}


def test_no_canary_of_a_device_is_kept_or_said(studio, devices, caplog, capfd):
    """Good runs and runs in every kind of trouble; the same search finds what is planted in each place."""
    said = []
    with caplog.at_level(logging.DEBUG):
        good = studio.run()
        assert good.snapshot["devices"]["hubitat"]["status"] == "current"
        assert good.snapshot["devices"]["roborock"]["status"] == "current"
        for hub_kind, robot_kinds in TROUBLES:
            devices.hub.fail(hub_kind)
            for kind in robot_kinds:
                devices.robots.faults.add(kind)
            devices.robots.settle()
            studio.clock.advance(hours=5)  # the home is asked for again
            run = studio.run()
            assert run.snapshot["devices"]["hubitat"]["fault"]
            said += [repr(run), str(run.errors), json.dumps(run.snapshot)]
            for connector in ("hubitat", "roborock"):
                said.append(repr(devices.access.health(connector)))
                with pytest.raises(ConnectorError) as caught:
                    devices.access.read(connector)
                said += told_by(caught.value)
            devices.heal("hubitat")
            devices.heal("roborock")
    said += [repr(good), caplog.text, *capfd.readouterr(), repr(devices.access.states())]
    searched = list(everything(studio, devices, said))
    assert len(searched) > 200
    assert {
        "row of studio.connector_calls",
        "row of studio.audit_events",
        "row of studio.connector_readings",
    } <= {where for where, _ in searched}
    assert leaked(searched) == set()
    assert (devices.hub.commands, list(devices.robots.writes)) == ([], [])
    assert CANARIES["sealing key"] in devices.session.read_text("utf-8"), "the login is where it should be"


def test_what_is_planted_is_found(studio, devices, caplog):
    """The control: one canary in a log line, a file, a row, and Dagster's metadata; each is found there."""
    studio.run()
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("connectors").debug("asked with %s", CANARIES["hub token"])
    (studio.settings.home / "stray.log").write_text(CANARIES["login token"], "utf-8")
    studio.instance.report_runless_asset_event(
        dg.AssetMaterialization("planted", metadata={"address": CANARIES["broker password"]})
    )
    with devices.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO studio.connector_breakers (studio_id, circuit, state, failures) "
                "VALUES (:studio, :planted, 'closed', 0)"
            ),
            {"studio": studio.settings.studio_id, "planted": CANARIES["robot's key"]},
        )
    found = leaked(everything(studio, devices, [caplog.text]))
    assert found >= {
        ("said", "hub token"),
        ("file stray.log", "login token"),
        ("dagster metadata", "broker password"),
        ("row of studio.connector_breakers", "robot's key"),
    }
