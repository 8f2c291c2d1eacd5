"""The live door over real gRPC: exact while the studio works and the network does not."""

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest

from resources.firestore.gateway import CollectionQuery, ScanStats, Where
from resources.rows import Completeness, ReadMode
from studio_assets.cloud_truth.incremental import read_changes
from studio_assets.cloud_truth.read import read_collection
from studio_assets.contracts.catalog import FIRESTORE, collection
from tests.integration.reads.conftest import WireCloud, name
from twins.firestore.faults import Fault

KILNS = collection("kilns")


def fill(cloud, count=10, path="kilns"):
    cloud.twin.store.put_many((name(path, f"k{number:05}"), {"name": str(number)}) for number in range(count))


def read(cloud, raw, contract=KILNS):
    read_at = cloud.source.read_time()
    return read_collection(
        cloud.source, contract, raw, studio_id="s", snapshot_date=read_at.date(), read_at=read_at
    )


@pytest.mark.parametrize("kind", ["unavailable", "cut", "deadline_exceeded", "resource_exhausted"])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_passing_faults_leave_no_mark(wire, raw, kind, after):
    """A stream that breaks anywhere is taken up; the hash is that of an undisturbed read."""
    fill(wire)
    calm = read(wire, raw)
    wire.twin.faults.add(Fault(kind, method="RunQuery", after_documents=after, count=2))
    rough = read(wire, raw)
    assert rough.completeness is Completeness.FULL
    assert rough.resumes == wire.twin.faults.struck == 2
    assert rough.content_hash == calm.content_hash


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("permission_denied", "roles/datastore.viewer"),
        ("unavailable", "cannot be reached"),
        ("resource_exhausted", "quota"),
    ],
)
@pytest.mark.parametrize("method", ["RunQuery", "RunAggregationQuery"])
def test_lasting_faults_fail_the_read(wire, raw, kind, words, method):
    """The read is failed or partial with a plain reason, keeps nothing, and the next one is full again."""
    fill(wire)
    read_at = wire.source.read_time()
    wire.twin.faults.add(Fault(kind, method=method, collection="kilns", after_documents=0, count=None))
    report = read_collection(
        wire.source, KILNS, raw, studio_id="s", snapshot_date=read_at.date(), read_at=read_at
    )
    assert report.completeness is Completeness.FAILED
    assert words in report.reason
    assert raw._files.find(raw.root_url) == []
    wire.twin.faults.clear()
    assert read(wire, raw).completeness is Completeness.FULL


def test_half_read_collection_is_partial(twin, raw):
    """A source that goes away in the middle leaves a partial read, not a short one."""
    cloud = WireCloud(twin, attempts=2)
    fill(cloud)
    read_at = cloud.source.read_time()
    twin.faults.add(Fault("permission_denied", method="RunQuery", after_documents=2))
    report = read_collection(
        cloud.source, KILNS, raw, studio_id="s", snapshot_date=read_at.date(), read_at=read_at
    )
    cloud.source.close()
    assert report.completeness is Completeness.PARTIAL
    assert (report.documents, report.expected_documents) == (2, 10)


def test_silent_source_times_out(twin, raw):
    cloud = WireCloud(twin, deadline_seconds=0.3)
    fill(cloud)
    read_at = cloud.source.read_time()
    twin.faults.add(Fault("hang", method="RunQuery", count=None))
    report = read_collection(
        cloud.source, KILNS, raw, studio_id="s", snapshot_date=read_at.date(), read_at=read_at
    )
    cloud.source.close()
    assert report.completeness is Completeness.FAILED
    assert "too long" in report.reason


