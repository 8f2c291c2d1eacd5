"""What Dagster knows of a studio: a change here is seen by staff, by schedules and by stored history."""

import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import yaml

from resources.settings import Settings
from sensors.refresh import build_closing_schedule, build_refresh_schedule
from studio_assets.checks.marketing import RULES_IN_WORDS
from studio_assets.checks.rules import BLOCKING, Check, checks_of
from studio_assets.checks.trust_safety import OF_SUGGESTIONS
from studio_assets.contracts import catalog
from studio_assets.definitions import build_defs

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[3]
FIRESTORE = (
    *("agent_orders", "agent_requests", "batches", "community_reports", "event_charges", "event_signups"),
    *("events", "kiln_firings", "kilns", "library_loans", "materials_orders", "materials_products"),
    *("reservations", "studio_space_reservations", "support_requests"),
)
DEVICES = ("hubitat_devices", "roborock_devices")
STRIPE = ("balance_transactions", "charges", "disputes", "payment_intents", "payouts", "refunds")


@pytest.fixture
def repository(tmp_path):
    return build_defs(Settings(home=tmp_path, studio_id="teststudio")).get_repository_def()


def test_the_assets_are_these(repository):
    """Keys are stored with every materialization: renaming one loses its history."""
    keys = {"/".join(key.path) for key in repository.asset_graph.get_all_asset_keys()}
    assert keys == {
        *(f"teststudio/cloud_truth/{name}" for name in (*FIRESTORE, *STRIPE)),
        *(f"teststudio/cloud_truth/{name}" for name in DEVICES),
        "teststudio/cloud_truth/connector_health",
        *(f"teststudio/studio_state/{name}" for name in ("snapshot", "diff", "drift")),
        *(f"teststudio/operations/{name}" for name in ("device_findings", "recommendations", "anomalies")),
        *(f"teststudio/finance/{name}" for name in ("reconciliation_flags", "weekly_summary")),
        *(f"teststudio/marketing/{name}" for name in ("drafts", "occasions")),
        *(f"teststudio/trust_safety/{name}" for name in ("triage", "report_findings")),
        *(f"teststudio/governance/{name}" for name in ("proposals", "audit_log")),
    }


def test_the_checks_are_these(repository):
    found = {(key.asset_key.path[-1], key.name) for key in repository.asset_graph.asset_check_keys}
    of_snapshot = {
        *("batches_are_conserved", "counters_are_not_negative", "parts_fit_their_whole"),
        *("hash_matches_payload", "provenance_is_stated", "sources_are_full", "sources_are_fresh"),
    }
    of_findings = {
        *("identities_are_stable", "evidence_resolves", "holds_no_personal_data"),
        "confidence_is_in_range",
    }
    of_proposals = {
        *("executions_are_approved", "nobody_approves_their_own", "rows_and_events_agree"),
        *("transitions_are_legal", "nothing_executes_while_halted", "nothing_is_overdue"),
    }
    assert found == {
        *((contract.name, check.value) for contract in catalog.ALL for check in checks_of(contract.name)),
        *((name, check) for name in DEVICES for check in ("read_is_complete", "devices_are_plausible")),
        *(("device_findings", name) for name in of_findings),
        *((asset, name) for asset in ("recommendations", "anomalies") for name in of_findings),
        *((asset, "every_row_is_counted") for asset in ("recommendations", "anomalies")),
        *(("reconciliation_flags", name) for name in of_findings),
        *(("reconciliation_flags", name) for name in ("differences_are_explained", "every_row_is_counted")),
        *(("drafts", name) for name in RULES_IN_WORDS),
        *(("occasions", name) for name in of_findings),
        *(("triage", name) for name in OF_SUGGESTIONS),
        *(("report_findings", name) for name in of_findings),
        *(("snapshot", name) for name in of_snapshot),
        *(("proposals", name) for name in of_proposals),
        ("audit_log", "audit_chain_is_intact"),
    }


def test_what_must_hold_blocks_and_the_rest_warns(repository):
    graph = repository.asset_graph
    for key in graph.asset_check_keys:
        spec = graph.get_check_spec(key)
        assert spec.description
        if key.asset_key.path[-1] in (*DEVICES, "device_findings"):
            assert not spec.blocking  # devices never keep the state from being made
        elif key.asset_key.path[1] == "cloud_truth":
            assert spec.blocking is (Check(key.name) in BLOCKING)


def test_jobs_schedules_sensors_and_resources_are_these(repository):
    assert {
        *("snapshot_job", "rebuild_job", "retention_job", "execution_job", "observe_governance_job"),
    } <= set(repository.job_names)
    assert {schedule.name for schedule in repository.schedule_defs} == {
        *("refresh_schedule", "retention_schedule", "governance_schedule", "governance_full_schedule"),
        *("closing_schedule", "checkpoint_schedule"),
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        *("automation_sensor", "freshness_sensor", "run_failure_sensor", "red_checks_sensor"),
        *("execution_sensor", "recovery_sensor", "expiry_sensor"),
        *("operations_swarm_sensor", "finance_swarm_sensor", "marketing_swarm_sensor"),
        "trust_safety_swarm_sensor",
    }
    assert set(repository.get_top_level_resources()) == {
        *("documents", "payments", "history", "raw", "clock", "settings", "run_book"),
        *("ledger", "governance", "gateway", "executor", "audit"),
        *("devices", "device_readings", "findings", "drafts", "swarms", "triage_suggestions"),
    }
    for sensor in repository.sensor_defs:
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_every_asset_tells_staff_what_it_is(repository):
    """Derived from cloud, owner, kind, code version, freshness, partition by day, and a schema or a view."""
    for key in repository.asset_graph.get_all_asset_keys():
        node = repository.asset_graph.get(key)
        if key.path[1] == "governance":
            continue
        assert node.description.startswith("**Derived from cloud.**")
        assert node.owners
        assert node.kinds
        assert node.code_version
        assert node.freshness_policy_or_from_metadata
        assert node.group_name == key.path[1]
        assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition)
        assert {"dagster/table_name", "dagster/column_schema"} & node.metadata.keys()
        is_of_departments = key.path[1] not in {"cloud_truth", "studio_state"}
        if is_of_departments or key.path[2] in (*DEVICES, "connector_health"):
            columns = node.metadata["dagster/column_schema"].columns
            assert columns
            assert all(column.description for column in columns)
        elif key.path[1] == "cloud_truth":
            columns = node.metadata["dagster/column_schema"].columns
            assert len(columns) == len(catalog.collection(key.path[2]).columns) + 1
            assert all(column.description for column in columns)


