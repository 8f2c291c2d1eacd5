"""Many runs in one process: the job is resolved once, and every run has its own doors."""

from dataclasses import replace

import dagster as dg
import pytest

from studio_assets import definitions, run
from studio_assets.contracts import catalog
from studio_assets.run import _job, run_snapshot

pytestmark = pytest.mark.integration


class FullDisk:
    """A history that keeps two reads, and no more."""

    def __init__(self, history):
        self._history = history
        self.kept = []

    def __getattr__(self, name):
        return getattr(self._history, name)

    def record_read(self, read, *more):
        if len(self.kept) == 2:
            raise OSError("the disk is full")
        self._history.record_read(read, *more)
        self.kept.append(read.name)


def test_a_run_that_dies_among_its_reads_has_judged_those_it_kept(studio, monkeypatch):
    """Two runs of one resolved job, each with the doors it was given; the second breaks off after two reads.

    What was read whole until then is materialized, with its check, as if it had been judged there and then.
    """
    resolved, build_defs = [], definitions.build_defs
    monkeypatch.setattr(
        definitions, "build_defs", lambda settings: resolved.append(settings) or build_defs(settings)
    )
    monkeypatch.setattr(run, "_job", _job)  # the house's own, not one that all tests share
    _job.cache_clear()
    good = studio.run()
    assert good.success, good.errors
    history = FullDisk(studio.history)
    broken = run_snapshot(
        studio.instance,
        studio.settings,
        snapshot_date=studio.day,
        doors=replace(studio.doors, history=history),
    )
    assert resolved == [studio.settings]
    assert broken.errors == ("The step read_cloud_truth failed: OSError: the disk is full",)
    known = {contract.name for contract in catalog.ALL}
    noted = [check.asset.removeprefix("cloud_truth/") for check in broken.checks]
    assert [name for name in noted if name in known] == history.kept
    told = studio.instance.all_logs(broken.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    judged = [event.dagster_event.asset_check_evaluation_data for event in told]
    of_reads = [one for one in judged if one.asset_key.path[-1] in known]
    assert [one.asset_key.path[-1] for one in of_reads] == history.kept
    assert {one.target_materialization_data.run_id for one in of_reads} == {broken.run_id}
