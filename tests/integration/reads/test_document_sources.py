"""What a document source promises, asked of the fake, and of the live door with every server there is."""

import random
from datetime import timedelta

import pytest

from resources.firestore.gateway import CollectionQuery, ScanStats, Where
from studio_assets.cloud_truth.incremental import read_changes
from studio_assets.cloud_truth.read import read_collection
from studio_assets.contracts.catalog import collection
from tests.integration.reads.conftest import InMemoryCloud

KILNS = collection("kilns")


def scan(cloud, *paths, where=(), at=None, name="kilns"):
    """Return id -> record in the order of the scan, and its cost."""
    stats = ScanStats()
    query = CollectionQuery(name, paths or ("name",), where)
    pairs = [
        pair
        for batch in cloud.source.scan(query, read_time=at or cloud.source.read_time(), stats=stats)
        for pair in zip(batch.ids, batch.records, strict=True)
    ]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs), stats


def test_ids_come_in_the_order_of_their_bytes(cloud):
    """Upper case before lower case, accents and other scripts after: the order that hashes rely on."""
    ids = ["b", "B", "a", "aa", "ä", "日", "Z", "0", "😀", "a-b", "a_b"]
    for document_id in ids:
        cloud.put("kilns", document_id, {"name": document_id})
    found, stats = scan(cloud)
    assert list(found) == sorted(ids)
    assert stats.documents == len(ids)
    assert stats.billed_reads >= len(ids)


def test_only_requested_fields_come(cloud):
    """Projection reaches into maps and leaves out what is missing."""
    cloud.put("kilns", "a", {"name": "A", "notes": "secret", "window": {"status": "open", "note": "secret"}})
    cloud.put("kilns", "b", {"window": "none"})
    found, _ = scan(cloud, "name", "window.status")
    assert found["a"] == {"name": "A", "window": {"status": "open"}}
    assert found["b"].get("window", {}) in ({}, None)


def test_the_past_can_be_read(cloud):
    """Every instant shows what was committed by then, deletions included."""
    cloud.put("kilns", "a", {"name": "old"})
    cloud.put("kilns", "b", {"name": "b"})
    then = cloud.source.read_time()
    cloud.put("kilns", "a", {"name": "new"})
    cloud.delete("kilns", "b")
    assert {key: record["name"] for key, record in scan(cloud, at=then)[0].items()} == {"a": "old", "b": "b"}
    assert {key: record["name"] for key, record in scan(cloud)[0].items()} == {"a": "new"}
    assert cloud.source.count("kilns", read_time=then) == 2
    assert cloud.source.count("kilns", read_time=cloud.source.read_time()) == 1


def test_counts_equal_scans(cloud):
    """Whatever the condition, the source counts what a scan finds."""
    now = cloud.source.read_time()
    for number in range(10):
        stamp = now + timedelta(seconds=number) if number % 3 else str(number)
        cloud.put("kilns", f"k{number}", {"name": "even" if number % 2 == 0 else "odd", "at": stamp})
    for where in ((), (Where("name", "==", "even"),), (Where("at", ">=", now + timedelta(seconds=4)),)):
        found, _ = scan(cloud, "name", "at", where=where)
        assert cloud.source.count("kilns", read_time=cloud.source.read_time(), where=where) == len(found)


def test_range_scans_come_in_order_of_field_and_id(cloud):
    """Changes come oldest first; values of another type than the condition's do not match."""
    now = cloud.source.read_time()
    for document_id, seconds in (("c", 1), ("a", 2), ("b", 2), ("d", 3), ("e", 0)):
        cloud.put("kilns", document_id, {"name": "x", "at": now + timedelta(seconds=seconds)})
    cloud.put("kilns", "f", {"name": "x", "at": "2999-01-01"})
    found, _ = scan(cloud, "name", where=(Where("at", ">=", now + timedelta(seconds=1)),))
    assert list(found) == ["c", "a", "b", "d"]


