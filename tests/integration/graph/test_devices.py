"""Devices in the main job, on the real twins: what is known, what is not, and that none of it stops a run."""

from dataclasses import replace
from datetime import timedelta

import dagster as dg
import pytest
from pydantic import SecretStr

from resources.clock import day_end
from resources.connector import Fault
from resources.connectors.records import Ending
from resources.postgres.connector_calls import PostgresCallLog
from resources.rows import Completeness
from studio_assets.contracts import catalog
from studio_assets.definitions import build_defs
from studio_assets.devices.events import newest_connector_reads
from studio_assets.devices.section import COUNTS
from studio_assets.doors import live_audit_log, live_findings
from studio_assets.keys import cloud_truth_key, devices_key, operations_key, studio_state_key
from studio_assets.studio_state.snapshot import content_hash
from tests.integration.graph.pretend_devices import PATIENT, PretendDevices, sensor
from tests.integration.graph.pretend_studio import PHOENIX

pytestmark = pytest.mark.integration
CONNECTORS = ("hubitat", "roborock")
NOTHING = dict.fromkeys(COUNTS)
ALL_WELL = {"devices": 2, "online": 2, "offline": 0, "lowBattery": 0, "inError": 0, "silent": 0, "unknown": 0}


@pytest.fixture
def devices(studio, app_engine):
    """Return a hub and robots the studio reads."""
    made = PretendDevices(studio, app_engine)
    try:
        made.configure()
        yield made
    finally:
        made.close()


def counts(entry):
    return {name: entry[name] for name in COUNTS}


def metadata(studio, key):
    """Return the metadata of the newest materialization of an asset; null when there is none."""
    records = studio.instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=1).records
    found = records[0].asset_materialization if records else None
    return None if found is None else {name: value.value for name, value in found.metadata.items()}


def _read_all(studio):
    """Run, and see that every device was read: what was not keeps its findings, as it should."""
    run = studio.run()
    assert run.success, run.errors
    assert not run.checks_failed


def test_a_healthy_house_of_devices_is_current_counted_and_without_findings(studio, devices):
    devices.configure(patience=PATIENT)
    run = studio.run()
    assert run.success, run.errors
    assert not run.checks_failed
    for connector in CONNECTORS:
        entry = run.snapshot["devices"][connector]
        assert entry["status"] == "current"
        assert (entry["ageSeconds"], entry["fault"]) == (0, None)
        assert counts(entry) == ALL_WELL
        told = metadata(studio, devices_key(studio.settings.studio_id, connector))
        assert told["dagster/row_count"] == 2
        assert told["revision"] == 1
    health = metadata(studio, cloud_truth_key(studio.settings.studio_id, "connector_health"))
    assert (health["hubitat_status"], health["roborock_status"]) == ("current", "current")
    assert (health["hubitat_breaker"], health["not_current"]) == ("closed", 0)
    assert health["hubitat_data_age_seconds"] == 0
    assert devices.findings == set()
    counters = studio.history.counters(studio.history.current_snapshot())
    assert counters["devices.roborock.online"] == (2, "devices")


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_dead_connector_costs_its_own_data_and_nothing_else(studio, devices, app_engine, connector):
    """The run goes on, what was known is called old, counts are null, and findings stay as they were."""
    devices.hub.devices.append(sensor("13", battery=9))
    next(iter(devices.robots.robots.values())).error_code = 5
    good = studio.run()
    before = devices.findings
    assert {subject for subject, _ in before} == {"hubitat/13", "roborock/robot-1"}
    other = next(name for name in CONNECTORS if name != connector)
    devices.hub.devices[-1].attributes["battery"] = ("NUMBER", 90)
    devices.hub.devices.append(sensor("14", battery=2))
    devices.strike(connector)
    studio.clock.advance(minutes=15)
    run = studio.run()
    assert run.success, run.errors
    (call,) = (
        each
        for each in PostgresCallLog(app_engine, studio.settings.studio_id).newest(connector)
        if each.run_id == run.run_id
    )
    # Asked once, within its own deadline (the runner's tests hold that), and never again in the run.
    assert (call.ending, call.attempts) == (Ending.FAILED, 1)
    assert all(read.completeness is Completeness.FULL for read in run.sources.values())
    entry = run.snapshot["devices"][connector]
    assert entry["status"] == "old"
    assert entry["readAt"] == good.snapshot["devices"][connector]["readAt"]
    assert entry["ageSeconds"] == 15 * 60
    assert Fault(entry["fault"])
    assert counts(entry) == NOTHING
    assert run.snapshot["devices"][other]["status"] == "current"
    (failed,) = run.checks_failed
    assert (failed.asset, failed.check) == (f"cloud_truth/{connector}_devices", "read_is_complete")
    assert not failed.is_blocking
    of_dead = {one for one in devices.findings if one[0].startswith(connector)}
    assert of_dead == {one for one in before if one[0].startswith(connector)}
    health = metadata(studio, cloud_truth_key(studio.settings.studio_id, "connector_health"))
    assert (health[f"{connector}_status"], health[f"{connector}_fault"]) == ("old", entry["fault"])
    assert health[f"{connector}_data_age_seconds"] == 15 * 60
    assert health[f"{connector}_reason"] != "none"
    assert not any(change.counter.startswith(f"devices.{connector}") for change in run.diff.changes)


