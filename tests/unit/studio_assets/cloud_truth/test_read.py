"""A whole read is full only when proven; otherwise it says why and leaves nothing behind."""

import pyarrow as pa
import pytest

from resources.rows import Completeness, ReadMode
from studio_assets.cloud_truth.read import read_collection
from studio_assets.contracts.arrow import arrow_schema
from studio_assets.contracts.catalog import collection
from tests.unit.studio_assets.cloud_truth.documents import START, InMemoryDocuments

KILNS = collection("kilns")


def studio(count=7, **faults):
    source = InMemoryDocuments(**faults)
    for number in range(count):
        source.put(
            "kilns", f"kiln{number}", {"name": f"Kiln {number}", "status": "idle", "updatedAt": source.now}
        )
    return source


def read(source, raw, contract=KILNS, **options):
    request = {"studio_id": "s", "snapshot_date": START.date(), "read_at": source.tick()}
    return read_collection(source, contract, raw, **{**request, **options})


def test_full_read_keeps_every_row_in_id_order(raw):
    """All rows, typed by the contract, sorted, with count, cost, newest change and hash."""
    source = studio()
    report = read(source, raw)
    assert report.completeness is Completeness.FULL
    assert report.mode is ReadMode.FULL
    assert (report.documents, report.expected_documents, report.billed_reads) == (7, 7, 8)
    assert report.newest_source_at == START.replace(second=6)
    assert report.watermark_at is None  # kilns have no change column
    assert report.reason is None
    table = raw.open_table(report.raw_url)
    assert table.column("document_id").to_pylist() == [f"kiln{number}" for number in range(7)]
    assert table.schema.equals(arrow_schema(KILNS), check_metadata=False)
    assert len(report.content_hash) == 64


def test_empty_collection_is_full_and_empty(raw):
    """Nothing there is an answer: a full read of no rows, with a file and a hash of its own."""
    report = read(InMemoryDocuments(), raw)
    assert report.completeness is Completeness.FULL
    assert (report.documents, report.expected_documents, report.billed_reads) == (0, 0, 1)
    assert report.newest_source_at is None
    assert raw.open_table(report.raw_url).num_rows == 0


def test_only_contract_columns_are_asked_for(raw):
    """The projection is the contract: what is not listed never leaves the source."""
    source = studio(1)
    source.put("kilns", "kiln0", {"name": "A", "notes": "call Jane"})
    report = read(source, raw)
    assert source.scans[0].field_paths == KILNS.field_paths
    assert "notes" not in raw.open_table(report.raw_url).schema.names


def test_bad_documents_are_set_aside_not_lost(raw):
    """Kept and set-aside documents add up to the source's count; the reason names no value."""
    source = studio(3)
    source.put("kilns", "kiln1", {"name": 42})
    report = read(source, raw)
    assert report.completeness is Completeness.FULL
    assert (report.documents, report.expected_documents) == (2, 3)
    (bad,) = report.quarantined
    assert (bad.document_id, bad.field_path, bad.reason) == ("kiln1", "name", "has a value of the wrong type")


def test_tolerated_values_are_counted(raw):
    source = studio(2)
    source.put("kilns", "kiln0", {"status": "Resting", "updatedAt": "2026-04-01T00:00:00Z"})
    assert read(source, raw).warnings == {
        "status: value not in the contract, kept": 1,
        "updated_at: instant given as text": 1,
    }


def test_unreachable_source_is_a_failed_read(raw):
    """No document came: failed, never zero rows."""
    report = read(studio(fail_after=0), raw)
    assert report.completeness is Completeness.FAILED
    assert report.reason == (
        "Firestore cannot be reached (test). Nothing of this read was kept; the last full read stays current."
    )
    assert (report.content_hash, report.raw_url) == (None, None)


def test_scan_that_breaks_is_a_partial_read(raw):
    """Some documents came, but not all of them."""
    report = read(studio(fail_after=4), raw)
    assert report.completeness is Completeness.PARTIAL
    assert (report.documents, report.expected_documents) == (3, 7)
    assert report.raw_url is None


def test_short_scan_is_noticed_by_the_count(raw):
    """A scan that ends without an error but too early is not believed."""
    report = read(studio(hide={"kiln3"}), raw)
    assert report.completeness is Completeness.PARTIAL
    assert "counts 7 documents at this instant, but 6 came" in report.reason


def test_repeated_documents_are_noticed(raw):
    report = read(studio(repeat=True), raw)
    assert report.completeness is Completeness.PARTIAL
    assert "twice or out of order" in report.reason


@pytest.mark.parametrize("faults", [{"fail_after": 4}, {"hide": {"kiln3"}}, {"repeat": True}], ids=str)
def test_unproven_read_leaves_no_file(raw, faults):
    """Neither a whole nor a half file stays after a read that is not full."""
    read(studio(**faults), raw)
    assert raw._files.find(raw.root_url) == []


def test_full_disk_fails_the_read_and_not_the_caller(raw, monkeypatch):
    """A raw store that cannot be written is reported like a source that cannot be read."""

    def no_space(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(raw._files, "open", no_space)
    report = read(studio(), raw)
    assert report.completeness is Completeness.FAILED
    assert "No space left on device" in report.reason


def test_same_rows_same_hash_whatever_the_day(raw):
    """Read time, day and batch size are not in the hash; a changed value is."""
    source = studio()
    first = read(source, raw)
    source.batch_size = 2
    second = read(source, raw, snapshot_date=START.date().replace(day=2))
    source.put("kilns", "kiln5", {"name": "Kiln 5", "status": "firing", "updatedAt": source.now})
    third = read(source, raw)
    assert first.content_hash == second.content_hash != third.content_hash
    assert first.raw_url != second.raw_url


def test_a_past_instant_shows_the_past(raw):
    """The read is pinned: what was written after ``read_at`` is not in it."""
    source = studio(2)
    then = source.now
    source.put("kilns", "kiln2", {"name": "New"})
    source.delete("kilns", "kiln0")
    report = read(source, raw, read_at=then)
    assert raw.open_table(report.raw_url).column("document_id").to_pylist() == ["kiln0", "kiln1"]


def test_change_time_in_the_future_does_not_move_the_watermark(raw):
    """A document stamped by a wrong clock must not hide the changes that follow."""
    source = InMemoryDocuments()
    source.put("batches", "b", {"updatedAt": START.replace(year=2090)})
    report = read(source, raw, contract=collection("batches"))
    assert report.documents == 1
    assert report.watermark_at == report.newest_source_at == report.read_at


def test_progress_counts_every_document(raw):
    seen = []
    read(studio(), raw, progress=seen.append)
    assert seen == [3, 6, 7]


def test_rows_are_readable_by_column(raw):
    """Counters read only the columns they need."""
    report = read(studio(2), raw)
    table = raw.open_table(report.raw_url, columns=["status"])
    assert table.equals(pa.table({"status": ["idle", "idle"]}))
