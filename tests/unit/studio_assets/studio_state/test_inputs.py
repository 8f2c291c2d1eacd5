"""Which reads a snapshot may rest on: full, of the day, fresh enough, and with their files still there."""

from datetime import date, timedelta

import pytest

from resources.clock import day_end
from resources.raw_store import RawStore
from resources.rows import Completeness
from studio_assets.studio_state.counters import REQUIRED_SOURCES, count_state
from studio_assets.studio_state.inputs import read_tables, spread_warning, usable_reads
from studio_assets.studio_state.snapshot import IncompleteSourcesError
from tests.unit.studio_assets.studio_state.reads import DAY, PHOENIX, READ_AT, full_read, full_reads
from tests.unit.studio_assets.studio_state.tables import table

TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


def usable(reads, *, now=READ_AT, day=DAY):
    return usable_reads(reads.values(), day, now=now, timezone=PHOENIX, stale_minutes=60)


@pytest.mark.parametrize(("age", "is_usable"), [(HOUR - TICK, True), (HOUR, True), (HOUR + TICK, False)])
def test_reads_of_a_running_day_go_stale(age, is_usable):
    """Exactly as old as allowed is still fresh; beyond it every collection is named."""
    reads = full_reads()
    if is_usable:
        assert usable(reads, now=READ_AT + age) == reads
        return
    with pytest.raises(IncompleteSourcesError) as refused:
        usable(reads, now=READ_AT + age)
    assert len(refused.value.problems) == len(reads)


def test_reads_of_the_very_end_of_a_day_are_never_stale():
    end = day_end(DAY, PHOENIX)
    reads = {name: full_read(name, read_at=end) for name in full_reads()}
    assert usable(reads, now=end + timedelta(days=300)) == reads


def test_a_newer_failed_read_hides_an_older_good_one():
    """What counts is the newest read, whatever it says."""
    reads = full_reads(kilns=full_read("kilns", completeness=Completeness.FAILED, reason="It was away."))
    with pytest.raises(IncompleteSourcesError, match="kilns was read only in part"):
        usable(reads)


def test_reads_of_another_day_do_not_count():
    with pytest.raises(IncompleteSourcesError, match="not for 2026-11-21"):
        usable(full_reads(), day=date(2026, 11, 21))


@pytest.fixture
def kept(tmp_path):
    """Return a raw store and reads whose files are in it."""
    raw, reads = RawStore(str(tmp_path)), full_reads()
    for name in REQUIRED_SOURCES:
        rows = table(name, [])
        url = raw.url_for("studio", reads[name].source, name, DAY, READ_AT)
        with raw.writer(url, rows.schema) as writer:
            for batch in rows.to_batches():
                writer.write(batch)
        reads[name] = full_read(name, raw_url=url)
    return raw, reads


def test_rows_are_loaded_as_far_as_counters_look(kept):
    raw, reads = kept
    tables = read_tables(reads, raw)
    assert set(tables) == set(REQUIRED_SOURCES)
    assert set(tables["kilns"].column_names) == {"document_id", "status"}
    assert set(count_state(tables, READ_AT, PHOENIX).flat().values()) == {0}


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_lost_file_is_refused_and_named(kept, harm):
    """A file that retention or a disk took is not an empty collection."""
    raw, reads = kept
    from pathlib import Path

    path = Path(reads["kilns"].raw_url)
    path.unlink() if harm == "gone" else path.write_bytes(b"PAR1 not any more")
    with pytest.raises(IncompleteSourcesError, match="kilns is gone or damaged"):
        read_tables(reads, raw)


def test_reads_at_different_instants_are_said_to_be():
    assert spread_warning(full_reads().values()) == ()
    later = full_read("kilns", read_at=READ_AT + HOUR)
    (warning,) = spread_warning(full_reads(kilns=later).values())
    assert "between 2026-11-20T18:00:00.000000Z and 2026-11-20T19:00:00.000000Z" in warning