@pytest.mark.parametrize("connector", CONNECTORS)
def test_recovery_needs_nobody(studio, devices, connector):
    """The run after the trouble is over has current data again, and says nothing of a fault."""
    first = studio.run()
    devices.strike(connector)
    studio.clock.advance(minutes=15)
    dead = studio.run()
    devices.heal(connector)
    studio.clock.advance(minutes=15)
    run = studio.run()
    assert run.snapshot["devices"][connector]["status"] == "current"
    assert counts(run.snapshot["devices"][connector]) == ALL_WELL
    assert not run.checks_failed
    assert run.content_hash == first.content_hash != dead.content_hash
    assert (dead.revision, run.revision) == (2, 3)


def test_an_open_breaker_says_when_it_is_tried_again(studio, devices):
    devices.configure(robots=False, failures_to_open=1)
    studio.run()
    devices.strike("hubitat")
    studio.clock.advance(minutes=15)
    assert studio.run().success
    health = metadata(studio, cloud_truth_key(studio.settings.studio_id, "connector_health"))
    assert health["hubitat_breaker"] == "opened"
    assert health["hubitat_next_retry"] > 0
    asked = devices.hub.requests
    devices.heal("hubitat")
    studio.clock.advance(minutes=15)
    resting = studio.run()
    assert resting.snapshot["devices"]["hubitat"]["status"] == "old"
    assert devices.hub.requests == asked


def test_what_is_not_configured_is_told_apart_from_what_does_not_answer(studio, devices):
    devices.configure(hub=False)
    run = studio.run()
    entry = run.snapshot["devices"]["hubitat"]
    assert entry == {"status": "not_configured", "readAt": None, "ageSeconds": None, "fault": None, **NOTHING}
    assert run.snapshot["devices"]["roborock"]["status"] == "current"
    assert not run.checks_failed
    assert devices.findings == set()
    assert devices.hub.requests == 0
    assert metadata(studio, devices_key(studio.settings.studio_id, "hubitat")) is None


def test_a_connector_that_never_answered_is_said_to_be_that_and_is_a_finding(studio, devices):
    devices.configure(robots=False)
    devices.strike("hubitat")
    run = studio.run()
    assert run.snapshot["devices"]["hubitat"]["status"] == "never"
    assert counts(run.snapshot["devices"]["hubitat"]) == NOTHING
    assert devices.findings == {("hubitat", "connector_silent")}
    devices.heal("hubitat")
    studio.clock.advance(minutes=15)
    studio.run()
    assert devices.findings == set()


def test_a_connector_is_a_finding_once_its_data_is_old(studio, devices):
    devices.configure(robots=False)
    studio.run()
    devices.strike("hubitat")
    studio.clock.advance(minutes=60)
    studio.run()
    assert devices.findings == set()
    studio.clock.advance(minutes=1)
    studio.run()
    assert devices.findings == {("hubitat", "connector_silent")}


