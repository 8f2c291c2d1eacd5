"""A source we failed to read is not an empty source: faults block the state, keep the last, and heal."""

from contextlib import contextmanager
from dataclasses import replace

import dagster as dg
import pyarrow.parquet as pq
import pytest

from resources.firestore.live import LiveDocumentSource
from resources.rows import Completeness
from studio_assets.cloud_truth.assets import READ_FAILED
from studio_assets.contracts import catalog
from studio_assets.keys import cloud_truth_key, studio_state_key
from tests.integration.graph.pretend_studio import PROJECT
from twins.firestore.faults import Fault, FaultKind
from twins.stripe.faults import Fault as StripeFault
from twins.stripe.faults import FaultAction

pytestmark = pytest.mark.integration


def materializations(studio, key):
    found = studio.instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key), limit=1000)
    return len(found.records)


def assert_blocked(studio, run, lost, good):
    """The failed read is recorded with its reason, nothing is derived, and the last good state stands."""
    assert not run.success
    assert run.snapshot is None
    assert run.diff is None
    assert run.drift is None
    failed = {name for name, read in run.sources.items() if read.completeness is not Completeness.FULL}
    assert failed == lost
    for name in lost:
        contract = catalog.collection(name)
        newest = studio.history.latest_read(contract.source, name)
        assert newest.completeness is not Completeness.FULL
        assert newest.content_hash is None
        assert newest.raw_url is None
        assert newest.reason
        assert any(name in error for error in run.errors)
    assert {c.asset.rpartition("/")[2] for c in run.checks_failed} == lost
    standing = studio.history.current_snapshot()
    assert (standing.revision, standing.content_hash) == (good.revision, good.content_hash)
    event = studio.history.events(limit=1, name=READ_FAILED)[0]
    assert {read["name"] for read in event.payload["reads"]} == lost
    assert event.run_id == run.run_id


@pytest.mark.parametrize("source", ["firestore", "stripe"])
def test_each_collection_alone_can_block_the_state_and_heals(studio, source):
    """One unreadable collection is enough, whichever it is; the next run reads it again."""
    good = studio.run()
    before = None
    for contract in catalog.ALL:
        if contract.source != source:
            continue
        studio.clock.advance(minutes=1)
        if source == "firestore":
            studio.firestore.faults.add(Fault("unavailable", collection=contract.path, count=None))
        else:
            studio.stripe.faults.add(StripeFault(FaultAction.STATUS, path=contract.path, times=None))
        run = studio.run()
        assert_blocked(studio, run, {contract.name}, good)
        if before is not None:
            assert run.sources[before].completeness is Completeness.FULL
        before = contract.name
        studio.firestore.faults.clear()
        studio.stripe.faults.clear()
    healed = studio.run()
    assert healed.success, healed.errors
    assert (healed.is_new, healed.content_hash) == (False, good.content_hash)


FIRESTORE_FAULTS = {
    "unavailable": Fault(FaultKind.UNAVAILABLE, collection="batches", count=None),
    "deadline": Fault(FaultKind.DEADLINE_EXCEEDED, collection="batches", count=None),
    "permission": Fault(FaultKind.PERMISSION_DENIED, collection="batches", count=None),
    "exhausted": Fault(FaultKind.RESOURCE_EXHAUSTED, collection="batches", count=None),
    "cut": Fault(FaultKind.CUT, method="RunQuery", collection="batches", after_documents=0, count=None),
    "hang": Fault(FaultKind.HANG, collection="batches", count=None),
    "refused mid-way": Fault(
        FaultKind.PERMISSION_DENIED, method="RunQuery", collection="batches", after_documents=5, count=None
    ),
}
STRIPE_FAULTS = {
    "server error": StripeFault(FaultAction.STATUS, path="charges", times=None, status=500),
    "rate limited": StripeFault(FaultAction.STATUS, path="charges", times=None, status=429),
    "forbidden": StripeFault(FaultAction.STATUS, path="charges", times=None, status=403),
    "malformed": StripeFault(FaultAction.MALFORMED, path="charges", times=None),
    "cut": StripeFault(FaultAction.CUT, path="charges", times=None),
    "truncated": StripeFault(FaultAction.TRUNCATED, path="charges", times=None),
    "disconnect": StripeFault(FaultAction.DISCONNECT, path="charges", times=None),
}


