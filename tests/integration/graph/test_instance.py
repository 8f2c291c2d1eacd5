"""The shipped dagster.yaml over a real PostgreSQL: pooled, limited, quiet, and a run recorded in it."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster_postgres.event_log import PostgresEventLogStorage
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from resources.dagster_event_log import BatchedEventLog
from resources.dagster_storage import PooledPostgresStorage
from tests.integration.graph.pretend_studio import PretendStudio

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def instance(empty_database_url, tmp_path, monkeypatch):
    """Return an instance as every process of the product opens it."""
    monkeypatch.setenv("DAGSTER_PG_URL", empty_database_url)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.get() as opened:
        yield opened


def test_storage_reuses_its_connections(instance):
    """Opening a connection per call costs more than everything else in a run."""
    for part in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
        assert not isinstance(part._engine.pool, NullPool)
    assert type(instance.run_storage).__module__.startswith("dagster_postgres")
    assert isinstance(instance.event_log_storage, BatchedEventLog)
    assert PooledPostgresStorage.__module__ in (ROOT / "dagster.yaml").read_text()


def test_the_instance_is_limited_quiet_and_forgets_ticks(instance):
    assert not instance.telemetry_enabled
    assert not instance.nux_enabled
    assert instance.run_monitoring_enabled
    assert instance.run_retries_enabled
    assert not instance.run_retries_max_retries > 2
    assert isinstance(instance.compute_log_manager, NoOpComputeLogManager)
    concurrency = instance.get_concurrency_config()
    queue = concurrency.run_queue_config
    assert queue.max_concurrent_runs == 3
    assert [limit["key"] for limit in queue.tag_concurrency_limits] == [
        "dagster/partition",
        "studio/proposal",
    ]
    days = instance.get_tick_retention_settings(InstigatorType.SENSOR)
    assert {status.value: kept for status, kept in days.items()} == {
        "STARTED": -1,
        "SKIPPED": 1,
        "SUCCESS": 30,
        "FAILURE": 30,
    }


def test_a_run_in_this_process_is_a_recorded_run(history, tmp_path, instance, monkeypatch):
    """The web server and the daemon see it: partition, checks, materializations, and nothing left over.

    Every event of it is written, in order, by fewer statements than there are events, and the shape of the
    tables is looked at once, not per event.
    """
    told, statements = [], []
    log = instance.event_log_storage
    store_event = log.store_event
    monkeypatch.setattr(log, "store_event", lambda each: (told.append(each), store_event(each)))
    event.listen(log._engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    studio = PretendStudio(history, tmp_path / "home", instance)
    try:
        studio.populate()
        run = studio.run()
        assert run.success, run.errors
        assert log._waiting == []
        another = PostgresEventLogStorage(log.postgres_url, should_autocreate_tables=False)
        kept = [each.event_log_entry for each in another.get_records_for_run(run.run_id).records]
        assert kept == [each for each in told if each.run_id == run.run_id]
        record = instance.get_run_record_by_id(run.run_id)
        assert record.dagster_run.status is dg.DagsterRunStatus.SUCCESS
        assert record.dagster_run.tags["dagster/partition"] == studio.day.isoformat()
        key = dg.AssetKey([studio.settings.studio_id, "studio_state", "snapshot"])
        assert instance.get_materialized_partitions(key) == {studio.day.isoformat()}
        made = instance.get_latest_materialization_event(key)
        metadata = made.asset_materialization.metadata
        assert metadata["counts.batchesActive"].value == 9
        assert metadata["origin"].value.startswith("Derived from cloud")
        assert made.asset_materialization.tags["dagster/data_version"] == run.content_hash
        assert len(kept) > 400
        assert len(statements) < len(kept)
        assert sum("pg_catalog" in statement for statement in statements) < 10
    finally:
        studio.close()