def test_a_past_day_asks_nobody_and_uses_what_was_read_then(studio, devices):
    """A day is told by its own last reading; a day without one has none; findings are not touched."""
    devices.configure(patience=PATIENT)
    devices.hub.devices.append(sensor("13", battery=9))
    studio.clock.set(day_end(studio.day, PHOENIX.key) - timedelta(minutes=10))
    studio.run(studio.day)
    known = devices.findings
    studio.clock.advance(days=1)
    devices.hub.devices[-1].attributes["battery"] = ("NUMBER", 90)
    asked = devices.hub.requests
    run = studio.run(studio.day)
    entry = run.snapshot["devices"]["hubitat"]
    assert (entry["status"], entry["ageSeconds"], entry["lowBattery"]) == ("current", 600, 1)
    before = studio.run(studio.day - timedelta(days=1))
    assert before.snapshot["devices"]["hubitat"]["status"] == "never"
    assert devices.hub.requests == asked
    assert devices.findings == known == {("hubitat/13", "battery_low")}


def test_a_connector_that_was_lost_late_in_a_day_is_not_found_again_by_rebuilding_the_day(studio, devices):
    """Half an hour before midnight it was old; the day rebuilt says the same, and is the same state."""
    devices.configure(robots=False)
    studio.clock.set(day_end(studio.day, PHOENIX.key) - timedelta(minutes=45))
    studio.run(studio.day)
    devices.strike("hubitat")
    studio.clock.advance(minutes=15)
    then = studio.run(studio.day).snapshot["devices"]["hubitat"]
    studio.clock.advance(hours=2)
    for _ in range(2):
        entry = studio.run(studio.day).snapshot["devices"]["hubitat"]
        assert (entry["status"], entry["readAt"], entry["fault"]) == ("old", then["readAt"], then["fault"])
        assert counts(entry) == NOTHING


def test_the_same_devices_are_the_same_state_however_old_and_warm_they_are(studio, devices):
    """Read times, ages, temperatures and charges move all day; none of that is a new revision."""
    devices.configure(patience=PATIENT)
    first = studio.run()
    studio.clock.advance(minutes=15)
    devices.hub.devices[0].attributes["temperature"] = ("NUMBER", "71.5")
    devices.hub.devices[1].attributes["battery"] = ("NUMBER", 89)
    second = studio.run()
    assert (second.is_new, second.content_hash) == (False, first.content_hash)
    told = metadata(studio, devices_key(studio.settings.studio_id, "hubitat"))
    assert (told["revision"], told["is_new_revision"]) == (2, True)
    (roborock,) = (
        r for r in newest_connector_reads(studio.history, studio.day) if r.connector_id == "roborock"
    )
    assert roborock.read_at == studio.clock.now()


def test_changed_devices_are_a_new_revision_with_their_difference(studio, devices):
    devices.configure(patience=PATIENT)
    _read_all(studio)
    devices.hub.devices.append(sensor("13", battery=9))
    studio.clock.advance(minutes=15)
    second = studio.run()
    assert second.success, second.errors
    assert (second.is_new, second.revision) == (True, 2)
    assert {change.counter: change.delta for change in second.diff.changes} == {
        "devices.hubitat.devices": 1,
        "devices.hubitat.online": 1,
        "devices.hubitat.lowBattery": 1,
    }
    assert second.diff.sources_changed == ()
    assert not any(metric.metric.startswith("devices") for metric in second.drift.metrics)


def test_findings_open_stay_and_are_resolved(studio, devices):
    """A robot's error, an empty battery, a silent sensor and a hot kiln room; then all is mended."""
    devices.configure(patience=PATIENT)
    devices.hub.devices = [
        sensor("11", room="Kiln room", temperature="140"),
        sensor("12", battery=3),
        sensor("13", quiet_for=timedelta(hours=4)),
    ]
    robot, unknown = devices.robots.robots.values()
    robot.error_code, unknown.error_code = 5, 250
    _read_all(studio)
    expected = {
        ("hubitat/11", "kiln_room_temperature"),
        ("hubitat/12", "battery_low"),
        ("hubitat/13", "sensor_silent"),
        ("roborock/robot-1", "vacuum_error"),
        ("roborock/robot-2", "vacuum_error"),
    }
    assert devices.findings == expected
    kept = {one.finding.subject_id: one for one in studio.doors.findings.open("operations")}
    assert (kept["roborock/robot-2"].finding.severity, kept["roborock/robot-1"].finding.severity) == (
        "low",
        "medium",
    )
    assert kept["roborock/robot-2"].finding.observed == "unknown state 250"
    studio.clock.advance(minutes=15)
    _read_all(studio)
    assert devices.findings == expected
    again = {one.finding.subject_id: one for one in studio.doors.findings.open("operations")}
    assert again["hubitat/12"].revision == kept["hubitat/12"].revision == 1
    told = metadata(studio, operations_key(studio.settings.studio_id, "device_findings"))
    assert (told["dagster/row_count"], told["opened"], told["resolved"]) == (5, 0, 0)
    devices.hub.devices = [sensor("11", room="Kiln room"), sensor("13")]
    robot.error_code = unknown.error_code = 0
    studio.clock.advance(minutes=15)
    _read_all(studio)
    assert devices.findings == set()