@pytest.fixture
def impatient(studio):
    """Give up soon: what is tested is that it is given up at all."""
    studio.documents.close()
    studio.documents = LiveDocumentSource(
        PROJECT,
        emulator_host=studio.firestore.host,
        deadline_seconds=5,  # of all faults only silence waits for it; a busy machine needs the rest
        attempts=2,
        sleep=lambda _: None,
    )
    studio.doors = replace(studio.doors, documents=studio.documents)
    return studio


def test_every_kind_of_firestore_fault_blocks_and_heals(impatient):
    """Down, slow, forbidden, exhausted, cut, silent, refused half-way: failed or partial, never zero rows."""
    studio = impatient
    good = studio.run()
    assert good.success, good.errors
    seen = {}
    for kind, fault in FIRESTORE_FAULTS.items():
        studio.clock.advance(minutes=1)
        studio.firestore.faults.add(fault)
        run = studio.run()
        assert_blocked(studio, run, {"batches"}, good)
        seen[kind] = run.sources["batches"].completeness
        studio.firestore.faults.clear()
    assert seen.pop("refused mid-way") is Completeness.PARTIAL
    assert set(seen.values()) == {Completeness.FAILED}
    healed = studio.run()
    assert healed.success, healed.errors
    assert healed.content_hash == good.content_hash


def test_every_kind_of_stripe_fault_blocks_and_heals(studio):
    """Errors, limits, refusals, broken and missing answers: without charges nothing is derived."""
    good = studio.run()
    for fault in STRIPE_FAULTS.values():
        studio.clock.advance(minutes=1)
        studio.stripe.faults.add(fault)
        run = studio.run()
        assert_blocked(studio, run, {"charges"}, good)
        studio.stripe.faults.clear()
    healed = studio.run()
    assert healed.success, healed.errors
    assert healed.content_hash == good.content_hash


def test_a_fault_that_passes_is_survived_within_the_run(studio):
    """A stream that breaks once is taken up again: the read is full, and says how often it was resumed."""
    studio.firestore.faults.add(Fault("cut", method="RunQuery", collection="batches", after_documents=3))
    run = studio.run()
    assert run.success, run.errors
    assert run.sources["batches"].resumes == 1


def test_firestore_wholly_down_loses_its_collections_and_keeps_the_others(studio):
    """Without Firestore's clock nothing of it can be read; Stripe is still read; each loss is recorded."""
    good = studio.run()
    studio.clock.advance(minutes=1)
    studio.firestore.faults.add(Fault("unavailable", count=None))
    run = studio.run()
    assert_blocked(studio, run, {contract.name for contract in catalog.FIRESTORE}, good)
    for contract in catalog.STRIPE:
        assert run.sources[contract.name].completeness is Completeness.FULL


def test_what_was_not_read_whole_is_not_materialized(studio):
    """Dagster sees the good collections as materialized, the lost one and everything derived as not."""
    studio.firestore.faults.add(Fault("permission_denied", collection="kilns", count=None))
    studio.run()
    assert materializations(studio, cloud_truth_key(studio.settings.studio_id, "kilns")) == 0
    assert materializations(studio, cloud_truth_key(studio.settings.studio_id, "batches")) == 1
    for name in ("snapshot", "diff", "drift"):
        assert materializations(studio, studio_state_key(studio.settings.studio_id, name)) == 0


def test_too_many_violations_block_the_state(studio):
    """A collection in which most documents violate the contract cannot be trusted; the others can."""
    good = studio.run()
    studio.clock.advance(minutes=1)
    for number in range(20):
        studio.put("kilns", f"bad{number}", name=["not", "a", "text"])
    run = studio.run()
    assert not run.success
    assert [(check.asset, check.check) for check in run.checks_failed] == [
        ("cloud_truth/kilns", "rows_match_contract")
    ]
    assert any("kilns" in error for error in run.errors)
    assert studio.history.current_snapshot().content_hash == good.content_hash


def test_a_damaged_file_blocks_the_state(studio, monkeypatch):
    """A raw file that holds fewer rows than the read kept is found out before anything is derived."""
    original = studio.raw.writer

    @contextmanager
    def losing(url, schema):
        with original(url, schema) as writer:
            yield writer
        if "/batches/" in url:
            pq.write_table(pq.read_table(url).slice(1), url)

    monkeypatch.setattr(studio.raw, "writer", losing)
    run = studio.run()
    assert not run.success
    assert [check.check for check in run.checks_failed if check.is_blocking] == ["rows_match_contract"]
    assert studio.history.current_snapshot() is None