def test_nothing_is_nothing(cloud):
    found, stats = scan(cloud, name="nothing")
    assert (found, stats.documents) == ({}, 0)
    assert cloud.source.count("nothing", read_time=cloud.source.read_time()) == 0


def test_time_goes_forward(cloud):
    """A later write is visible at a later instant and not at an earlier one."""
    before = cloud.source.read_time()
    cloud.put("kilns", "a", {})
    after = cloud.source.read_time()
    assert before <= after
    assert before.utcoffset() == timedelta()
    assert [cloud.source.count("kilns", read_time=instant) for instant in (before, after)] == [0, 1]


def test_both_sources_give_one_hash(cloud, raw):
    """The same documents read over the wire and from memory are the same rows."""
    now = cloud.source.read_time().replace(year=2026, month=1, day=1, microsecond=0)
    cloud.put(
        "kilns",
        "a",
        {"name": "A", "status": "Idle", "isAvailable": True, "updatedAt": now.replace(year=2025)},
    )
    cloud.put("kilns", "b", {"name": 5})
    cloud.put("kilns", "c", {"status": "resting", "updatedAt": "2026-01-01T00:00:00Z"})
    cloud.put("kilns", "d", {"updatedAt": 1_767_225_600})
    read_at = cloud.source.read_time()
    report = read_collection(
        cloud.source, KILNS, raw, studio_id="s", snapshot_date=read_at.date(), read_at=read_at
    )
    table = raw.open_table(report.raw_url).drop_columns(["updated_at"])
    assert table.to_pylist() == [
        {"document_id": "a", "name": "A", "type": None, "status": "idle", "is_available": True},
        {"document_id": "c", "name": None, "type": None, "status": "resting", "is_available": None},
        {"document_id": "d", "name": None, "type": None, "status": None, "is_available": None},
    ]
    assert [one.document_id for one in report.quarantined] == ["b"]
    assert report.warnings == {
        "status: value not in the contract, kept": 1,
        "updated_at: instant given as text": 1,
        "updated_at: instant given as a number": 1,
    }


@pytest.mark.parametrize("seed", range(3))
def test_changes_end_where_the_whole_ends(cloud, raw, seed):
    """Random writes, bad documents and deletions over either source."""
    contract, dice = collection("community_reports"), random.Random(seed)
    base = None
    for _ in range(6):
        for _ in range(dice.randrange(12)):
            document_id = f"r{dice.randrange(30):02}"
            if dice.random() < 0.1:
                cloud.delete(contract.path, document_id)
                continue
            severity = dice.choice(["low", "HIGH", 7, None])
            stamp = cloud.source.read_time()
            cloud.put(
                contract.path, document_id, {"severity": severity, "status": "open", "updatedAt": stamp}
            )
        read_at = cloud.source.read_time()
        request = {"studio_id": "s", "snapshot_date": read_at.date(), "read_at": read_at}
        whole = read_collection(cloud.source, contract, raw, **request)
        base = read_changes(cloud.source, contract, raw, base=base, **request)
        assert base.content_hash == whole.content_hash is not None
        assert base.quarantined == whole.quarantined


def test_no_known_server_needs_the_slow_parser(cloud):
    """The bytes of the twin and of Google's emulator have the shape that is read column by column."""
    if isinstance(cloud, InMemoryCloud):
        pytest.skip("the fake has no bytes")
    for number in range(20):
        cloud.put(
            "kilns", f"k{number:02}", {"name": "n" * number * 20, "window": {"status": "open"}, "odd": [1]}
        )
    query = CollectionQuery("kilns", ("name", "window.status", "odd"))
    batches = list(cloud.source.scan(query, read_time=cloud.source.read_time(), stats=ScanStats()))
    assert all(batch.columns is not None for batch in batches)
    assert sum(len(batch.ids) for batch in batches) == 20
