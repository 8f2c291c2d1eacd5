"""The views of newest rows take as long as there are rows, however many revisions one thing has."""

from datetime import date

import pytest
from sqlalchemy import text

from resources.rows import CounterChange, DriftMetric, SnapshotDiff
from tests.integration.postgres.samples import NOON, sha

pytestmark = pytest.mark.integration
BY = {"run_id": "run-1", "code_version": "1"}

VIEWS = (
    *("swarm_controls", "finding_dispositions", "marketing_drafts", "triage_suggestions"),
    *("triage_decisions", "findings", "studio_state_snapshots", "studio_state_diffs"),
)
OF_MANY_ROWS = ("studio_state_counters", "studio_state_drift")


def _plan(engine, name):
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        return "\n".join(connection.scalars(text(f"EXPLAIN SELECT * FROM studio.{name}_current")))  # noqa: S608 - names of our own views


@pytest.mark.parametrize("name", VIEWS)
def test_newest_rows_are_found_in_one_walk(app_engine, name):
    """No row is held against another: that was the square of the revisions where statistics were old."""
    with app_engine.connect() as connection:
        plan = "\n".join(connection.scalars(text(f"EXPLAIN SELECT * FROM studio.{name}_current")))  # noqa: S608 - names of our own views
    assert "Unique" in plan
    assert "Join" not in plan
    assert "Nested Loop" not in plan
    assert "SubPlan" not in plan


@pytest.mark.parametrize("name", VIEWS)
def test_the_index_that_every_walk_goes_along_is_there(app_engine, name):
    """Without sorting: the order is that of the primary key."""
    plan = _plan(app_engine, name)
    assert f"Index Scan Backward using {name}_pkey" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("name", OF_MANY_ROWS)
def test_newest_revisions_of_many_rows_are_found_in_one_walk(app_engine, name):
    """Two thousand revisions of one day took minutes when every row was held against all of its day."""
    plan = _plan(app_engine, name)
    assert f"Index Scan using {name}_pkey" in plan
    assert "WindowAgg" in plan
    assert not [word for word in ("Join", "Nested Loop", "SubPlan", "Sort") if word in plan]


def test_the_kill_switch_is_found_in_one_walk(app_engine):
    """However often it was thrown."""
    plan = _plan(app_engine, "kill_switch")
    assert "Index Scan Backward using kill_switch_changes_pkey" in plan
    assert "Join" not in plan


def test_the_newest_revisions_are_those_and_whole(history, app_engine):
    """Of each day and check its newest revision, with all its rows and none that only an older one has."""
    first, second = date(2026, 3, 1), date(2026, 3, 2)
    told = [
        (first, {"counts.a": 1, "counts.b": 2}),
        (second, {"counts.a": 5}),
        (first, {"counts.a": 3}),
        (second, {"counts.a": 6, "counts.b": 7}),
    ]
    for number, (day, counters) in enumerate(told):
        values = {name: (value, "documents") for name, value in counters.items()}
        newest, _ = history.append_snapshot(day, sha(str(number)), {}, values, observed_at=NOON, **BY)
    for number, names in enumerate([("counts.a", "counts.b"), ("counts.b",)]):
        metrics = [DriftMetric(name, "firestore", 3, number, is_drift=True, confidence=1.0) for name in names]
        history.append_drift(newest, metrics, NOON, **BY)
        changes = (CounterChange("counts.a", 3, 6 + number),)
        history.append_diff(SnapshotDiff(second, 2, NOON, first, 2, NOON, changes, ()), NOON, **BY)

    def rows(name, columns):
        query = text(f"SELECT {columns} FROM studio.{name}_current")  # noqa: S608 - our names
        with app_engine.connect() as connection:
            found = connection.execute(query).all()
        return sorted(map(tuple, found))

    assert rows("studio_state_snapshots", "snapshot_date, revision") == [(first, 2), (second, 2)]
    assert rows("studio_state_counters", "snapshot_date, revision, counter, value") == [
        (first, 2, "counts.a", 3),
        (second, 2, "counts.a", 6),
        (second, 2, "counts.b", 7),
    ]
    assert rows("studio_state_drift", "snapshot_date, snapshot_revision, revision, metric, observed") == [
        (second, 2, 2, "counts.b", 1)
    ]
    assert rows("studio_state_diffs", "to_date, to_revision, revision") == [(second, 2, 2)]