def test_instants_the_source_no_longer_keeps_are_told(twin, raw):
    """A rebuild beyond the source's retention fails with that reason."""
    twin.clock.retention = timedelta(hours=1)
    cloud = WireCloud(twin)
    fill(cloud)
    report = read_collection(
        cloud.source,
        KILNS,
        raw,
        studio_id="s",
        snapshot_date=datetime(2020, 1, 1, tzinfo=UTC).date(),
        read_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    cloud.source.close()
    assert report.completeness is Completeness.FAILED
    assert "no longer keeps what it held at that instant" in report.reason


def test_instants_to_come_are_told(wire, raw):
    report = read_collection(
        wire.source,
        KILNS,
        raw,
        studio_id="s",
        snapshot_date=datetime(2090, 1, 1, tzinfo=UTC).date(),
        read_at=datetime(2090, 1, 1, tzinfo=UTC),
    )
    assert "has not reached that instant yet" in report.reason


def test_scans_are_exact_while_money_moves(twin):
    """Transfers never change the total of all accounts, and no scan, however torn, sees another."""
    cloud = WireCloud(twin, page_size=70)
    balances = dict.fromkeys(range(300), 100)
    twin.store.put_many((name("accounts", f"{key:05}"), {"cents": 100}) for key in balances)
    stop, dice = threading.Event(), random.Random(1)

    def churn():
        while not stop.is_set():
            one, other = dice.sample(sorted(balances), 2)
            balances[one] -= 7
            balances[other] += 7
            twin.store.put_many(
                (name("accounts", f"{key:05}"), {"cents": balances[key]}) for key in (one, other)
            )

    worker = threading.Thread(target=churn)
    worker.start()
    try:
        resumes = 0
        for turn in range(12):
            twin.faults.add(Fault("cut", method="RunQuery", after_documents=turn * 7 % 70))
            stats = ScanStats()
            batches = list(
                cloud.source.scan(
                    CollectionQuery("accounts", ("cents",)), read_time=cloud.source.read_time(), stats=stats
                )
            )
            ids = [document_id for batch in batches for document_id in batch.ids]
            assert ids == [f"{key:05}" for key in range(300)]
            assert sum(int(batch.columns["cents"].numbers.sum()) for batch in batches) == 30_000
            resumes += stats.resumes
        assert resumes == 12
    finally:
        stop.set()
        worker.join()
        cloud.source.close()


@pytest.mark.parametrize("contract", FIRESTORE, ids=lambda contract: contract.name)
def test_every_contract_can_be_read(wire, raw, contract):
    """The projection of every contract is legal at the server, and so is its query for changes."""
    wire.put(contract.path, "d", {"createdAt": wire.source.read_time(), "updatedAt": wire.source.read_time()})
    report = read(wire, raw, contract)
    assert (report.completeness, report.documents) == (Completeness.FULL, 1)
    if contract.change_column is not None:
        path = contract.column(contract.change_column).path
        where = (Where(path, ">=", report.watermark_at),)
        assert wire.source.count(contract.path, read_time=report.read_at, where=where) == 1


def test_cost_is_what_the_source_charges(twin, raw):
    """Billed reads in the report are the twin's own bill, whole and incremental, counts included."""
    cloud = WireCloud(twin, page_size=5000)
    contract = collection("materials_orders")
    start = cloud.source.read_time() - timedelta(days=1)
    twin.store.put_many(
        (name(contract.path, f"o{number:05}"), {"updatedAt": start + timedelta(seconds=number)})
        for number in range(2500)
    )
    read_at = cloud.source.read_time()
    twin.stats.reset()
    request = {"studio_id": "s", "snapshot_date": read_at.date()}
    whole = read_collection(cloud.source, contract, raw, read_at=read_at, **request)
    assert whole.billed_reads == twin.stats.documents_billed == 2500 + 3
    cloud.put(contract.path, "o00007", {"status": "paid", "updatedAt": start + timedelta(hours=2)})
    read_at = cloud.source.read_time()
    twin.stats.reset()
    changes = read_changes(cloud.source, contract, raw, base=whole, read_at=read_at, **request)
    cloud.source.close()
    assert changes.mode is ReadMode.INCREMENTAL
    assert changes.billed_reads == twin.stats.documents_billed
    assert changes.billed_reads < whole.billed_reads / 3


def test_nothing_but_reads_reaches_the_source(wire, raw):
    fill(wire)
    read(wire, raw)
    assert set(wire.twin.stats.calls) == {"RunQuery", "RunAggregationQuery"}
