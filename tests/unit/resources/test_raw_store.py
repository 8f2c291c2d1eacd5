"""Raw reads appear whole or not at all, stay inside their root, and go when their time is over."""

from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from resources.raw_store import ROWS_PER_GROUP, RawStore

READ_AT = datetime(2026, 4, 27, 12, 30, 15, 123456, tzinfo=UTC)
DAY = date(2026, 4, 27)
SCHEMA = pa.schema(
    [pa.field("document_id", pa.string(), nullable=False), pa.field("total_cents", pa.int64())]
)


@pytest.fixture(params=["disk", "memory"])
def store(request, tmp_path):
    """A plain folder with a space in its name, and any other fsspec URL."""
    root = str(tmp_path / "raw reads") if request.param == "disk" else f"memory://raw_{tmp_path.name}"
    return RawStore(root)


def url(store, *, read_at=READ_AT, name="batches"):
    return store.url_for("monsoonfire", "firestore", name, DAY, read_at)


def batch(start, count):
    ids = [f"d{number:06}" for number in range(start, start + count)]
    return pa.RecordBatch.from_arrays([pa.array(ids), pa.array(range(count))], schema=SCHEMA)


def write(store, target, *batches):
    with store.writer(target, SCHEMA) as writer:
        for one in batches:
            writer.write(one)


def write_half(store, target):
    with store.writer(target, SCHEMA) as writer:
        writer.write(batch(0, ROWS_PER_GROUP))
        raise RuntimeError("half way")


def test_layout_is_by_studio_source_name_and_day(store):
    expected = "/monsoonfire/firestore/batches/2026-04-27/20260427T123015123456Z.parquet"
    assert url(store) == store.root_url + expected
    phoenix = READ_AT.astimezone(timezone(timedelta(hours=-7)))
    assert url(store, read_at=phoenix) == url(store)


def test_rows_come_back_as_written(store):
    """Rows, order, schema and noted facts survive; small batches become few row groups."""
    with store.writer(url(store), SCHEMA.with_metadata({"studio.contract": "batches"})) as writer:
        for start in range(0, 9000, 1000):
            writer.write(batch(start, 1000))
        writer.note({"studio.full_read_at": "then"})
    table = store.open_table(url(store))
    assert table.num_rows == 9000
    assert table.column("document_id").to_pylist() == [f"d{number:06}" for number in range(9000)]
    schema, facts = store.schema(url(store))
    assert schema.equals(SCHEMA, check_metadata=False)
    assert facts == {"studio.contract": "batches", "studio.full_read_at": "then"}
    assert store.open_table(url(store), columns=["total_cents"]).schema.names == ["total_cents"]
    assert [one.num_rows for one in store.iter_batches(url(store), batch_size=5000)] == [5000, 4000]


def test_large_reads_are_flushed_as_they_come(store):
    """Waiting rows never pile up beyond one row group."""
    with store.writer(url(store), SCHEMA) as writer:
        for start in range(0, 2 * ROWS_PER_GROUP, 8192):
            writer.write(batch(start, 8192))
            assert sum(one.num_rows for one in writer._waiting) < ROWS_PER_GROUP
    assert store.open_table(url(store)).num_rows == 2 * ROWS_PER_GROUP


def test_empty_read_is_a_file_of_no_rows(store):
    write(store, url(store), batch(0, 0))
    assert store.open_table(url(store)).num_rows == 0


def test_file_appears_only_when_its_writer_is_done(store):
    """While rows are written, and when writing fails, nothing is to be seen at the URL."""
    with store.writer(url(store), SCHEMA) as writer:
        writer.write(batch(0, 10))
        assert not store.exists(url(store))
    assert store.exists(url(store))
    other = url(store, name="kilns")
    with pytest.raises(RuntimeError, match="half way"):
        write_half(store, other)
    assert not store.exists(other)
    assert len(store._files.find(store._root)) == 1


def test_failed_rewrite_keeps_the_earlier_file(store):
    write(store, url(store), batch(0, 5))
    with pytest.raises(RuntimeError, match="half way"):
        write_half(store, url(store))
    assert store.open_table(url(store)).num_rows == 5


def test_missing_read_is_told_as_such(store):
    with pytest.raises(FileNotFoundError):
        store.open_table(url(store))


def test_retention_spares_what_is_kept_and_what_is_not_ours(store):
    """Old reads go, except those a current snapshot rests on; foreign files are never touched."""
    old, kept, young = (url(store, read_at=READ_AT - timedelta(days=days)) for days in (31, 40, 29))
    for target in (old, kept, young):
        write(store, target, batch(0, 1))
    foreign = old.replace(".parquet", ".txt")
    with store._files.open(store._path(foreign), "wb") as file:
        file.write(b"mine")
    gone = store.prune(30, {kept}, now=READ_AT)
    assert [path.rpartition("/")[2] for path in gone] == [old.rpartition("/")[2]]
    assert [store.exists(target) for target in (old, kept, young, foreign)] == [False, True, True, True]


def test_retention_clears_what_a_crash_left(store):
    """An unfinished file older than a day belongs to a process that is gone; a younger one may be at work."""
    for age in (timedelta(hours=1), timedelta(hours=25)):
        stray = f"{store._path(url(store, read_at=READ_AT - age))}.{'0' * 32}.part"
        store._files.makedirs(stray.rpartition("/")[0], exist_ok=True)
        with store._files.open(stray, "wb") as file:
            file.write(b"half")
    assert len(store.prune(30, (), now=READ_AT)) == 1
    assert len(store._files.find(store._root)) == 1


def test_pruning_an_empty_store_is_nothing(store):
    assert store.prune(30, (), now=READ_AT) == []


@pytest.mark.parametrize("segment", ["..", "a/b", "", "a b", "x" * 81])
def test_only_plain_words_make_a_path(store, segment):
    with pytest.raises(ValueError, match="cannot be part of a raw path"):
        store.url_for(segment, "firestore", "batches", DAY, READ_AT)


def test_an_instant_without_zone_makes_no_path(store):
    with pytest.raises(ValueError, match="time zone"):
        url(store, read_at=READ_AT.replace(tzinfo=None))


@pytest.mark.parametrize("stray", ["/etc/passwd", "{root}/../else.parquet", "{root}x/a.parquet"])
def test_urls_outside_the_root_are_refused(store, stray):
    with pytest.raises(ValueError, match="outside the raw store"):
        store.open_table(stray.format(root=store.root_url))