def test_one_robot_that_does_not_answer_keeps_its_findings_and_the_other_is_read(studio, devices):
    robot, _ = devices.robots.robots.values()
    robot.error_code = 5
    studio.run()
    assert devices.findings == {("roborock/robot-1", "vacuum_error")}
    devices.robots.faults.add("mute", robot="robot-1")
    studio.clock.advance(minutes=15)
    run = studio.run()
    entry = run.snapshot["devices"]["roborock"]
    assert (entry["status"], entry["devices"], entry["online"], entry["unknown"]) == ("current", 2, 1, 1)
    assert devices.findings == {("roborock/robot-1", "vacuum_error"), ("roborock/robot-1", "device_offline")}
    (failed,) = run.checks_failed
    assert failed.check == "read_is_complete"


def test_a_snapshot_from_before_devices_can_be_compared_with(studio, devices):
    """A v3.1 document is read as it was written; what it did not know is not called a change."""
    first = studio.run()
    yesterday = studio.day - timedelta(days=1)
    old = {name: value for name, value in first.snapshot.items() if name != "devices"}
    old |= {"schemaVersion": "v3.1", "snapshotDate": yesterday.isoformat()}
    studio.history.append_snapshot(
        yesterday,
        content_hash(old),
        old,
        {},
        observed_at=studio.clock.now(),
        run_id="of-then",
        code_version="snapshot-v3.1-1",
    )
    studio.clock.advance(minutes=15)
    run = studio.run()
    assert (run.is_new, run.diff.from_date, run.diff.changes) == (False, yesterday, ())


def test_a_snapshot_made_again_alone_asks_nobody_and_lets_devices_grow_old(studio, devices):
    """Deriving without reading uses what the day's newest run learnt, and calls it old when it is."""
    studio.settings = studio.settings.model_copy(update={"device_stale_minutes": 20})
    devices.configure()
    studio.run()
    asked = devices.hub.requests
    studio.clock.advance(minutes=30)
    definitions = build_defs(
        studio.settings,
        **{
            name: getattr(studio.doors, name) for name in ("documents", "payments", "history", "raw", "clock")
        },
        **{name: getattr(studio.doors, name) for name in ("devices", "device_readings", "findings")},
    )
    studio_id = studio.settings.studio_id
    keys = [cloud_truth_key(studio_id, contract.name) for contract in catalog.ALL]
    result = definitions.resolve_job_def("snapshot_job").execute_in_process(
        instance=studio.instance,
        partition_key=studio.today,
        asset_selection=[*keys, studio_state_key(studio_id, "snapshot")],
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    assert devices.hub.requests == asked
    entry = studio.history.current_snapshot().payload["devices"]["hubitat"]
    assert (entry["status"], entry["ageSeconds"], entry["devices"]) == ("old", 1800, None)


def test_the_live_doors_ask_the_gateway_and_leave_their_events(studio, devices, postgres_url):
    """Only the cloud and the clock are handed in: permits, records, readings and findings are the house's."""
    studio.clock.set(studio.machine_now())  # the live doors have the machine's clock
    devices.hub.devices.append(sensor("13", battery=9))
    studio.settings = studio.settings.model_copy(update={"database_url": SecretStr(postgres_url)})
    studio.doors = replace(studio.doors, devices=None, device_readings=None, findings=None)
    run = studio.run()
    assert run.success, run.errors
    assert {name: entry["status"] for name, entry in run.snapshot["devices"].items()} == {
        "hubitat": "current",
        "roborock": "current",
    }
    with live_findings(studio.settings) as findings, live_audit_log(studio.settings) as audit:
        (kept,) = findings.open("operations")
        assert (kept.finding.subject_id, kept.run_id) == ("hubitat/13", run.run_id)
        with audit.view() as view:
            names = {entry.name for entry in view.tail(20)}
    assert {"connector:hubitat:called", "connector:roborock:called"} <= names