def test_governance_is_observed_never_materialized(repository):
    """It grows by the gateway alone; Dagster looks at it where it is."""
    governed = [key for key in repository.asset_graph.get_all_asset_keys() if key.path[1] == "governance"]
    assert len(governed) == 2
    for key in governed:
        node = repository.asset_graph.get(key)
        assert node.is_observable
        assert not node.is_materializable
        assert node.description
        assert node.owners
        assert node.kinds
        assert node.group_name == "governance"
        assert node.metadata["dagster/table_name"].startswith("studio.")


def test_the_main_job_does_not_look_at_governance(repository):
    """Reading the cloud neither waits for the ledger nor fails with it."""
    names = {node.name for node in repository.get_job("snapshot_job").nodes}
    assert not {name for name in names if "governance" in name}
    observing = {node.name for node in repository.get_job("observe_governance_job").nodes}
    assert observing == {"observe_governance", "check_governance"}


def test_rebuilding_a_past_day_makes_only_what_the_past_has(repository):
    """Its cloud truth, its state and their checks; findings, drafts and devices tell of the present."""
    job = repository.get_job("rebuild_job")
    past = {
        *(f"teststudio/cloud_truth/{name}" for name in (*FIRESTORE, *STRIPE)),
        "teststudio/cloud_truth/connector_health",
        *(f"teststudio/studio_state/{name}" for name in ("snapshot", "diff", "drift")),
    }
    assert {"/".join(key.path) for key in job.asset_layer.selected_asset_keys} == past
    checks = {key for key in repository.asset_graph.asset_check_keys if "/".join(key.asset_key.path) in past}
    assert set(job.asset_layer.asset_graph.asset_check_keys) == checks
    assert {node.name for node in job.nodes} == {
        *("read_cloud_truth", "read_devices", "check_cloud_truth"),
        *("derive_snapshot", "check_snapshot", "compare_snapshots", "measure_drift"),
    }


def test_what_schedules_ask_for_is_what_their_jobs_take(repository, tmp_path):
    """Today's run and the closing of yesterday say how to read, in the words of their own jobs."""
    settings = Settings(home=tmp_path, studio_id="teststudio")
    midnight = datetime(2026, 11, 20, 0, 15, tzinfo=ZoneInfo(settings.timezone))
    for build in (build_refresh_schedule, build_closing_schedule):
        schedule = build(settings)
        with (
            dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
            dg.build_schedule_context(instance=instance, scheduled_execution_time=midnight) as context,
        ):
            asked = schedule(context)
        assert dg.validate_run_config(repository.get_job(schedule.job_name), asked.run_config)


def test_today_is_a_partition_and_history_begins_where_settings_say(tmp_path):
    settings = Settings(home=tmp_path, history_start="2026-10-01")
    graph = build_defs(settings).get_repository_def().asset_graph
    partitioned = [key for key in graph.get_all_asset_keys() if key.path[1] == "studio_state"]
    days = graph.get(partitioned[0]).partitions_def
    earliest = datetime.now(ZoneInfo(settings.timezone)).date()
    keys = days.get_partition_keys()
    latest = datetime.now(ZoneInfo(settings.timezone)).date()  # another one, when midnight passed in between
    assert keys[0] == "2026-10-01"
    assert earliest <= date.fromisoformat(keys[-1]) <= latest


def test_loading_definitions_opens_nothing(tmp_path):
    """A code server starts while database and cloud are away: no credentials, no network, no home needed."""
    definitions = build_defs(Settings(home=tmp_path / "absent", firestore_emulator_host="127.0.0.1:1"))
    dg.Definitions.validate_loadable(definitions)
    assert not (tmp_path / "absent").exists()


def test_two_studios_share_no_key(tmp_path):
    one, two = (
        build_defs(Settings(home=tmp_path, studio_id=name)).get_repository_def().asset_graph
        for name in ("studio_one", "studio_two")
    )
    assert not one.get_all_asset_keys() & two.get_all_asset_keys()


def test_the_workspace_loads_without_great_expectations_pandas_or_grpc(tmp_path):
    """Code server, web and daemon never pay for what only a reading or checking step needs."""
    heavy = ("great_expectations", "pandas", "google.cloud.firestore", "stripe")
    script = (
        "import sys; from studio_assets.definitions import defs; import resources.dagster_storage; defs();"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    environment = {**os.environ, "STUDIO_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr[-2000:]


def test_the_workspace_file_names_the_definitions():
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())
    (entry,) = workspace["load_from"]
    assert entry["python_module"]["module_name"] == "studio_assets.definitions"
